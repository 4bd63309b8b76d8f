"""The parts of a draft: what is asked for, shown, stated as a fact, and the order of it all."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from omnibus.errors import MessageError
from omnibus.model.brand import Brand
from omnibus.model.draft import Element, Fact
from omnibus.model.message import CallToAction, Media, Message
from omnibus.model.offer import Terms
from omnibus.writing.direct import Rendered
from omnibus.writing.filters import FilterMistake, money_text
from omnibus.writing.prose import SCHEMES
from omnibus.writing.sandbox import Form, TemplateMistake
from omnibus.writing.templates import Templates

#: the word before a deadline, by language; elsewhere an arrow, which needs none
UNTIL = {
    "da": "til {}", "de": "bis {}", "en": "until {}", "es": "hasta el {}", "fr": "jusqu’au {}", "it": "fino al {}",
    "nl": "t/m {}", "pl": "do {}", "pt": "até {}", "sv": "till {}",
}  # fmt: skip

#: the fact that a message with a price states, where its author writes none
PRICE = "{{ price | money(currency) }}"


class Rendering(NamedTuple):
    """Hold what one rendering needs: the message, the names, and where its lines stand in the file."""

    message: Message
    names: dict[str, Any]
    templates: Templates

    def render(self, part: str, source: str, form: Form = "plain") -> Rendered:
        """Render the text that is called *part*.

        Raises:
            MessageError: with file and line.
        """
        try:
            return self.templates.render(source, self.names, form)
        except TemplateMistake as mistake:
            raise mistake_in(self.message, part, mistake) from None

    def text(self, part: str, source: str) -> str:
        """Render a plain text, without space around it."""
        return self.render(part, source).skeleton.strip() if source else ""


def mistake_in(message: Message, part: str, mistake: TemplateMistake) -> MessageError:
    """Say where in the file a template went wrong; *part* names the text, e.g. ``body`` or ``cta.url``."""
    lines = message.data.get("lines", {})
    source = message.source or message.name
    if part not in lines:
        return MessageError(mistake.what, where=f"{source} {part}", fix=mistake.fix)
    first = int(lines[part])
    return MessageError(mistake.what, where=f"{source}:{first + (mistake.line or 1) - 1}", fix=mistake.fix)


def ranked(
    title: str, paragraphs: list[Element], terms: Terms | None, cta: CallToAction | None,
    closing: tuple[tuple[Any, str], ...], locale: str,
) -> tuple[Element, ...]:  # fmt: skip
    """Put the pieces into reading order; *closing* are kind and text of what stands at the end."""
    out = [Element("headline", title, 0), *paragraphs] if title else list(paragraphs)
    if terms is not None:
        until = UNTIL.get(locale.partition("-")[0], "→ {}").format(terms.deadline) if terms.deadline else ""
        said = (f"{terms.label}:" if terms.code else terms.label, terms.code, until)
        out.append(Element("offer", " ".join(filter(None, said)), 0))
    if cta is not None:
        out.append(Element("cta", f"{cta.label}: {cta.url}", 1))
    if closing:
        out += _closed(closing, len(paragraphs) + 2)
    return tuple(out)


@lru_cache(maxsize=256)
def _closed(closing: tuple[tuple[Any, str], ...], first: int) -> tuple[Element, ...]:
    return tuple(Element(kind, text, rank) for rank, (kind, text) in enumerate(closing, start=first))


def facts_of(
    desk: Rendering, told: Mapping[str, str], terms: Terms | None, cta: CallToAction | None, values: Mapping[str, Any], locale: str
) -> tuple[Fact, ...]:  # fmt: skip
    """State what every channel must carry; *told* are the templates that the author wrote for facts."""
    facts = []
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


def _price(desk: Rendering, values: Mapping[str, Any], locale: str) -> str:
    """Write the value ``price`` as ``{{ price | money(currency) }}`` does; without a currency as it stands."""
    if not values.get("price"):
        return ""
    if values.get("currency"):
        return desk.text("facts.price", PRICE)
    try:
        return money_text(values["price"], "", locale)
    except FilterMistake:
        return desk.text("facts.price", "{{ price }}")


def call_to_action(desk: Rendering, brand: Brand) -> CallToAction | None:
    """Render the call to action; without a link of its own it leads to the brand's site, without either it is left out."""
    told = desk.message.cta or CallToAction("", "")
    url = desk.text("cta.url", told.url).replace(" ", "%20") or brand.url
    if url and not url.startswith("https://") and not url.lower().startswith(SCHEMES):
        raise mistake_in(desk.message, "cta.url", TemplateMistake("the link leads nowhere", fix="use an https URL"))
    return CallToAction(desk.text("cta.label", told.label), url) if url else None


def media_of(desk: Rendering) -> tuple[Media, ...]:
    """Render the pictures; one without a URL is left out."""
    media = []
    for told in desk.message.media:
        url = desk.text("image", told.url)
        if url:
            media.append(Media(url, desk.text("image", told.alt)))
    return tuple(media)
