"""Pictures and videos of a draft: which may be shown, and which are moving. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from omnibus import Draft, Loss, Media

VIDEOS = (".mp4", ".mov")


def video(url: str) -> bool:
    """Tell a video by the ending of its URL or file name."""
    return url.lower().partition("?")[0].endswith(VIDEOS)


def remote(url: str) -> bool:
    """Tell whether somebody else serves it."""
    return url.startswith(("https://", "http://"))


def shown(draft: Draft) -> tuple[tuple[Media, ...], Sequence[Loss]]:
    """List what a draft may show: web addresses, and files that the message itself names.

    A path that a template made, from a cart or another person's data, never opens a file of ours.
    """
    named = {each.url for each in draft.message.media}
    may = tuple(each for each in draft.media if remote(each.url) or each.url in named)
    return may, [Loss("image", "is no web address")] * (len(draft.media) - len(may))
