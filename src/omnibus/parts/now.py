"""Business time, handed in everywhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Now = Callable[[], datetime]


def system_now() -> datetime:
    """Tell the time of this machine, aware UTC."""
    return datetime.now(UTC)
