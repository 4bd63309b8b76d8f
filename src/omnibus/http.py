"""The one HTTP seam: client, total deadlines, one map from answers to errors.

Only this module imports httpx. Providers build one ``Client`` per account, lazily, and close it in ``aclose``.
"""

from __future__ import annotations

import asyncio
import json as jsonlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from omnibus.errors import DeliveryError, Refused, TryLater, Unknown

MAX_BODY = 1_000_000  # bytes of an answer that we are ready to read
MAX_RETRY_AFTER = 86_400.0  # seconds; absurd values are capped to a day


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold a provider's answer; headers have lower-case names."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def ok(self) -> bool:
        """Tell whether the status is 2xx (which is not yet success with every provider)."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Read the body as JSON.

        Raises:
            Unknown: a 2xx with an unreadable body: it was probably done.
            Refused: any other status with an unreadable body.
        """
        try:
            return jsonlib.loads(self.body)
        except (ValueError, RecursionError):
            if self.ok:
                raise Unknown("unreadable_answer") from None
            raise Refused(f"http_{self.status}") from None

    @property
    def retry_after(self) -> float | None:
        """Read ``Retry-After`` (seconds or an HTTP date) as seconds, at most a day; None without one."""
        told = self.headers.get("retry-after", "").strip()
        if not told:
            return None
        try:
            seconds = float(told)
            if seconds != seconds:  # "nan" is a float to Python
                return None
        except ValueError:
            try:
                seconds = (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds()
            except (ValueError, TypeError):
                return None
        return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def error_for(answer: Answer) -> DeliveryError:
    """Map a status that no provider's own table explains.

    429 → TryLater; 401, 403 → TryLater, pausing the account; 408, 409, 5xx → Unknown; 3xx and other 4xx → Refused.
    Source: reference table of lost answers (docs/concepts/lost-answers.md).
    """
    status, reason = answer.status, f"http_{answer.status}"
    if status == 429:
        return TryLater("rate_limited", retry_after=answer.retry_after)
    if status in (401, 403):
        return TryLater(reason, account=True)
    if status in (408, 409) or status >= 500:
        return Unknown(reason)
    return Refused("redirect" if 300 <= status < 400 else reason)


class Client:
    """Make requests to one provider account with one total deadline each; redirects are never followed.

    Args:
        base_url: put before every path that is not a URL itself.
        headers: sent with every request.
        auth: httpx auth flow (e.g. OAuth 1.0a) or (user, password).
        deadline: seconds for a whole request, answer body included.
        limit: how many requests may be in flight.
    """

    def __init__(
        self, base_url: str = "", *, headers: Mapping[str, str] | None = None, auth: Any = None, deadline: float = 20.0,
        limit: int = 50,
    ) -> None:  # fmt: skip
        self._deadline, self._closed = deadline, False
        self._client = httpx.AsyncClient(
            base_url=base_url, headers=dict(headers or {}), auth=auth, follow_redirects=False, trust_env=False,
            timeout=httpx.Timeout(deadline), limits=httpx.Limits(max_connections=limit, keepalive_expiry=15),
        )  # fmt: skip

    async def request(
        self, method: str, url: str, *, json: Any = None, data: Any = None, content: bytes | None = None,
        files: Any = None, params: Any = None, headers: Mapping[str, str] | None = None, auth: Any = None,
    ) -> Answer:  # fmt: skip
        """Make one request and read its whole answer, whatever its status.

        Raises:
            TryLater: no connection was made, so nothing was sent (``not_connected``).
            Unknown: it may have arrived (``answer_lost``, ``deadline``, ``answer_too_big``).
            Refused: a redirect.
        """
        if self._closed:
            raise TryLater("closed")
        extra: dict[str, Any] = {} if auth is None else {"auth": auth}
        try:
            async with asyncio.timeout(self._deadline):
                answer = await self._client.request(
                    method, url, json=json, data=data, content=content, files=files, params=params,
                    headers=dict(headers or {}), **extra,
                )  # fmt: skip
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol):
            raise TryLater("not_connected") from None
        except TimeoutError:
            raise Unknown("deadline") from None
        except httpx.HTTPError as error:
            raise Unknown(f"answer_lost:{type(error).__name__}") from None
        if 300 <= answer.status_code < 400:
            raise Refused("redirect")
        if len(answer.content) > MAX_BODY:
            raise Unknown("answer_too_big")
        return Answer(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, answer.content)

    async def aclose(self) -> None:
        """Close the connections; may be called twice."""
        self._closed = True
        await self._client.aclose()
