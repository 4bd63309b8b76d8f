"""Write what X's create requests hold; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omnibus import Unreachable
from omnibus_twitter.contents import PostContent
from omnibus_twitter.progress import Progress


def post_body(content: PostContent, progress: Progress, pictures: Sequence[str]) -> dict[str, Any]:
    """Write the next post of a content; the first bears pictures, the author's options and what it answers."""
    body: dict[str, Any] = {"text": progress.next}
    if progress.ids:
        return body | {"reply": {"in_reply_to_tweet_id": progress.ids[-1]}}
    body |= content.options
    if pictures:
        body["media"] = {"media_ids": list(pictures)}
    if content.reply_to:
        body["reply"] = {"in_reply_to_tweet_id": content.reply_to}
    return body


def direct_body(progress: Progress, pictures: Sequence[str]) -> dict[str, Any]:
    """Write a direct message."""
    body: dict[str, Any] = {"text": progress.next}
    return body | {"attachments": [{"media_id": each} for each in pictures]} if pictures else body


def user_id(address: str) -> str:
    """Check a numeric user id, which becomes part of a path.

    Raises:
        Unreachable: it is none, so nobody can be reached by it.
    """
    if not (address.isascii() and address.isdigit() and len(address) <= 19):
        raise Unreachable("no_user_id")
    return address
