"""X (Twitter) API v2: public posts, threads and replies; direct messages; activity webhooks.

API: https://docs.x.com/x-api/posts/create-post · https://docs.x.com/x-api/direct-messages/create-dm-message-by-participant-id
Webhooks: https://docs.x.com/x-api/webhooks/introduction · Errors: see ``answers.py``
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
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
from omnibus_twitter.answers import text_at
from omnibus_twitter.channel import Direct, Post
from omnibus_twitter.contents import DirectContent, PostContent
from omnibus_twitter.media import attach
from omnibus_twitter.progress import Progress
from omnibus_twitter.settings import XSettings
from omnibus_twitter.timeline import PAGE, PAGES, covered, older, ours, rows
from omnibus_twitter.wire import Wire

_MESSAGE = "POST /2/dm_conversations/with/:id/messages"
_EVENTS = "GET /2/dm_conversations/with/:id/dm_events"
_POSTS = "GET /2/users/:id/tweets"
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
        if isinstance(content, PostContent):
            progress = await notes.begin(keep, attempt, content.posts)
            pictures = await self._pictures(content, "tweet", attempt, keep) if not progress.ids else []
            while progress.next is not None:
                body = post_body(content, progress, pictures)
                progress = await self._say(progress, "/2/tweets", body, "", attempt, keep)
            return self._receipt(progress, "")
        if isinstance(content, DirectContent):
            progress = await notes.begin(keep, attempt, (content.text,))
            if progress.next is not None:
                pictures = await self._pictures(content, "dm", attempt, keep)
                path = f"/2/dm_conversations/with/{user_id(address)}/messages"
                progress = await self._say(progress, path, direct_body(progress, pictures), address, attempt, keep)
            return self._receipt(progress, address)
        raise Refused("not_for_x")

    async def _pictures(
        self, content: PostContent | DirectContent, use: str, attempt: Attempt, keep: Keep
    ) -> list[str]:
        async def call(method: str, path: str, **rest: Any) -> Any:
            return await self._wire.harmless(method, path, keep=keep, **rest)

        return await attach(content.media, use, call, self._wire.fetch, attempt, keep) if content.media else []

    async def _say(
        self, progress: Progress, path: str, body: Mapping[str, Any], address: str, attempt: Attempt, keep: Keep
    ) -> Progress:
        """Let one call leave, written down before and after; what an earlier lost call posted is found, not repeated."""
        asked_before = bool(progress.since)
        if progress.open and (found := await self._search(progress, address, keep))[0]:
            return await notes.write(keep, attempt, progress.done(found[0]))
        progress = await notes.write(keep, attempt, progress.opened(self.now()))
        endpoint = _MESSAGE if address else ""
        try:
            answer = await self._wire.call("POST", path, keep=keep, endpoint=endpoint, json=body)
        except (TryLater, Refused, Unreachable) as no:
            if no.reason == "duplicate" and asked_before:
                return await self._already(progress, attempt, keep)
            await notes.write(keep, attempt, progress.closed())
            raise
        id_ = text_at(answer.json(), "data", "dm_event_id" if address else "id")
        return await notes.write(keep, attempt, progress.done(id_))

    async def _already(self, progress: Progress, attempt: Attempt, keep: Keep) -> Progress:
        """Take "duplicate" after a lost answer for what it proves: the first call arrived."""
        id_, found, _ = await self._search(progress, "", keep)
        if not id_ and older(found, progress.next or ""):
            raise Refused("duplicate")  # it repeats a post from before this delivery
        if not id_:
            raise Unknown("duplicate_not_listed")
        return await notes.write(keep, attempt, progress.done(id_))

    async def _search(self, progress: Progress, address: str, keep: Keep) -> tuple[str, list[Mapping[str, Any]], bool]:
        """Look for the open text: (id or empty, the rows read, whether they reach back far enough)."""
        found: list[Mapping[str, Any]] = []
        params = dict(_asked(address))
        path = (
            f"/2/dm_conversations/with/{user_id(address)}/dm_events"
            if address
            else f"/2/users/{self.settings.user_id}/tweets"
        )
        for _ in range(PAGES):
            answer = await self._wire.harmless(
                "GET", path, keep=keep, endpoint=_EVENTS if address else _POSTS, params=params
            )
            body = answer.json()
            found += rows(body)
            id_ = ours(found, progress, self.settings.user_id)
            more = (body.get("meta") or {}).get("next_token")
            if id_ or covered(found, progress) or not more:
                return id_, found, True
            params["pagination_token"] = str(more)
        return "", found, False

    async def lookup(self, attempt: Attempt, address: str, keep: Keep) -> Receipt | Absent:
        """Look a lost attempt up: on the own timeline, or among the events of the conversation with *address*."""
        progress = await notes.read(keep, attempt)
        if progress is None or not progress.open:
            whole = progress is not None and progress.next is None
            return self._receipt(progress, address) if progress and whole else Absent()
        id_, _, reaches = await self._search(progress, address, keep)
        if id_:
            progress = await notes.write(keep, attempt, progress.done(id_))
            return self._receipt(progress, address) if progress.next is None else Absent()  # the rest goes on from here
        if not reaches:
            raise Unknown("timeline_too_long")
        age = self.now() - max(progress.begun, attempt.started)
        if age < timedelta(seconds=self.settings.consistent_after):
            raise TryLater("too_early", retry_after=self.settings.consistent_after)
        await notes.write(keep, attempt, progress.closed())
        return Absent()

    async def withdraw(self, receipt: Receipt, keep: Keep) -> None:
        """Delete a post, of a thread the last one first; one that is gone already counts as deleted."""
        if receipt.details.get("kind") != "post":
            raise Refused("cannot be withdrawn")
        for id_ in reversed(list(receipt.details.get("posts") or [receipt.provider_id])):
            try:
                await self._wire.harmless("DELETE", f"/2/tweets/{id_}", keep=keep, endpoint=_DELETE)
            except Refused as no:
                if no.reason != "not_found":
                    raise

    async def check(self) -> None:
        """Ask who we are; the answer must be the configured account."""
        answer = await self._wire.harmless("GET", "/2/users/me")
        if text_at(answer.json(), "data", "id") != self.settings.user_id:
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

    def _receipt(self, progress: Progress, address: str) -> Receipt:
        if address:
            return Receipt(progress.ids[0], {"kind": "direct"})
        handle = self.settings.handle.lstrip("@") or "i"
        details = {
            "kind": "post",
            "posts": list(progress.ids),
            "url": f"https://x.com/{handle}/status/{progress.ids[0]}",
        }
        return Receipt(progress.ids[0], details)


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


def _asked(address: str) -> dict[str, str]:
    if address:
        wanted = "id,text,created_at,sender_id,entities,event_type"
        return {"dm_event.fields": wanted, "event_types": "MessageCreate", "max_results": str(PAGE)}
    return {"tweet.fields": "created_at,author_id,entities,note_tweet", "max_results": str(PAGE)}
