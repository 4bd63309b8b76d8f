"""Prove who calls: OAuth 1.0a signatures, and OAuth 2 bearer tokens that are refreshed and kept.

Sources: RFC 5849 §3 (1.0a) · RFC 6749 §6 (refresh) · https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from oauthlib.oauth1 import Client as Signer

from omnibus import Keep, Refused, TryLater, Unknown
from omnibus.http import Client

NOTE = "oauth2"  # name of the kept note
EARLY = 60.0  # seconds before its end from which a token is renewed
LIFE = 7_200.0  # seconds an access token lives when X does not say


def signature(settings: Any, now: Callable[[], datetime]) -> Callable[[Any], Any]:
    """Make the auth step of the HTTP client: it signs URL and method only.

    X signs neither JSON nor multipart bodies; handed a body, oauthlib would add ``oauth_body_hash`` and X would refuse.
    """
    logging.getLogger("oauthlib.oauth1.rfc5849").addFilter(_quiet)

    def sign(request: Any) -> Any:
        signer = Signer(
            settings.consumer_key, settings.consumer_secret.get_secret_value(), settings.access_token.get_secret_value(),
            settings.access_token_secret.get_secret_value(), timestamp=str(int(now().timestamp())),
        )  # fmt: skip
        _, headers, _ = signer.sign(str(request.url), http_method=request.method)
        request.headers["authorization"] = headers["Authorization"]
        return request

    return sign


def _quiet(record: logging.LogRecord) -> bool:
    """Keep oauthlib from writing tokens, ids and signatures to the log: it does so at level DEBUG."""
    return record.levelno > logging.DEBUG


@dataclass(frozen=True, slots=True)
class Token:
    """Hold an OAuth 2 token pair; *ends* is a unix second, 0 for unknown."""

    access: str = field(default="", repr=False)
    refresh: str = field(default="", repr=False)
    ends: float = 0.0


class Bearer:
    """Give the access token of an OAuth 2 account, renewed when it ends; the pair rotates and is kept at once.

    A renewal runs to its end even when the attempt that wanted it is cancelled: X takes the old refresh token no more.
    """

    def __init__(self, settings: Any, now: Callable[[], datetime], client: Client) -> None:
        self._settings, self._now, self._client = settings, now, client
        self._renewal: asyncio.Task[Token] | None = None
        self._token = Token(_secret(settings.access_token), _secret(settings.refresh_token))

    async def header(self, keep: Keep | None) -> dict[str, str]:
        """Give the header for one call.

        Raises:
            TryLater: the token has ended and could not be renewed; nothing was sent.
        """
        token = await self._kept(keep)
        if keep is not None and token.refresh and token.ends and token.ends - EARLY <= self._now().timestamp():
            token = await self._renewed(token, keep)
        return {"authorization": f"Bearer {token.access}"}

    async def renew(self, refused: str, keep: Keep | None) -> bool:
        """Renew after a 401 for the header *refused*; True when another try makes sense.

        Raises:
            TryLater: X takes the refresh token no more, or did not answer.
        """
        token = await self._kept(keep)
        if f"Bearer {token.access}" != refused:
            return True  # another task, or another worker, has renewed it meanwhile
        if keep is None or not token.refresh:
            return False
        await self._renewed(token, keep)
        return True

    async def aclose(self) -> None:
        """Wait for a renewal that is under way, so that the new pair is not lost."""
        if self._renewal is not None:
            await asyncio.wait([self._renewal])

    async def _renewed(self, token: Token, keep: Keep) -> Token:
        """Renew once for all who ask meanwhile."""
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._renew(token, keep))
            self._renewal.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._renewal)

    async def _kept(self, keep: Keep | None) -> Token:
        note = await keep.get(NOTE) if keep is not None else None
        if note:
            self._token = Token(**json.loads(note))
        return self._token

    async def _renew(self, token: Token, keep: Keep) -> Token:
        form = {"grant_type": "refresh_token", "refresh_token": token.refresh, "client_id": self._settings.client_id}
        secret = _secret(self._settings.client_secret)
        auth = (self._settings.client_id, secret) if secret else None
        try:
            answer = await self._client.request("POST", "/2/oauth2/token", data=form, auth=auth)
            body = answer.json() if answer.ok else {}
        except (Unknown, Refused) as lost:  # the message itself has not left: it can wait for ops
            raise TryLater("token_not_renewed", account=True) from lost
        if not answer.ok or not body.get("access_token"):
            newer = await self._kept(keep)
            if newer != token:
                return newer
            raise TryLater("token_refused", account=True)
        ends = self._now().timestamp() + float(body.get("expires_in") or LIFE)
        self._token = Token(str(body["access_token"]), str(body.get("refresh_token") or token.refresh), ends)
        await keep.set(NOTE, json.dumps(asdict(self._token)))
        return self._token


def _secret(value: Any) -> str:
    return value.get_secret_value() if value is not None else ""
