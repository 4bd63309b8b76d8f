"""Calls to the Graph API: token, proof, deadline, usage, and errors by our table.

Source:
    https://developers.facebook.com/docs/graph-api/guides/secure-requests (appsecret_proof)
    https://developers.facebook.com/docs/graph-api/overview/rate-limiting (usage headers)
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Any

from omnibus import TryLater, Unknown
from omnibus.http import Answer, Client
from omnibus_instagram.answers import PAUSE, error, usage, wait

FULL = 100.0  # per cent of the hour's allowance: stop


def proof(secret: str, token: str) -> str:
    """Prove that the caller holds the app secret: hex HMAC-SHA256 over the token."""
    return hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest()


class Api:
    """Speak to one account's Graph API; open no connection before the first call.

    Args:
        base_url: with the version as its last part; a path that begins with ``/`` has none.
        token: of the account; may be replaced by a fresher one at any time.
    """

    def __init__(self, base_url: str, token: str, secret: str, *, deadline: float = 15.0) -> None:
        self._base, self.token, self._secret, self._deadline = base_url, token, secret, deadline
        self._client: Client | None = None
        self._closed, self._full_until = False, 0.0

    async def get(self, path: str, **params: str) -> dict[str, Any]:
        """Ask; nothing changes by it.

        Raises:
            DeliveryError: never Unknown.
        """
        return await self._call("GET", path, params, None, last=False)

    async def post(self, path: str, body: Mapping[str, Any], *, last: bool = False) -> dict[str, Any]:
        """Tell; *last* marks the call that publishes or sends, whose lost answer is Unknown.

        Raises:
            DeliveryError: Unknown only with *last*; before it, nothing has reached anybody, so it is TryLater.
        """
        return await self._call("POST", path, {}, body, last=last)

    async def _call(
        self, method: str, path: str, params: Mapping[str, str], body: Mapping[str, Any] | None, *, last: bool
    ) -> dict[str, Any]:
        left = self._full_until - time.monotonic()
        if left > 0:
            raise TryLater("rate_limited", retry_after=left)
        try:
            # the token goes in a header: an address with one would end up in somebody's log
            headers = {"authorization": f"Bearer {self.token}"}
            answer = await self._open().request(
                method, self._url(path), params=self._signed(params), json=body, headers=headers
            )
            self._heed(answer)
            if not answer.ok:
                raise error(answer, last=last)
            return _mapping(answer)
        except Unknown as lost:
            if last:
                raise
            raise TryLater(lost.reason) from None

    def _url(self, path: str) -> str:
        return self._base.rpartition("/")[0] + path if path.startswith("/") else f"{self._base}/{path}"

    def _signed(self, params: Mapping[str, str]) -> dict[str, str]:
        return {**params, "appsecret_proof": proof(self._secret, self.token)} if self._secret else dict(params)

    def _heed(self, answer: Answer) -> None:
        if usage(answer.headers) >= FULL:
            self._full_until = time.monotonic() + (wait(answer) or PAUSE)

    def _open(self) -> Client:
        if self._closed:
            raise TryLater("closed")
        if self._client is None:
            self._client = Client(deadline=self._deadline)
        return self._client

    async def aclose(self) -> None:
        """Close; may be called twice."""
        self._closed = True
        if self._client is not None:
            await self._client.aclose()


def _mapping(answer: Answer) -> dict[str, Any]:
    told = answer.json()
    if not isinstance(told, dict):
        raise Unknown("unreadable_answer")
    if isinstance(told.get("error"), dict):  # a 200 that is none
        raise Unknown("error_in_200")
    return told
