"""The receipt on paper: what was bought, what was promised, and the offer as a QR code.

Limits: a roll has no end, only columns; pictures other than the logo are not printed.
Values come from the draft and from the last order on the timeline.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar

import segno
from pydantic import Field

from omnibus import (
    Brand,
    Capabilities,
    Channel,
    ChannelSettings,
    Content,
    Context,
    Draft,
    Layout,
    Loss,
    Message,
    Orders,
    Preview,
    Purpose,
)  # fmt: skip
from omnibus_pos.logo import dots
from omnibus_pos.paper import Columns, Cut, Feed, Logo, Piece, QrCode, Rule, Text, clean, glued, lines_of, words
from omnibus_pos.picture import QUIET, receipt_picture

#: the word for the sum, by language
TOTAL = {"en": "Total", "de": "Summe", "fr": "Total", "es": "Total", "it": "Totale", "nl": "Totaal", "pl": "Razem"}
DISCOUNT = {
    "en": "Discount", "de": "Rabatt", "fr": "Remise", "es": "Descuento", "it": "Sconto", "nl": "Korting", "pl": "Rabat",
}  # fmt: skip
DOTS = 12  # across a letter of font A
QR_MOST = 2000  # bytes; level M holds 2331
FINEST = 3  # dots a module that a telephone still reads from paper
JOB_LETTERS = 12  # of the delivery's id, printed so that staff can tell two prints of one job apart from two jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptContent(Content):
    """Hold a receipt as typed elements.

    Args:
        must: words that the printer's code pages have to be able to print letter by letter.
        columns: characters of one line in the printer's normal font.
    """

    pieces: tuple[Piece, ...] = field(default=(), repr=False)
    must: tuple[str, ...] = field(default=(), repr=False)
    columns: int = 42

    def preview(self) -> Preview:
        """Show the paper: as lines, and as an SVG whose QR code can be scanned."""
        lines = [line for piece in self.pieces for line in lines_of(piece, self.columns)]
        return Preview("\n".join(lines), "image/svg+xml", receipt_picture(self.pieces, self.columns))


class ReceiptSettings(ChannelSettings):
    """Take what the paper is like.

    Args:
        columns: characters a line: 42 or 48 on 80 mm paper, 32 on 58 mm.
        qr_size: dots a module of the QR code, 1 to 16.
    """

    columns: int = Field(default=42, ge=16, le=96)
    qr_size: int = Field(default=6, ge=1, le=16)


class PaperReceipt(Channel):
    """Compose for a receipt printer; it stands in the store, so no identity is needed."""

    name = "receipt"
    audience = "person"
    identity = None
    capabilities: ClassVar[Capabilities] = Capabilities(points=0)
    Settings = ReceiptSettings

    def layout(self, message: Message, brand: Brand, locale: str) -> Layout:
        """Read the brand's logo once, as dots of this paper."""
        if not brand.theme.logo_path:
            return Layout()
        width, raster = dots(brand.theme.logo_path, self.settings.columns * DOTS)
        return Layout({"width": str(width), "raster": raster.hex()} if width else {"missing": "logo"})

    def compose(self, draft: Draft, layout: Layout | None, context: Context) -> ReceiptContent:
        """Set the brand, the order's lines, the words, and the offer's code as text and QR code.

        The order is printed on transactional messages only.
        """
        facts = tuple(dict.fromkeys(clean(fact.text) for fact in draft.facts))
        parts = layout.parts if layout is not None else {}
        name = clean(draft.brand.name).replace("\n", " ")
        pieces: list[Piece] = [Logo(name, int(parts.get("width", 0)), bytes.fromhex(parts.get("raster", "")))]
        pieces += _said(draft, facts, ("headline",))
        if draft.message.purpose == Purpose.TRANSACTIONAL:
            pieces += _order(draft, context)
        pieces += _said(draft, facts, ("paragraph", "offer", "cta"))
        pieces += self._code(draft)
        pieces += _said(draft, facts, ("sign_off", "legal"))
        said = words(pieces)
        missing = [fact for fact in facts if fact not in said]
        pieces += [Text(glued(fact, facts)) for fact in missing]
        pieces += [Text(f"Job {_job(draft.delivery)}", "centre"), Feed(1), Cut()]
        losses = [Loss("picture", "not printed on paper") for _ in draft.media]
        if _symbol(draft) and not self._modules(_symbol(draft)):
            losses.append(Loss("QR code", "too much text for a code that this paper can hold"))
        if "missing" in parts:
            losses.append(Loss("logo", "the file is no picture that can be read"))
        return ReceiptContent(
            text=words(pieces), losses=tuple(losses), pieces=tuple(pieces), must=facts, columns=self.settings.columns
        )

    def _code(self, draft: Draft) -> list[Piece]:
        """Print the offer's code, to scan and to read; without an offer, where the call to action leads."""
        data = _symbol(draft)
        size = self._modules(data)
        pieces: list[Piece] = [QrCode(data, size)] if size else []
        if draft.offer is not None and draft.offer.code:
            wide = 2 if len(data) * 2 <= self.settings.columns else 1
            pieces.append(Text(data, "centre", bold=True, size=wide))
        return pieces

    def _modules(self, data: str) -> int:
        """Choose how many dots a module gets, so that the code fits the paper; 0 when it cannot."""
        if not data or len(data.encode()) > QR_MOST:
            return 0
        code = segno.make(data, error="m", mode="byte", micro=False, boost_error=False)
        edge = int(code.symbol_size(border=QUIET)[0])
        size = min(int(self.settings.qr_size), int(self.settings.columns) * DOTS // edge)
        return size if size >= FINEST else 0


def _symbol(draft: Draft) -> str:
    """Choose what the QR code holds."""
    if draft.offer is not None and draft.offer.code:
        return clean(draft.offer.code).replace("\n", "")
    return clean(draft.cta.url).replace("\n", "") if draft.cta is not None else ""


def _said(draft: Draft, facts: tuple[str, ...], kinds: tuple[str, ...]) -> list[Piece]:
    """Set the elements of these kinds; the author's own ``::: receipt`` block stands for headline and body."""
    if "receipt" in draft.blocks and "paragraph" in kinds:
        return [Text(glued(clean(draft.blocks["receipt"]), facts)), Feed(1)]
    if "receipt" in draft.blocks and "headline" in kinds:
        return []
    pieces: list[Piece] = []
    for each in draft.elements:
        if each.kind not in kinds or not clean(each.text).strip():
            continue
        text = glued(clean(each.text), facts)
        head, small = each.kind == "headline", each.kind in ("sign_off", "legal")
        pieces += [Text(text, "centre" if head or small else "left", bold=head or each.kind == "offer"), Feed(1)]
    return pieces


def _order(draft: Draft, context: Context) -> list[Piece]:
    order = context[Orders].last
    if order is None:
        return []
    language = draft.locale.split("-")[0].lower()
    worth = [Decimal(line.price) * line.quantity for line in order.lines]
    rows: list[Piece] = [
        Columns(f"{line.quantity} x {clean(line.name)}".replace("\n", " "), f"{each:.2f}")
        for line, each in zip(order.lines, worth, strict=True)
    ]
    if rows and (less := sum(worth) - Decimal(order.total)) > 0:  # else the lines would not add up
        rows.append(Columns(DISCOUNT.get(language, "Discount"), f"-{less:.2f}"))
    currency = clean(order.currency).replace("\n", " ")
    total = Columns(TOTAL.get(language, "Total"), f"{Decimal(order.total):.2f} {currency}".strip(), bold=True)
    return [Rule(), *rows, Rule(), total, Rule()]


def _job(delivery: str) -> str:
    return clean(delivery).replace("-", "")[-JOB_LETTERS:]
