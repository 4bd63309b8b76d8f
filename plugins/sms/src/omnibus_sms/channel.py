"""The medium SMS: plain words in parts, who it is from, how to stop. It knows no carrier.

Rules: a text is billed by parts (``segments.py``); the sender is named, as the number alone says nothing (CTIA
Messaging Principles 5.1); marketing says how to stop. Next: ``fitting.py`` chooses what stays when room is short.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Literal

from pydantic import Field

from omnibus import (
    Capabilities,
    Channel,
    ChannelSettings,
    Content,
    Context,
    Draft,
    Layout,
    Loss,
    Money,
    Preview,
    Purpose,
)
from omnibus_sms.fitting import Pieces, fitted
from omnibus_sms.keywords import opt_out_line
from omnibus_sms.phones import by_country
from omnibus_sms.picture import Bubble, bubble
from omnibus_sms.segments import Encoding
from omnibus_sms.typography import Transliterate

MAX_SEGMENTS = 3  # parts; past that most handsets still join, but readers and budgets do not


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsContent(Content):
    """Hold one text message, complete.

    Args:
        encoding: ``gsm7`` or ``ucs2``; SMPP and Vonage must be told.
        segments: parts that it is sent and billed as, at least 1.
        media: https URLs of pictures; makes it an MMS where the channel allows it.
        cost: estimate by the channel's price table; None without one for the number's country.
        name, colour, ink: who it is from and in which colours, for the preview.
    """

    encoding: Encoding = "gsm7"
    segments: int = 1
    media: tuple[str, ...] = ()
    cost: Money | None = None
    name: str = ""
    colour: str = "#1f3a5f"
    ink: str = "#ffffff"

    def preview(self) -> Preview:
        """Show the words with their parts and cost, and the bubble on a phone as SVG."""
        parts = f"{self.segments} part{'s' * (self.segments != 1)} {'GSM-7' if self.encoding == 'gsm7' else 'UCS-2'}"
        note = " · ".join([parts, *([f"about {self.cost}"] if self.cost else []), *(["MMS"] if self.media else [])])
        picture = bubble(Bubble(self.name, self.text, note, self.colour, len(self.media), self.ink))
        return Preview(f"{self.text}\n[{note}]", "image/svg+xml", picture)


class SmsSettings(ChannelSettings):
    """Hold what the medium itself takes from ``[channels.sms]``.

    Args:
        max_segments: parts that one message may cost.
        transliterate: spell quotes and dashes (``typography``), or accents too (``letters``), in GSM-7 where that
            keeps the whole message out of UCS-2; reported as a loss.
        opt_out_line: how marketing says how to stop: ``reply`` with a word, by ``link``, or ``off``.
        opt_out_text: instead of our line; ``{word}`` and ``{url}`` are filled in.
        mms: carry pictures; only with a provider that can.
        prices: price of one part by ``+`` prefix, country (``GB``) or ``*``; *currency*: of all prices.
    """

    max_segments: int = Field(default=MAX_SEGMENTS, ge=1, le=10)
    transliterate: Transliterate = "off"
    opt_out_line: Literal["reply", "link", "off"] = "reply"
    opt_out_text: str = ""
    mms: bool = False
    prices: Mapping[str, Decimal] = Field(default_factory=dict)
    currency: str = "USD"


class Sms(Channel):
    """Compose text messages for a person's phone."""

    name: ClassVar[str] = "sms"
    audience: ClassVar[Literal["person", "public"]] = "person"
    identity: ClassVar[str | None] = "phone"
    capabilities: ClassVar[Capabilities] = Capabilities(
        max_length=MAX_SEGMENTS, unit="segments", replies=True, reports=("delivered", "opened", "bounced"), points=2
    )
    Settings: ClassVar[type[ChannelSettings]] = SmsSettings

    def compose(self, draft: Draft, layout: Layout | None, context: Context) -> SmsContent:
        """Say as much as the parts allow: the author's own block, or the ranked elements.

        Raises:
            MessageError: price, code, deadline, link, name and opt-out alone need more parts than allowed.
        """
        settings: SmsSettings = self.settings
        pieces = Pieces.of(draft, self._closing(draft))
        text, cut, losses = fitted(pieces, settings.max_segments, settings.transliterate, draft.message.source)
        media = tuple(each.url for each in draft.media if settings.mms and each.url.startswith("https://"))
        losses += tuple(Loss(f"picture {n + 1}", _WHY_NO_PICTURE) for n in range(len(draft.media) - len(media)))
        return SmsContent(
            text=text, losses=losses, encoding=cut.encoding, segments=len(cut), media=media, name=pieces.name,
            cost=self._cost(context, len(cut)), colour=draft.brand.theme.primary, ink=draft.brand.theme.on_primary,
        )  # fmt: skip

    def _closing(self, draft: Draft) -> str:
        way = self.settings.opt_out_line
        if draft.message.purpose is not Purpose.MARKETING or way == "off":
            return ""
        word, url = draft.opt_out.word, draft.opt_out.url if way == "link" or not draft.opt_out.word else ""
        return opt_out_line(draft.locale, word=word, url=url, text=self.settings.opt_out_text) if word or url else ""

    def _cost(self, context: Context, parts: int) -> Money | None:
        phones = context.customer.reached_by("phone") if self.settings.prices else ()
        price = by_country(self.settings.prices, phones[0].value) if phones else None
        return None if price is None else Money(price * parts, self.settings.currency)


_WHY_NO_PICTURE = "a text message carries no picture; set mms = true with a provider that can, and an https URL"
