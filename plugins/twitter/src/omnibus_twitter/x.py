"""X (Twitter) API v2: public posts, threads and replies; direct messages; activity webhooks.

The hand-over itself, lost answers included, is in ``speaker.py``.

API: https://docs.x.com/x-api/posts/create-post · https://docs.x.com/x-api/direct-messages/create-dm-message-by-participant-id
Webhooks: https://docs.x.com/x-api/webhooks/introduction · Errors: see ``answers.py``
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from datetime import datetime

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
)
from omnibus_twitter.activity import SIGNATURE, mac, reports
from omnibus_twitter.answers import id_at
from omnibus_twitter.channel import Direct, Post
from omnibus_twitter.contents import DirectContent, PostContent
from omnibus_twitter.progress import Scoped, thread
from omnibus_twitter.settings import XSettings
from omnibus_twitter.speaker import Speaker, delete
from omnibus_twitter.wire import Wire


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

    @property
    def account(self) -> str:
        """Name the account by its public handle."""
        return self.settings.handle.lstrip("@").lower() or "default"

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Publish a post or thread, or send a direct message to the numeric user id *address*."""
        match content:
            case PostContent():
                return await self._speaker(attempt, keep).post(content)
            case DirectContent():
                return await self._speaker(attempt, keep).message(content, address)
        raise Refused("not_for_x")

    async def lookup(self, attempt: Attempt, address: str, keep: Keep) -> Receipt | Absent:
        """Look a lost attempt up: on the own timeline, or among the messages to *address*."""
        return await self._speaker(attempt, keep).lookup(address)

    async def withdraw(self, receipt: Receipt, keep: Keep) -> None:
        """Delete a post, of a thread the last one first; one that is gone already counts as deleted."""
        keep = Scoped(keep, self.settings.user_id)
        await delete(self._wire, await thread(keep, receipt.provider_id or ""), keep)

    def _speaker(self, attempt: Attempt, keep: Keep) -> Speaker:
        return Speaker(self._wire, self.settings, self.now, attempt, Scoped(keep, self.settings.user_id))

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
