"""Amounts with their currency."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """Hold an exact amount in one ISO 4217 currency."""

    amount: Decimal
    currency: str

    def less(self, percent: int) -> Money:
        """Take *percent* off, rounded half up to hundredths."""
        cut = self.amount * (100 - percent) / 100
        return Money(cut.quantize(Decimal("0.01"), ROUND_HALF_UP), self.currency)

    def __str__(self) -> str:
        """Write it plainly, as events and tables hold it: ``39.00 EUR``."""
        return f"{self.amount:.2f} {self.currency}"
