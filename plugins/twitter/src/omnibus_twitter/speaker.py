"""Hand one delivery over to X, written down before and after each call, so that a lost answer is found and never repeated.

API: https://docs.x.com/x-api/posts/create-post · https://docs.x.com/x-api/posts/delete-post ·
https://docs.x.com/x-api/direct-messages/create-dm-message-by-participant-id
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from omnibus import Absent, Attempt, Keep, Receipt, Refused, TryLater, Unknown, Unreachable
from omnibus_twitter import progress as notes
from omnibus_twitter.answers import id_at
from omnibus_twitter.bodies import direct_body, post_body, user_id
from omnibus_twitter.contents import DirectContent, PostContent
from omnibus_twitter.media import Uploads
from omnibus_twitter.progress import Progress
from omnibus_twitter.settings import XSettings
from omnibus_twitter.timeline import Found, older, search
from omnibus_twitter.wire import Wire

_MESSAGE = "POST /2/dm_conversations/with/:id/messages"
_DELETE = "DELETE /2/tweets/:id"


@dataclass(frozen=True, slots=True)
class Speaker:
    """Speak for one account in one attempt; *keep* holds the account's notes."""

    wire: Wire
    settings: XSettings
    now: Callable[[], datetime]
    attempt: Attempt
    keep: Keep

    async def post(self, content: PostContent) -> Receipt:
        """Publish a post, or a thread from where it stands; when X refuses one, those before it come down."""
        progress = await notes.begin(self.keep, self.attempt, content.posts, "post")
        pictures = await self._pictures(content, "tweet") if not progress.ids else []
        while progress.next is not None:
            try:
                progress = await self._say(progress, "/2/tweets", post_body(content, progress, pictures), "")
            except Refused:
                await delete(self.wire, progress.ids, self.keep)  # half a thread is none
                raise
        return self._receipt(progress)

    async def message(self, content: DirectContent, address: str) -> Receipt:
        """Send a direct message to the numeric user id *address*."""
        path = f"/2/dm_conversations/with/{user_id(address)}/messages"
        progress = await notes.begin(self.keep, self.attempt, (content.text,), "direct")
        if progress.next is not None:
            pictures = await self._pictures(content, "dm")
            progress = await self._say(progress, path, direct_body(progress, pictures), address)
        return self._receipt(progress)

    async def lookup(self, address: str) -> Receipt | Absent:
        """Tell what became of the attempt.

        Raises:
            TryLater, Unknown: it cannot be told now, or not without the address.
        """
        progress = await notes.read(self.keep, self.attempt)
        if progress is None:
            return Absent()
        if progress.open:
            progress = await self._settled(progress, address)
        return self._receipt(progress) if progress.next is None else Absent()  # a thread goes on from where it stands

    async def _settled(self, progress: Progress, address: str) -> Progress:
        """Close an open call: it is found, or surely absent."""
        if progress.kind == "direct" and not address:
            raise Unknown("no_address")
        found = await self._search(progress, address if progress.kind == "direct" else "")
        if found.id:
            return await self._write(progress.done(found.id))
        if not found.reaches:
            raise Unknown("timeline_too_long")
        age = self.now() - max(progress.begun, self.attempt.started)
        if age < timedelta(seconds=self.settings.consistent_after):
            raise TryLater("too_early", retry_after=self.settings.consistent_after)
        return await self._write(progress.closed())

    async def _say(self, progress: Progress, path: str, body: Mapping[str, Any], address: str) -> Progress:
        """Let one call leave; what an earlier lost call posted is found, not repeated."""
        asked_before = bool(progress.since)
        if progress.open and (id_ := (await self._search(progress, address)).id):
            return await self._write(progress.done(id_))
        progress = await self._write(progress.opened(self.now()))
        endpoint = _MESSAGE if address else ""
        try:
            answer = await self.wire.call("POST", path, keep=self.keep, endpoint=endpoint, json=body)
        except (TryLater, Refused, Unreachable) as no:
            if no.reason == "duplicate" and asked_before:
                return await self._already(progress)
            await self._write(progress.closed())
            raise
        return await self._write(progress.done(id_at(answer, "data", "dm_event_id" if address else "id")))

    async def _already(self, progress: Progress) -> Progress:
        """Take "duplicate" after a lost answer for what it proves: the first call arrived."""
        found = await self._search(progress, "")
        if found.id:
            return await self._write(progress.done(found.id))
        if older(found.rows, progress.next or ""):
            await self._write(progress.closed())
            raise Refused("duplicate")  # it repeats a post from before this delivery
        raise Unknown("duplicate_not_listed")

    async def _search(self, progress: Progress, address: str) -> Found:
        """Look for the open text; that X refuses the look says nothing of the text."""
        try:
            return await search(self.wire, self.settings.user_id, progress, address, self.keep)
        except Refused as no:
            raise Unknown(f"lookup_refused:{no.reason}") from no

    async def _pictures(self, content: PostContent | DirectContent, use: str) -> list[str]:
        call = partial(self.wire.harmless, keep=self.keep)
        uploads = Uploads(call, self.wire.picture, self.keep, self.now().timestamp())
        return await uploads.ids(content.media, use, self.attempt.delivery)

    async def _write(self, progress: Progress) -> Progress:
        return await notes.write(self.keep, self.attempt, progress)

    def _receipt(self, progress: Progress) -> Receipt:
        first = progress.ids[0]
        if progress.kind == "direct":
            return Receipt(first, {"kind": "direct"})
        handle = self.settings.handle.lstrip("@") or "i"
        details = {"kind": "post", "posts": list(progress.ids), "url": f"https://x.com/{handle}/status/{first}"}
        return Receipt(first, details)


async def delete(wire: Wire, ids: Sequence[str], keep: Keep) -> None:
    """Delete posts, the last one first; one that is gone already counts as deleted.

    Raises:
        TryLater, Refused: X does not delete one; asking again is harmless.
    """
    for id_ in reversed(ids):
        try:
            await wire.harmless("DELETE", f"/2/tweets/{user_id(id_)}", keep=keep, endpoint=_DELETE)
        except Refused as no:
            if no.reason != "not_found":
                raise
