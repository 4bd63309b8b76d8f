"""What one channel will carry: native, complete, previewable."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Loss:
    """Report a piece that the channel could not carry, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Preview:
    """Show a person what will be seen: words for the terminal and a picture for the eye.

    Args:
        text: as in a terminal.
        picture: bytes of *media_type* (``text/html``, ``image/svg+xml`` or ``image/png``); empty for none.
    """

    text: str = field(repr=False)
    media_type: str = "text/plain"
    picture: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Be the base of every channel's content.

    Args:
        text: all words that the person will read; every mandatory fact stands in it letter by letter.
        losses: what was left out and why; empty when all fitted.
    """

    text: str = field(repr=False)
    losses: tuple[Loss, ...] = ()

    def preview(self) -> Preview:
        """Show the words; a channel overrides this to add a picture."""
        return Preview(self.text)


@dataclass(frozen=True, slots=True)
class Layout:
    """Keep what a channel prepares once per message version, brand and language; opaque to the bus."""

    parts: dict[str, str] = field(default_factory=dict, repr=False)
