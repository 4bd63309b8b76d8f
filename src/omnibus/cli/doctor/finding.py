"""What the doctor found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """Hold one thing that was looked at; never a secret or an address.

    Args:
        about: what was looked at, e.g. ``channel sms``.
        text: what was found.
        fix: what to do about it.
    """

    about: str
    state: Literal["ok", "note", "warning", "broken"]
    text: str
    fix: str = ""

    def shown(self) -> dict[str, Any]:
        """Write it as JSON values."""
        return asdict(self)
