"""Meta's Graph API: carries both channels named ``instagram``.

Source:
    https://developers.facebook.com/docs/instagram-platform/content-publishing
    https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/messaging-api
    https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/conversations-api
    https://developers.facebook.com/docs/graph-api/webhooks/getting-started
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Self

from pydantic import Field, SecretStr, model_validator

from omnibus import (
    Absent,
    Attempt,
    Content,
    Event,
    Forged,
    Keep,
    Provider,
    ProviderSettings,
    Receipt,
    Refused,
    Report,
    Request,
    Response,
)  # fmt: skip
from omnibus_instagram.api import Api
from omnibus_instagram.direct import Direct, DirectContent
from omnibus_instagram.hooks import reports, signature
from omnibus_instagram.letters import Letters
from omnibus_instagram.post import PostContent, Posts
from omnibus_instagram.publish import Press
from omnibus_instagram.shelf import FOLDER, Shelf, served_at
from omnibus_instagram.tokens import Token


class GraphSettings(ProviderSettings):
    """Hold one professional account: ``graph://USER_ID:TOKEN@graph.instagram.com`` or a table.

    Args:
        user_id: the professional account's id (the ``user_id`` of ``/me``).
        access_token: long-lived token of the account.
        app_secret: signs our calls and their webhooks; *previous_app_secret* is accepted too while it is rotated.
        verify_token: what we typed into the app's webhook form.
        base_url: ``https://graph.facebook.com`` for Facebook Login.
        media_folder: where our own pictures are written; the bus's server serves it at ``/instagram/media``.
        media_base_url: where the web serves that folder, when it is not the bus's server.
        renew: exchange the token for a fresh one every week (Instagram Login only).
        font: TrueType file for words drawn on pictures.
        poll_seconds: between two looks at a container; *polls*: how many within one hand-over.
    """

    user: str = ""
    password: SecretStr = SecretStr("")
    host: str = ""
    port: str = Field(default="", pattern=r"^\d*$")
    user_id: str = Field(default="", pattern=r"^\d*$")
    access_token: SecretStr = SecretStr("")
    app_secret: SecretStr = SecretStr("")
    previous_app_secret: SecretStr = SecretStr("")
    verify_token: SecretStr = SecretStr("")
    api_version: str = Field(default="v26.0", pattern=r"^v\d+\.\d+$")
    base_url: str = ""
    renew: bool = True
    media_folder: str = FOLDER
    media_base_url: str = ""
    font: str = ""
    poll_seconds: float = Field(default=2.0, ge=0)
    polls: int = Field(default=4, ge=1)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not (self.account and self.token):
            raise ValueError("`user_id` and `access_token` are needed")
        return self

    @property
    def account(self) -> str:
        """Give the account's id, from the table or the DSN."""
        return self.user_id or self.user

    @property
    def token(self) -> str:
        """Give the token, from the table or the DSN."""
        return self.access_token.get_secret_value() or self.password.get_secret_value()

    @property
    def url(self) -> str:
        """Give the base of all calls, version included."""
        base = self.base_url or f"https://{self.host or 'graph.instagram.com'}{self.port and ':' + self.port}"
        return f"{base.rstrip('/')}/{self.api_version}"


class Graph(Provider):
    """Publish as a resumable sequence, write direct messages, and read what people answer."""

    channel, scheme = (Posts, Direct), "graph"
    Settings = GraphSettings
    idempotency = "lookup"

    def __init__(self, settings: GraphSettings, *, now: Callable[[], datetime], hook_url: str = "") -> None:
        super().__init__(settings, now=now, hook_url=hook_url)
        self._api = Api(settings.url, settings.token, settings.app_secret.get_secret_value())
        self._press = Press(self._api, settings.account, pause=settings.poll_seconds, looks=settings.polls)
        self._token = Token(self._api, settings.token)
        self._shelf = Shelf(settings.media_folder, settings.media_base_url or served_at(hook_url), settings.font)
        self._letters = Letters(self._api, self._shelf.attachment, now)

    def __str__(self) -> str:
        """Write scheme, account and version."""
        return f"graph://{self.account}/{self.settings.api_version}"

    @property
    def account(self) -> str:
        """Name the professional account by its public id."""
        account: str = self.settings.account
        return account

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Publish a post, or send a direct message to the IGSID *address*."""
        await self._freshen(keep)
        if isinstance(content, PostContent):
            return await self._press.publish(content, attempt, keep, self._shelf.address)
        if isinstance(content, DirectContent):
            return await self._letters.send(content, address, attempt, keep)
        raise Refused("content_of_another_channel")

    async def lookup(self, attempt: Attempt, address: str, keep: Keep) -> Receipt | Absent:
        """Ask the container, or the conversation, whether a lost attempt arrived."""
        await self._freshen(keep)
        if await self._letters.wrote(attempt, keep):
            return await self._letters.lookup(attempt, address, keep)
        return await self._press.lookup(attempt, keep)

    async def _freshen(self, keep: Keep) -> None:
        if self.settings.renew and "facebook" not in self.settings.url:
            await self._token.freshen(keep, self.now())

    async def check(self) -> None:
        """Ask for the account's own name; raise what is wrong."""
        await self._api.get(self.settings.account, fields="id,username")

    def challenge(self, request: Request) -> Response | None:
        """Answer ``hub.challenge`` to whoever knows the verify token."""
        query = request.query
        if request.method != "GET" or "hub.mode" not in query:
            return None
        known, told = self.settings.verify_token.get_secret_value(), query.get("hub.verify_token", "")
        if not known or not hmac.compare_digest(known.encode(), told.encode()) or query["hub.mode"] != "subscribe":
            return Response(403)
        return Response.of_text(query.get("hub.challenge", ""))

    def verify(self, request: Request) -> None:
        """Check ``X-Hub-Signature-256`` over the raw bytes with either app secret; it has no timestamp to check."""
        told = request.headers.get("x-hub-signature-256", "").encode()
        for secret in (self.settings.app_secret, self.settings.previous_app_secret):
            key = secret.get_secret_value()
            if key and hmac.compare_digest(signature(key, request.body).encode(), told):
                return
        raise Forged("wrong or missing X-Hub-Signature-256")

    def parse(self, request: Request) -> Sequence[Report | Event]:
        """Read messages, reads, reactions, postbacks, comments and mentions; our own echoes give nothing."""
        return reports(request.json(), self.account, self.now())

    async def aclose(self) -> None:
        """Close the connections; may be called twice."""
        await self._api.aclose()
