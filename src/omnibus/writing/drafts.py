"""A message, rendered for one person: every text form once, facts stated, nothing yet shaped by a channel.

Names a template may use: ``customer cart orders offers engagement conversation`` and every other facet (persons
only), ``offer`` (``name code label percent deadline expires``, when the message has one), ``brand``, ``locale zone
today``, and the sender's own values on top level. Names of the context win over values of the same name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from omnibus.errors import MessageError
from omnibus.model.brand import Brand
from omnibus.model.draft import Draft, Element, Fact, OptOut
from omnibus.model.message import CallToAction, Media, Message, Purpose
from omnibus.model.offer import Offer, Terms
from omnibus.writing.filters import FilterMistake, deadline_text, money_text, percent_text
from omnibus.writing.prose import SCHEMES
from omnibus.writing.sandbox import Form, Names, TemplateMistake
from omnibus.writing.shapes import headline, shape
from omnibus.writing.templates import Rendered, Templates
from omnibus.writing.values import no_link

#: the word before a deadline, by language; elsewhere an arrow, which needs none
UNTIL = {
    "da": "til {}", "de": "bis {}", "en": "until {}", "es": "hasta el {}", "fr": "jusqu’au {}", "it": "fino al {}",
    "nl": "t/m {}", "pl": "do {}", "pt": "até {}", "sv": "till {}",
}  # fmt: skip

#: what a discount is called where the offer has no label of its own; elsewhere the bare number
OFF = {
    "da": "{} % rabat", "de": "{} % Rabatt", "en": "{}% off", "es": "{} % de descuento", "fr": "{} % de remise",
    "it": "{}% di sconto", "nl": "{}% korting", "pt": "{}% de desconto", "sv": "{} % rabatt",
}  # fmt: skip

#: the fact that a message with a price states, where its author writes none
PRICE = "{{ price | money(currency) }}"

KEPT = 512  # messages whose plans are remembered

_PERSONAL = frozenset({"profile", "customer"})  # both are shown as `customer`


@dataclass(frozen=True, slots=True)
class _Plan:
    """Hold what is the same for everybody who gets a message.

    Args:
        wants: the names its texts ask for; None where that cannot be told.
        closing: kind and text of what stands at the end.
    """

    message: Message
    wants: frozenset[str] | None
    values: Mapping[str, Any]
    facts: Mapping[str, str]
    closing: tuple[tuple[Any, str], ...]
    personal: bool


class _Desk(NamedTuple):
    """Hold what one rendering needs: the message, the names, and where its lines stand in the file."""

    message: Message
    names: Names
    templates: Templates

    def render(self, part: str, source: str, form: Form = "plain") -> Rendered:
        try:
            return self.templates.render(source, self.names, form)
        except TemplateMistake as mistake:
            raise mistake_in(self.message, part, mistake) from None

    def text(self, part: str, source: str) -> str:
        return self.render(part, source).skeleton.strip() if source else ""


class Writer:
    """Make drafts for one brand; templates are compiled once per text and kept.

    Args:
        filters: template filters that plugins bring.
    """

    def __init__(self, brand: Brand, *, filters: Mapping[str, Callable[..., Any]] | None = None) -> None:
        self.brand = brand
        self._templates, self._plain = Templates(filters), not filters
        self._plans: dict[int, _Plan] = {}
        self._shown = {"name": brand.name, "url": brand.url, "sign_off": brand.voice.sign_off}

    def wants(self, message: Message) -> frozenset[str] | None:
        """List the names that a message's texts ask for; None where that cannot be told."""
        return self._plan(message).wants

    def _plan(self, message: Message) -> _Plan:
        kept = self._plans.get(id(message))
        if kept is None or kept.message is not message:
            if len(self._plans) >= KEPT:
                self._plans.clear()
            data, personal = message.data, message.audience == "person"
            kept = self._plans[id(message)] = _Plan(
                message, self._asked(message), data.get("values", {}), data.get("facts", {}),
                self._closing(message, personal=personal), personal,
            )  # fmt: skip
        return kept

    def _asked(self, message: Message) -> frozenset[str] | None:
        cta, told = message.cta, message.data.get("facts", {})
        texts = [message.headline, message.body, message.preheader, *message.blocks.values(), *map(str, told.values())]
        texts += [cta.label, cta.url] if cta else []
        texts += [text for media in message.media for text in (media.url, media.alt)]
        texts += [] if "price" in told else [PRICE]
        if not self._plain:  # a plugin's filter may look at any name
            return None
        try:
            return frozenset(name for text in texts if text for name in self._templates.wants(text))
        except TemplateMistake:
            return None  # rendering tells where

    def draft(
        self, message: Message, *, view: Mapping[str, Any], values: Mapping[str, Any], locale: str, zone: str,
        delivery: str, terms: Terms | None, opt_out: OptOut, now: datetime,
    ) -> Draft:  # fmt: skip
        """Render a message for one person, or for the public.

        Args:
            view: the context's view by facet (``Context.view()``), with ``customer: {"id": …}`` beside it.
            values: what the sender gave; they win over the ``values`` of the message's file.
            locale: BCP 47; empty means the brand's. *zone*: IANA; empty means the brand's.

        Raises:
            MessageError: a name is missing or a value cannot be shown; names file and line.
        """
        plan, locale, zone = self._plan(message), locale or self.brand.locale, zone or self.brand.zone
        values = {**plan.values, **values} if plan.values else values

        def drafted(wants: frozenset[str] | None) -> Draft:
            names = self._names(plan, wants, view, values, locale, zone, terms, now)
            return self._drafted(plan, names, values, locale, delivery, terms, opt_out)

        try:
            return drafted(plan.wants)
        except MessageError:
            if plan.wants is None:
                raise
            return drafted(None)  # with all names there are, so that the error can suggest one

    def _drafted(
        self, plan: _Plan, names: dict[str, Any], values: Mapping[str, Any], locale: str, delivery: str,
        terms: Terms | None, opt_out: OptOut,
    ) -> Draft:  # fmt: skip
        message, brand = plan.message, self.brand
        desk = _Desk(message, self._templates.names(names), self._templates)
        top, top_values = desk.render("headline", message.headline, "skeleton")
        title = headline(top).filled(top_values)
        skeleton, body_values = desk.render("body", message.body, "skeleton")
        body = shape(skeleton)
        paragraphs = body.elements(body_values)
        cta = _cta(desk, brand) if message.cta else None
        customer = str(names.get("customer", {}).get("id", ""))
        return Draft(
            message=message, brand=brand, locale=locale, delivery=delivery, headline=title,
            markdown=body.marked(body_values), text="\n\n".join([each.text for each in paragraphs]),
            elements=_ranked(title, paragraphs, terms, cta, plan.closing, locale),
            blocks={name: desk.text(f"::: {name}", block) for name, block in message.blocks.items()},
            facts=_facts(desk, plan, terms, cta, values, locale), cta=cta, media=_media(desk), offer=terms,
            opt_out=opt_out, preheader=desk.text("preheader", message.preheader),
            thread=_thread(brand.name, customer, message.topic) if customer else "",
            skeleton=body.skeleton, values=body_values,
        )  # fmt: skip

    def _names(
        self, plan: _Plan, wants: frozenset[str] | None, view: Mapping[str, Any], values: Mapping[str, Any], locale: str,
        zone: str, terms: Terms | None, now: datetime,
    ) -> dict[str, Any]:  # fmt: skip
        """Give what is asked for; locale and zone always, for filters look at them."""
        names = {**values, "brand": self._shown, "locale": locale, "zone": zone}
        if wants is None or "today" in wants:
            names["today"] = now.astimezone(ZoneInfo(zone)).date().isoformat()
        if terms is not None:
            names["offer"] = {
                "name": terms.offer, "code": terms.code, "label": terms.label, "percent": terms.percent,
                "deadline": terms.deadline, "expires": terms.expires.isoformat() if terms.expires else "",
            }  # fmt: skip
        if plan.personal:
            names |= {
                name: each for name, each in view.items()
                if name not in _PERSONAL and (wants is None or name in wants)
            }  # fmt: skip
            person = names["customer"] = {**view.get("profile", {}), **view.get("customer", {})}
            if wants is None or "customer" in wants:
                for key in ("name", "first_name"):
                    if key in person:
                        person[key] = no_link(person[key])
        return names

    def _closing(self, message: Message, *, personal: bool) -> tuple[tuple[str, str], ...]:
        sign_off = (("sign_off", self.brand.voice.sign_off),) if self.brand.voice.sign_off else ()
        bound = message.purpose is Purpose.MARKETING and personal and self.brand.legal
        return (*sign_off, ("legal", "\n".join(self.brand.legal))) if bound else sign_off


def terms_for(offer: Offer, code: str, expires: datetime | None, locale: str, zone: str) -> Terms:
    """Say an offer to one person: label and last day in their language and zone.

    For a shared offer give the brand's zone, so that the public reads the same day as everyone.
    """
    words = OFF.get(locale.partition("-")[0])
    label = offer.label or (words.format(offer.percent) if words else percent_text(offer.percent, locale))
    deadline = deadline_text(expires, locale, zone) if expires else ""
    return Terms(offer.name, code, label, offer.percent, expires, deadline)


def mistake_in(message: Message, part: str, mistake: TemplateMistake) -> MessageError:
    """Say where in the file a template went wrong; *part* names the text, e.g. ``body`` or ``cta.url``."""
    lines = message.data.get("lines", {})
    source = message.source or message.name
    if part not in lines:
        return MessageError(mistake.what, where=f"{source} {part}", fix=mistake.fix)
    first = int(lines[part])
    return MessageError(mistake.what, where=f"{source}:{first + (mistake.line or 1) - 1}", fix=mistake.fix)


def _ranked(
    title: str, paragraphs: list[Element], terms: Terms | None, cta: CallToAction | None,
    closing: tuple[tuple[Any, str], ...], locale: str,
) -> tuple[Element, ...]:  # fmt: skip
    ranked = [Element("headline", title, 0), *paragraphs] if title else list(paragraphs)
    if terms is not None:
        until = UNTIL.get(locale.partition("-")[0], "→ {}").format(terms.deadline) if terms.deadline else ""
        said = (f"{terms.label}:" if terms.code else terms.label, terms.code, until)
        ranked.append(Element("offer", " ".join(filter(None, said)), 0))
    if cta is not None:
        ranked.append(Element("cta", f"{cta.label}: {cta.url}", 1))
    if closing:
        ranked += _closed(closing, len(paragraphs) + 2)
    return tuple(ranked)


@lru_cache(maxsize=256)
def _closed(closing: tuple[tuple[Any, str], ...], first: int) -> tuple[Element, ...]:
    return tuple(Element(kind, text, rank) for rank, (kind, text) in enumerate(closing, start=first))


def _facts(
    desk: _Desk, plan: _Plan, terms: Terms | None, cta: CallToAction | None, values: Mapping[str, Any], locale: str
) -> tuple[Fact, ...]:
    told, facts = plan.facts, []
    price = desk.text("facts.price", told["price"]) if "price" in told else _price(desk, values, locale)
    if price:
        facts.append(Fact("price", price))
    if terms is not None and terms.code:
        facts.append(Fact("code", terms.code))
    if terms is not None and terms.deadline:
        facts.append(Fact("deadline", terms.deadline))
    if cta is not None:
        facts.append(Fact("link", cta.url))
    return tuple(facts)


def _price(desk: _Desk, values: Mapping[str, Any], locale: str) -> str:
    """Write the value ``price`` as ``{{ price | money(currency) }}`` does; without a currency as it stands."""
    if not values.get("price"):
        return ""
    if values.get("currency"):
        return desk.text("facts.price", PRICE)
    try:
        return money_text(values["price"], "", locale)
    except FilterMistake:
        return desk.text("facts.price", "{{ price }}")


def _cta(desk: _Desk, brand: Brand) -> CallToAction | None:
    """Render the call to action; without a link of its own it leads to the brand's site, without either it is left out."""
    told = desk.message.cta or CallToAction("", "")
    url = desk.text("cta.url", told.url).replace(" ", "%20") or brand.url
    if url and not url.lower().startswith(SCHEMES):
        raise mistake_in(desk.message, "cta.url", TemplateMistake("the link leads nowhere", fix="use an https URL"))
    return CallToAction(desk.text("cta.label", told.label), url) if url else None


def _media(desk: _Desk) -> tuple[Media, ...]:
    media = []
    for told in desk.message.media:
        url = desk.text("image", told.url)
        if url:
            media.append(Media(url, desk.text("image", told.alt)))
    return tuple(media)


def _thread(brand: str, customer: str, topic: str) -> str:
    return hashlib.sha256(f"{brand}\0{customer}\0{topic}".encode()).hexdigest()[:16]
