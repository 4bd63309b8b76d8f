"""A message, rendered for one person: every text form once, facts stated, nothing yet shaped by a channel.

Names a template may use: ``customer cart orders offers engagement conversation`` and every other facet (persons
only), ``offer`` (``name code label percent deadline expires``, when the message has one), ``brand``, ``locale zone
today``, and the sender's own values on top level. Names of the context win over values of the same name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from omnibus.errors import MessageError
from omnibus.model.brand import Brand
from omnibus.model.draft import Draft, Element, Fact, OptOut
from omnibus.model.message import CallToAction, Media, Message, Purpose
from omnibus.model.offer import Offer, Terms
from omnibus.writing.filters import FilterMistake, deadline_text, money_text, percent_text
from omnibus.writing.prose import SCHEMES, line, pieces, settle_links
from omnibus.writing.templates import Form, Rendered, TemplateMistake, Templates, clean

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

KEPT = 512  # messages whose names are remembered

_DOTTED = re.compile(r"(?<=\w)[.。．｡](?=\w{2,})")


@dataclass(frozen=True, slots=True)
class _Desk:
    """Hold what one rendering needs: the message, the names, and where its lines stand in the file."""

    message: Message
    names: Mapping[str, Any]
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
        self._wants: dict[int, tuple[Message, frozenset[str] | None]] = {}

    def wants(self, message: Message) -> frozenset[str] | None:
        """List the names that a message's texts ask for; None where that cannot be told."""
        kept = self._wants.get(id(message))
        if kept is None or kept[0] is not message:
            if len(self._wants) >= KEPT:
                self._wants.clear()
            kept = self._wants[id(message)] = (message, self._asked(message))
        return kept[1]

    def _asked(self, message: Message) -> frozenset[str] | None:
        cta, told = message.cta, message.data.get("facts", {})
        texts = [message.headline, message.body, message.preheader, *message.blocks.values(), *map(str, told.values())]
        texts += [cta.label, cta.url] if cta else []
        texts += [text for media in message.media for text in (media.url, media.alt)]
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
        locale, zone = locale or self.brand.locale, zone or self.brand.zone
        values = {**message.data.get("values", {}), **values}
        names = self._names(message, view, values, locale, zone, terms, now)
        desk = _Desk(message, names, self._templates)
        headline = desk.render("headline", message.headline, "skeleton")
        body = desk.render("body", message.body, "skeleton")
        title = settle_links(headline.plain(line(headline.skeleton)))
        paragraphs = [settle_links(body.plain(piece)) for piece in pieces(body.skeleton)]
        paragraphs = [each for each in paragraphs if each.strip()]
        cta = _cta(desk, self.brand)
        customer = str(names.get("customer", {}).get("id", ""))
        return Draft(
            message=message, brand=self.brand, locale=locale, delivery=delivery, headline=title,
            markdown=body.markdown.strip(), text="\n\n".join(paragraphs),
            elements=tuple(_ranked(title, paragraphs, terms, cta, self._closing(message), locale)),
            blocks={name: desk.text(f"::: {name}", block) for name, block in message.blocks.items()},
            facts=tuple(_facts(desk, terms, cta, values, locale)), cta=cta, media=tuple(_media(desk)), offer=terms,
            opt_out=opt_out, preheader=desk.text("preheader", message.preheader),
            thread=_thread(self.brand.name, customer, message.topic) if customer else "",
            skeleton=body.skeleton.strip(), values=body.values,
        )  # fmt: skip

    def _names(
        self, message: Message, view: Mapping[str, Any], values: Mapping[str, Any], locale: str, zone: str,
        terms: Terms | None, now: datetime,
    ) -> dict[str, Any]:  # fmt: skip
        today = now.astimezone(ZoneInfo(zone)).date().isoformat()
        brand = {"name": self.brand.name, "url": self.brand.url, "sign_off": self.brand.voice.sign_off}
        names = {**values, "brand": brand, "locale": locale, "zone": zone, "today": today}
        if terms is not None:
            names["offer"] = {
                "name": terms.offer, "code": terms.code, "label": terms.label, "percent": terms.percent,
                "deadline": terms.deadline, "expires": terms.expires.isoformat() if terms.expires else "",
            }  # fmt: skip
        if message.audience == "person":
            facets = {name: each for name, each in view.items() if name not in {"profile", "customer"}}
            person = {**view.get("profile", {}), **view.get("customer", {})}
            names |= {**facets, "customer": {key: _no_link(key, each) for key, each in person.items()}}
        return names

    def _closing(self, message: Message) -> list[tuple[str, str]]:
        sign_off = [("sign_off", self.brand.voice.sign_off)] if self.brand.voice.sign_off else []
        bound = message.purpose is Purpose.MARKETING and message.audience == "person" and self.brand.legal
        return [*sign_off, ("legal", "\n".join(self.brand.legal))] if bound else sign_off


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
    headline: str, paragraphs: list[str], terms: Terms | None, cta: CallToAction | None, closing: list[tuple[str, str]],
    locale: str,
) -> Iterator[Element]:  # fmt: skip
    if headline:
        yield Element("headline", headline, 0)
    for rank, text in enumerate(paragraphs, start=2):
        yield Element("paragraph", text, rank)
    if terms is not None:
        until = UNTIL.get(locale.partition("-")[0], "→ {}").format(terms.deadline) if terms.deadline else ""
        yield Element(
            "offer", " ".join(filter(None, (f"{terms.label}:" if terms.code else terms.label, terms.code, until))), 0
        )
    if cta is not None:
        yield Element("cta", f"{cta.label}: {cta.url}", 1)
    for rank, (kind, text) in enumerate(closing, start=len(paragraphs) + 2):
        yield Element("sign_off" if kind == "sign_off" else "legal", text, rank)


def _facts(
    desk: _Desk, terms: Terms | None, cta: CallToAction | None, values: Mapping[str, Any], locale: str
) -> Iterator[Fact]:
    told = desk.message.data.get("facts", {})
    price = desk.text("facts.price", told["price"]) if "price" in told else _price(desk, values, locale)
    if price:
        yield Fact("price", price)
    if terms is not None and terms.code:
        yield Fact("code", terms.code)
    if terms is not None and terms.deadline:
        yield Fact("deadline", terms.deadline)
    if cta is not None:
        yield Fact("link", cta.url)


def _price(desk: _Desk, values: Mapping[str, Any], locale: str) -> str:
    """Write the value ``price`` as ``{{ price | money(currency) }}`` does; without a currency as it stands."""
    if not values.get("price"):
        return ""
    if values.get("currency"):
        return desk.text("facts.price", "{{ price | money(currency) }}")
    try:
        return money_text(values["price"], "", locale)
    except FilterMistake:
        return desk.text("facts.price", "{{ price }}")


def _cta(desk: _Desk, brand: Brand) -> CallToAction | None:
    """Render the call to action; without a link of its own it leads to the brand's site, without either it is left out."""
    told = desk.message.cta
    if told is None:
        return None
    url = desk.text("cta.url", told.url).replace(" ", "%20") or brand.url
    if url and not url.lower().startswith(SCHEMES):
        raise mistake_in(desk.message, "cta.url", TemplateMistake("the link leads nowhere", fix="use an https URL"))
    return CallToAction(desk.text("cta.label", told.label), url) if url else None


def _media(desk: _Desk) -> Iterator[Media]:
    for told in desk.message.media:
        url = desk.text("image", told.url)
        if url:
            yield Media(url, desk.text("image", told.alt))


def _no_link(key: str, value: Any) -> Any:
    """Take the link out of a name: mail readers make links of whatever looks like one, signed-up spammers know it."""
    if key not in {"name", "first_name"} or not isinstance(value, str):
        return value
    return _DOTTED.sub(". ", clean(value).replace("://", " ").replace("@", " "))


def _thread(brand: str, customer: str, topic: str) -> str:
    return hashlib.sha256(f"{brand}\0{customer}\0{topic}".encode()).hexdigest()[:16]
