"""The client that providers use: a short way to the wire, and httpx for what needs it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

import httpx

from omnibus.errors import Refused, TryLater, Unknown
from omnibus.http.answer import Answer
from omnibus.http.ask import FORM, JSON, Letterhead, Place, as_form, as_json, basic, lines
from omnibus.http.lean import Lean
from omnibus.http.transport import Transport

_HEADERS = {"accept": "*/*", "accept-encoding": "gzip, deflate", "user-agent": "omnibus"}


class Client:
    """Make requests to one provider account with one total deadline each; redirects are never followed.

    Args:
        base_url: put before every path that is not a URL itself.
        headers: sent with every request.
        auth: (user, password), a function that signs the request in place, or an httpx auth flow.
        deadline: seconds for a whole request, answer body included.
        limit: how many requests may be in flight.
        guard: URLs come from strangers: only public addresses, ports 443 and 80.
        trusted: ``host:port`` that the guard lets pass (a sandbox on loopback).
    """

    def __init__(
        self, base_url: str = "", *, headers: Mapping[str, str] | None = None, auth: Any = None, deadline: float = 20.0,
        limit: int = 50, guard: bool = False, trusted: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._auth, self._deadline, self._closed = _login(auth), deadline, False
        told, allowed = (
            {**_HEADERS, **{name.lower(): value for name, value in (headers or {}).items()}},
            frozenset(trusted),
        )
        self._letterhead = Letterhead(base_url, told, guard=guard, trusted=allowed)
        transport = Transport(limit, deadline=deadline, guard=guard, trusted=allowed)
        self._wire, self._lean = transport.wire, Lean(transport)

    async def request(
        self, method: str, url: str, *, json: Any = None, data: Any = None, content: bytes | None = None,
        files: Any = None, params: Any = None, headers: Mapping[str, str] | None = None, auth: Any = None,
    ) -> Answer:  # fmt: skip
        """Make one request and read its whole answer, whatever its status.

        A connection that was never made is tried again at once, within the deadline; nothing else is.

        Raises:
            TryLater: no connection was made, so nothing was sent (``not_connected``), or the client is closed.
            Unknown: it may have arrived (``answer_lost``, ``deadline``, ``answer_too_big``).
            Refused: a redirect; a header of two lines (``bad_header``), a body that is no JSON (``bad_body``), a URL that is none (``bad_url``) or that the guard forbids (``forbidden_url``).
        """
        if self._closed:
            raise TryLater("closed")
        place = self._letterhead.place(method, url)
        login = self._auth if auth is None else _login(auth)
        if json is not None:
            kind, body = JSON, as_json(json)
        elif data and not files:
            kind, body = FORM, as_form(data)
        else:
            kind, body = "", content or b""
        if params or files or not isinstance(login, str) or self._lean.is_caught(place.url):
            return await self._long(place, method, kind, body, headers or {}, login, data, files, params)
        return await self._wire.exchange(self._letterhead.ask(place, kind, body, headers or {}, login))

    async def aclose(self) -> None:
        """Close the connections; may be called twice."""
        self._closed = True
        await self._lean.aclose()

    async def _long(
        self, place: Place, method: str, kind: str, body: bytes, headers: Mapping[str, str], login: Any, data: Any,
        files: Any, params: Any,
    ) -> Answer:  # fmt: skip
        """Go by httpx: signatures and flows, files, parameters, and mocks; their errors are httpx's."""
        usual = {**self._letterhead.told, **({"content-type": kind} if kind else {})}
        usual |= {name.lower(): value for name, value in headers.items()}
        lines(usual.items())  # a broken one is refused as on the short way
        if isinstance(login, str) and login:
            usual["authorization"] = login
        elif place.login:
            usual.setdefault("authorization", place.login)
        sent = {"data": data, "files": files} if files else {"content": body}
        try:
            async with asyncio.timeout(self._deadline):
                auth = None if isinstance(login, str) else login
                return await self._lean.answer(method, place.url, usual, auth, params=params, **sent)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise TryLater("not_connected") from None
        except TimeoutError:
            raise Unknown("deadline") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise Refused("bad_url") from None
        except (httpx.HTTPError, httpx.StreamError):
            raise Unknown("answer_lost") from None


def _login(auth: Any) -> Any:
    """Write (user, password) as a header, and none as an empty one; whatever signs stays as it is."""
    if auth is None:
        return ""
    return basic(*auth) if isinstance(auth, tuple) else auth
