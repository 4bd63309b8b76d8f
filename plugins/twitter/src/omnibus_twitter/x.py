"""X (Twitter) API v2: public posts, threads and replies; direct messages; activity webhooks.

API: https://docs.x.com/x-api/posts/create-post · https://docs.x.com/x-api/direct-messages/create-dm-message-by-participant-id
Webhooks: https://docs.x.com/x-api/webhooks/introduction · Errors: see ``answers.py``
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from omnibus import (
    Absent,
    Attempt,
    Content,
    Event,
    Forged,
    Keep,
    Provider,
    Receipt,
    Refused,
    Report,
    Request,
    Response,
    TryLater,
    Unknown,
    Unreachable,
)
from omnibus_twitter import progress as notes
from omnibus_twitter.activity import SIGNATURE, mac, reports
from omnibus_twitter.answers import id_at
from omnibus_twitter.bodies import direct_body, post_body, user_id
from omnibus_twitter.channel import Direct, Post
from omnibus_twitter.contents import DirectContent, PostContent
from omnibus_twitter.media import Uploads
from omnibus_twitter.progress import Progress
from omnibus_twitter.settings import XSettings
from omnibus_twitter.timeline import Found, older, search
from omnibus_twitter.wire import Wire

_MESSAGE = "POST /2/dm_conversations/with/:id/messages"
_DELETE = "DELETE /2/tweets/:id"


class X(Provider):
    """Carry posts and direct messages of one account.

    X takes no idempotency key; a lost answer is looked up on the own timeline or in the conversation.
    """

    channel = (Post, Direct)
    scheme = "x"
    Settings = XSettings
    idempotency = "lookup"
    max_in_flight = 10

    def __init__(self, settings: XSettings, *, now: Callable[[], datetime], hook_url: str = "") -> None:
        super().__init__(settings, now=now, hook_url=hook_url)
        self._wire = Wire(settings, now)

    def __str__(self) -> str:
        """Write the DSN without secrets."""
        return f"x://{self.settings.url.split('://')[-1]}"

    __repr__ = __str__

    @property
    def account(self) -> str:
        """Name the account by its public handle."""
        return self.settings.handle.lstrip("@").lower() or "default"

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Publish a post or thread, or send a direct message to the numeric user id *address*."""
        keep = notes.Scoped(keep, self.settings.user_id)
        if isinstance(content, PostContent):
            progress = await notes.begin(keep, attempt, content.posts, "post")
            pictures = await self._pictures(content, "tweet", attempt, keep) if not progress.ids else []
            while progress.next is not None:
                progress = await self._next(content, progress, pictures, attempt, keep)
        elif isinstance(content, DirectContent):
            progress = await notes.begin(keep, attempt, (content.text,), "direct")
            if progress.next is not None:
                path = f"/2/dm_conversations/with/{user_id(address)}/messages"
                pictures = await self._pictures(content, "dm", attempt, keep)
                progress = await self._say(progress, path, direct_body(progress, pictures), address, attempt, keep)
        else:
            raise Refused("not_for_x")
        return self._receipt(progress)

    async def _next(
        self, content: PostContent, progress: Progress, pictures: Sequence[str], attempt: Attempt, keep: Keep
    ) -> Progress:
        """Publish the next post; when X refuses one of a thread, those before it come down: half a thread is none."""
        try:
            return await self._say(progress, "/2/tweets", post_body(content, progress, pictures), "", attempt, keep)
        except Refused:
            await self._delete(progress.ids, keep)
            raise

    async def _pictures(
        self, content: PostContent | DirectContent, use: str, attempt: Attempt, keep: Keep
    ) -> list[str]:
        call = partial(self._wire.harmless, keep=keep)
        uploads = Uploads(call, self._wire.picture, keep, self.now().timestamp())
        return await uploads.ids(content.media, use, attempt.delivery)

    async def _say(
        self, progress: Progress, path: str, body: Mapping[str, Any], address: str, attempt: Attempt, keep: Keep
    ) -> Progress:
        """Let one call leave, written down before and after; what an earlier lost call posted is found, not repeated."""
        asked_before = bool(progress.since)
        if progress.open and (id_ := (await self._search(progress, address, keep)).id):
            return await notes.write(keep, attempt, progress.done(id_))
        progress = await notes.write(keep, attempt, progress.opened(self.now()))
        try:
            answer = await self._wire.call("POST", path, keep=keep, endpoint=_MESSAGE if address else "", json=body)
        except (TryLater, Refused, Unreachable) as no:
            if no.reason == "duplicate" and asked_before:
                return await self._already(progress, attempt, keep)
            await notes.write(keep, attempt, progress.closed())
            raise
        id_ = id_at(answer, "data", "dm_event_id" if address else "id")
        return await notes.write(keep, attempt, progress.done(id_))

    async def _already(self, progress: Progress, attempt: Attempt, keep: Keep) -> Progress:
        """Take "duplicate" after a lost answer for what it proves: the first call arrived."""
        found = await self._search(progress, "", keep)
        if found.id:
            return await notes.write(keep, attempt, progress.done(found.id))
        if older(found.rows, progress.next or ""):
            raise Refused("duplicate")  # it repeats a post from before this delivery
        raise Unknown("duplicate_not_listed")

    async def _search(self, progress: Progress, address: str, keep: Keep) -> Found:
        return await search(self._wire, self.settings.user_id, progress, address, keep)

    async def lookup(self, attempt: Attempt, address: str, keep: Keep) -> Receipt | Absent:
        """Look a lost attempt up: on the own timeline, or among the messages to *address*."""
        keep = notes.Scoped(keep, self.settings.user_id)
        progress = await notes.read(keep, attempt)
        if progress is None or not progress.open:
            return self._receipt(progress) if progress and progress.next is None else Absent()
        if progress.kind == "direct" and not address:
            raise Unknown("no_address")
        found = await self._search(progress, address if progress.kind == "direct" else "", keep)
        if found.id:
            progress = await notes.write(keep, attempt, progress.done(found.id))
            return (
                self._receipt(progress) if progress.next is None else Absent()
            )  # the rest of a thread goes on from here
        if not found.reaches:
            raise Unknown("timeline_too_long")
        age = self.now() - max(progress.begun, attempt.started)
        if age < timedelta(seconds=self.settings.consistent_after):
            raise TryLater("too_early", retry_after=self.settings.consistent_after)
        await notes.write(keep, attempt, progress.closed())
        return Absent()

    async def withdraw(self, receipt: Receipt, keep: Keep) -> None:
        """Delete a post, of a thread the last one first; one that is gone already counts as deleted."""
        keep = notes.Scoped(keep, self.settings.user_id)
        await self._delete(await notes.thread(keep, receipt.provider_id or ""), keep)

    async def _delete(self, ids: Sequence[str], keep: Keep) -> None:
        for id_ in reversed(ids):
            try:
                await self._wire.harmless("DELETE", f"/2/tweets/{user_id(id_)}", keep=keep, endpoint=_DELETE)
            except Refused as no:
                if no.reason != "not_found":
                    raise

    async def check(self) -> None:
        """Ask who we are; the answer must be the configured account."""
        answer = await self._wire.harmless("GET", "/2/users/me")
        if id_at(answer, "data", "id") != self.settings.user_id:
            raise Refused("user_id is not this token's account", account=True)

    def challenge(self, request: Request) -> Response | None:
        """Answer X's check of the webhook's owner (CRC) with the current secret."""
        token = request.query.get("crc_token") if request.method == "GET" else None
        if token is None or not self.settings.secrets:
            return None
        return Response.of_json({"response_token": mac(self.settings.secrets[0], token.encode())})

    def verify(self, request: Request) -> None:
        """Check the signature over the raw body, under either live secret."""
        told = request.headers.get(SIGNATURE, "").encode("utf-8", "replace")
        matches = [hmac.compare_digest(mac(each, request.body).encode(), told) for each in self.settings.secrets]
        if not any(matches):
            raise Forged(
                "webhook of X: the signature is missing or wrong" if matches else "webhook of X: no consumer_secret"
            )

    def parse(self, request: Request) -> Sequence[Report | Event]:
        """Read an activity."""
        return reports(request.json(), self.settings.user_id, self.now())

    async def aclose(self) -> None:
        """Close the connections."""
        await self._wire.aclose()

    def _receipt(self, progress: Progress) -> Receipt:
        if progress.kind == "direct":
            return Receipt(progress.ids[0], {"kind": "direct"})
        handle = self.settings.handle.lstrip("@") or "i"
        url = f"https://x.com/{handle}/status/{progress.ids[0]}"
        return Receipt(progress.ids[0], {"kind": "post", "posts": list(progress.ids), "url": url})
