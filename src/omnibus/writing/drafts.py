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
from typing import Any
from zoneinfo import ZoneInfo

from omnibus.errors import MessageError
from omnibus.model.brand import Brand
from omnibus.model.draft import Draft, OptOut
from omnibus.model.message import Message, Purpose
from omnibus.model.offer import Offer, Terms
from omnibus.writing.filters import deadline_text, percent_text
from omnibus.writing.parts import PRICE, Rendering, call_to_action, facts_of, media_of, ranked
from omnibus.writing.sandbox import TemplateMistake
from omnibus.writing.shapes import Shape, headline, shape
from omnibus.writing.templates import Templates
from omnibus.writing.values import no_link

#: what a discount is called where the offer has no label of its own; elsewhere the bare number
OFF = {
    "da": "{} % rabat", "de": "{} % Rabatt", "en": "{}% off", "es": "{} % de descuento", "fr": "{} % de remise",
    "it": "{}% di sconto", "nl": "{}% korting", "pt": "{}% de desconto", "sv": "{} % rabatt",
}  # fmt: skip

KEPT = 512  # messages whose plans are remembered

_PERSONAL = frozenset({"profile", "customer"})  # both are shown as `customer`


@dataclass(slots=True)
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
    _read: tuple[str, Shape] | None = None

    def shape(self, skeleton: str) -> Shape:
        """Read the body, where it is another than the last: comparing long texts is quicker than looking them up."""
        if self._read is None or self._read[0] != skeleton:
            self._read = skeleton, shape(skeleton)
        return self._read[1]


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

        try:
            names = self._names(plan, plan.wants, view, values, locale, zone, terms, now)
            return self._drafted(plan, names, values, locale, delivery, terms, opt_out)
        except MessageError:
            if plan.wants is None:
                raise
            names = self._names(plan, None, view, values, locale, zone, terms, now)  # so that the error can suggest one
            return self._drafted(plan, names, values, locale, delivery, terms, opt_out)

    def _drafted(
        self, plan: _Plan, names: dict[str, Any], values: Mapping[str, Any], locale: str, delivery: str,
        terms: Terms | None, opt_out: OptOut,
    ) -> Draft:  # fmt: skip
        message, brand = plan.message, self.brand
        desk = Rendering(message, names, self._templates)
        top, top_values = desk.render("headline", message.headline, "skeleton")
        title = headline(top).filled(top_values)
        skeleton, body_values = desk.render("body", message.body, "skeleton")
        body = plan.shape(skeleton)
        paragraphs = body.elements(body_values)
        cta = call_to_action(desk, brand) if message.cta else None
        customer = str(names["customer"].get("id", "")) if "customer" in names else ""
        blocks, media = message.blocks, message.media
        return Draft(
            message, brand, locale, delivery, title, body.marked(body_values),
            "\n\n".join([each.text for each in paragraphs]), ranked(title, paragraphs, terms, cta, plan.closing, locale),
            {name: desk.text(f"::: {name}", block) for name, block in blocks.items()} if blocks else {},
            facts_of(desk, plan.facts, terms, cta, values, locale), cta, media_of(desk) if media else (), terms, opt_out,
            desk.text("preheader", message.preheader), _thread(brand.name, customer, message.topic) if customer else "",
            body.skeleton, body_values,
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


def _thread(brand: str, customer: str, topic: str) -> str:
    return hashlib.sha256(f"{brand}\0{customer}\0{topic}".encode()).hexdigest()[:16]
