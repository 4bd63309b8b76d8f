"""Direct messages of one account: send within the window, and find out whether a lost one arrived.

Source:
    https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/messaging-api
    https://developers.facebook.com/docs/instagram-platform/private-replies
    https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/conversations-api
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from omnibus import Absent, Attempt, Keep, Media, Receipt, Refused, TryLater, Unknown
from omnibus_instagram.api import Api
from omnibus_instagram.direct import DirectContent
from omnibus_instagram.notes import Notes, ident, rows, when
from omnibus_instagram.thread import COMMENT, HUMAN, WINDOW

Attachment = Callable[[Media], Awaitable[str]]  # the public URL of a picture, empty for none

SKEW = timedelta(seconds=60)  # their clock and ours
LOOKED_AT = "20"  # messages of a conversation; the API shows no more


class Letters:
    """Write to one person at a time."""

    def __init__(self, api: Api, attachment: Attachment, now: Callable[[], datetime]) -> None:
        self._api, self._attachment, self._now = api, attachment, now

    async def send(self, content: DirectContent, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Send, in the window of their last message or as the private reply to their comment.

        Raises:
            DeliveryError: Unknown when the answer is lost; Refused when no window is open.
        """
        body = payload(content, address, self._now())
        notes = Notes(keep, attempt.delivery)
        await notes.set("text", digest(content.text))
        await notes.set("since", attempt.started.isoformat())
        details = await self._picture(content, body, notes)
        told = await self._api.post("me/messages", body, last=True)
        mid = ident(told.get("message_id"))
        if not mid:
            raise Unknown("no_message_id")
        comment = body["recipient"].get("comment_id")
        return Receipt(mid, details | ({"comment": comment} if comment else {}))

    async def _picture(self, content: DirectContent, body: dict[str, Any], notes: Notes) -> dict[str, str]:
        """Send the picture ahead, once at most; whatever becomes of it, the words follow."""
        if content.picture is None or "comment_id" in body["recipient"]:  # a private reply is one message
            return {}
        if told := await notes.get("picture"):
            return {"picture": told}
        url = await self._attachment(content.picture)
        if not url:
            return {"picture": "not sent"}
        await notes.set("picture", "unknown")
        image = {"attachment": {"type": "image", "payload": {"url": url}}}
        try:
            told = ident((await self._api.post("me/messages", {**body, "message": image}, last=True)).get("message_id"))
        except TryLater:
            await notes.set("picture", "")  # nothing was processed: it may be tried again
            raise
        except (Refused, Unknown) as error:
            told = error.reason
        return {"picture": await notes.set("picture", told or "unknown")}

    async def wrote(self, attempt: Attempt, keep: Keep) -> bool:
        """Tell whether this delivery is a direct message that was about to leave."""
        return await Notes(keep, attempt.delivery).get("text") is not None

    async def lookup(self, attempt: Attempt, address: str, keep: Keep) -> Receipt | Absent:
        """Look through the conversation for our words since the attempt began.

        Raises:
            DeliveryError: the conversation could not be read now.
        """
        notes = Notes(keep, attempt.delivery)
        mine, since = await notes.get("text"), when(await notes.get("since")) - SKEW
        if mine is None:
            return Absent()  # the note is written before the request leaves
        if not address:
            raise Unknown("no_address")  # the identity is gone: nobody to ask about
        threads = await self._api.get("me/conversations", platform="instagram", user_id=address)
        for thread in rows(threads):
            fields = f"messages.limit({LOOKED_AT}){{id,created_time,from,message}}"
            told = await self._api.get(ident(thread.get("id")), fields=fields)
            for row in rows(told.get("messages")):
                author = row.get("from")
                ours = isinstance(author, dict) and str(author.get("id")) != address
                if ours and digest(str(row.get("message") or "")) == mine and when(row.get("created_time")) >= since:
                    return Receipt(ident(row.get("id")) or None)
        return Absent()


def payload(content: DirectContent, address: str, now: datetime) -> dict[str, Any]:
    """Give the body of a send.

    Raises:
        Refused: no window is open; found before anything leaves.
    """
    message = {"text": content.text}
    if content.wrote is not None and now < content.wrote + WINDOW:
        return {"recipient": {"id": address}, "messaging_type": "RESPONSE", "message": message}
    if content.wrote is not None and content.human and now < content.wrote + HUMAN:
        tag = {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
        return {"recipient": {"id": address}, **tag, "message": message}
    if content.commented is not None and now < content.commented + COMMENT:
        return {"recipient": {"comment_id": content.comment}, "message": message}
    raise Refused("window_closed")


def digest(text: str) -> str:
    """Remember words without keeping them."""
    return hashlib.sha256(text.strip().encode()).hexdigest()
