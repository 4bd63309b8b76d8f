"""What X will carry: a post (or a thread of them), and a direct message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omnibus import Content, Media, Preview
from omnibus_twitter.card import Face, card
from omnibus_twitter.weight import MAX_WEIGHT, weight


@dataclass(frozen=True, slots=True, kw_only=True)
class PostContent(Content):
    """Hold a public post; with more than one of *posts* it is a thread, each answering the one before.

    Args:
        posts: the texts in order, at least one, each at most *limit* weighted units.
        media: up to four pictures of the first post.
        reply_to: numeric id of the post that the first one answers; empty for none.
        options: further fields of X's create request, e.g. ``{"paid_partnership": True}``.
    """

    posts: tuple[str, ...] = field(default=(), repr=False)
    media: tuple[Media, ...] = field(default=(), repr=False)
    reply_to: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    limit: int = MAX_WEIGHT
    face: Face = field(default_factory=Face, repr=False)

    @property
    def weights(self) -> tuple[int, ...]:
        """Weigh every post as X does."""
        return tuple(map(weight, self.posts))

    def preview(self) -> Preview:
        """Show the posts with their weights, and a page with the brand's card."""
        feet = [f"{each}/{self.limit}" for each in self.weights]
        head = f"{self.face.name} {self.face.handle}".strip()
        shown = [f"{head}\n{text}\n[{foot}]" for text, foot in zip(self.posts, feet, strict=True)]
        pictures = "".join(f"\n[picture: {each.alt or each.url}]" for each in self.media)
        page = card(self.face, list(zip(self.posts, feet, strict=True)), self.media)
        return Preview("\n\n".join(shown) + pictures, "text/html", page)


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectContent(Content):
    """Hold a direct message: up to 10,000 characters and one picture."""

    media: tuple[Media, ...] = field(default=(), repr=False)
    face: Face = field(default_factory=Face, repr=False)

    def preview(self) -> Preview:
        """Show the words, and a page with the brand's card."""
        pictures = "".join(f"\n[picture: {each.alt or each.url}]" for each in self.media)
        return Preview(self.text + pictures, "text/html", card(self.face, [(self.text, "direct message")], self.media))
