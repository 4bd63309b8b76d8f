"""What a channel or provider can carry and promise, as plain data: asked, never guessed by type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Idempotency = Literal["key", "lookup", "echo", "none"]
Audience = Literal["person", "public"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Tell what a channel carries.

    Args:
        max_length: the most it carries, in *unit*; None where the medium has no limit worth naming.
        unit: what is counted: ``characters``, ``bytes``, ``segments``, ``weighted`` …
        media: carries pictures.
        html: carries formatted text.
        ambient: waits for a visit and accompanies the chosen channel; quiet hours and budget do not bind it.
        withdraw: what was sent can be taken off show again.
        replies: a person can answer here.
        reports: what comes back, of ``delivered opened clicked replied bounced complained unsubscribed``.
        points: what one message costs of the contact budget.
    """

    max_length: int | None = None
    unit: str = "characters"
    media: bool = False
    html: bool = False
    ambient: bool = False
    withdraw: bool = False
    replies: bool = False
    reports: tuple[str, ...] = ()
    points: int = 1
