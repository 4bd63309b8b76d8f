"""What leaves: a request as bytes, with what is the same for many requests put together once."""

from __future__ import annotations

import json as jsonlib
import re
from base64 import b64encode
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlencode

import httpx
from pydantic_core import to_json

from omnibus.errors import Refused
from omnibus.http.guard import vet

KEPT = 256  # addresses that a client remembers
JSON, FORM = "application/json", "application/x-www-form-urlencoded"

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BROKEN = re.compile(r"[\r\n\0]")
_OURS = frozenset({"content-length", "transfer-encoding", "connection"})  # what the bytes themselves decide
_SET = frozenset({"host", "content-type", "authorization"})  # what we set, unless told otherwise
_NO_LENGTH = frozenset({"GET", "HEAD", "OPTIONS", "DELETE", "TRACE"})  # need none where there is no body

Origin = tuple[str, str, int]


class Place:
    """Hold what a method and a URL come to.

    Args:
        url: as httpx reads it.
        origin: scheme, host and port to connect to.
        line: the request line.
        host: the value of the ``Host`` header.
        login: an ``Authorization`` that stands in the URL, or empty.
    """

    __slots__ = ("bodiless", "host", "length", "line", "login", "origin", "url")

    def __init__(self, method: str, url: httpx.URL) -> None:
        port = url.port or (443 if url.scheme == "https" else 80)
        if url.scheme not in {"http", "https"} or not url.host or port > 65_535 or not _TOKEN.fullmatch(method):
            raise Refused("bad_url")
        self.url, self.origin = url, (url.scheme, url.raw_host.decode("ascii"), port)
        self.line = b"%b %b HTTP/1.1\r\n" % (method.encode("ascii"), url.raw_path)
        self.host = url.netloc.decode("ascii")
        self.login = basic(url.username, url.password) if url.userinfo else ""
        self.bodiless, self.length = method == "HEAD", method not in _NO_LENGTH


class Ask:
    """Hold one request, ready to be written to a connection."""

    __slots__ = ("data", "place")

    def __init__(self, place: Place, head: bytes, body: bytes) -> None:
        self.place = place
        if body or place.length:
            self.data = b"%b%bcontent-length: %d\r\n\r\n%b" % (place.line, head, len(body), body)
        else:
            self.data = b"%b%b\r\n" % (place.line, head)


class Letterhead:
    """Put requests together for one client.

    Args:
        base: put before every path that is not a URL itself.
        headers: sent with every request.
        guard: URLs come from strangers; *trusted* hosts may be anywhere.
    """

    def __init__(self, base: str, headers: Mapping[str, str], *, guard: bool, trusted: Collection[str]) -> None:
        self._base, self._guard, self._trusted = base.rstrip("/"), guard, trusted
        self.told = {name.lower(): value for name, value in headers.items()}
        self._places: dict[tuple[str, str], Place] = {}
        self._heads: dict[tuple[str, str, str], bytes] = {}

    def place(self, method: str, url: str) -> Place:
        """Find where a request goes; vetted and read when it is new.

        Raises:
            Refused: the guard forbids the URL (``forbidden_url``), or it is none (``bad_url``).
        """
        found = self._places.get((method, url))
        if found is None:
            where = url if "://" in url else f"{self._base}/{url.lstrip('/')}" if url else self._base
            if self._guard:
                vet(where, self._trusted)  # asks no name service, so its answer holds as long as the client
            try:
                found = Place(method.upper(), httpx.URL(where))
            except (httpx.InvalidURL, UnicodeError):
                raise Refused("bad_url") from None
            if "?" not in url:  # a query is one message's own, and may hold what is personal
                if len(self._places) >= KEPT:
                    self._places.clear()
                self._places[method, url] = found
        return found

    def ask(self, place: Place, kind: str, body: bytes, headers: Mapping[str, str], login: str) -> Ask:
        """Write a request.

        Args:
            kind: its content type, or empty; *headers* may name another.
            login: its ``Authorization``, or empty.

        Raises:
            Refused: a header of two lines, or one that is no ASCII (``bad_header``).
        """
        known = (place.host, kind, login or place.login)
        head = self._heads.get(known)
        if head is None:
            if len(self._heads) >= KEPT:
                self._heads.clear()
            head = self._heads[known] = lines(self._usual(*known).items())
        if headers:
            own = {name.lower(): value for name, value in headers.items()}
            if _SET.isdisjoint(own) and own.keys().isdisjoint(self.told):
                head += lines(own.items())
            else:
                usual = {**self._usual(place.host, kind, place.login), **own}
                head = lines({**usual, **({"authorization": login} if login else {})}.items())
        return Ask(place, head, body)

    def _usual(self, host: str, kind: str, login: str) -> dict[str, str]:
        found = {"host": host, **self.told}
        if kind:
            found["content-type"] = kind
        if login:
            found["authorization"] = login
        return found


def lines(headers: Collection[tuple[str, str]]) -> bytes:
    """Write header lines; lengths and the like are left to ``Ask``.

    Raises:
        Refused: one has two lines, or is no ASCII (``bad_header``).
    """
    found = []
    for name, value in headers:
        if not _TOKEN.fullmatch(name) or _BROKEN.search(value) or not value.isascii():
            raise Refused("bad_header")
        if name.lower() not in _OURS:
            found.append(f"{name}: {value}\r\n")
    return "".join(found).encode("ascii")


def basic(user: str, password: str) -> str:
    """Write basic authentication (RFC 7617)."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode('ascii')}"


def as_json(value: Any) -> bytes:
    """Write JSON; times as ISO 8601.

    Raises:
        Refused: it cannot be written, or holds a number that JSON does not know (``bad_body``).
    """
    try:
        written = to_json(value)
        if b"NaN" in written or b"Infinity" in written:  # in a text, most likely
            jsonlib.dumps(value, allow_nan=False, default=str)
    except ValueError:
        raise Refused("bad_body") from None
    return written


def as_form(fields: Mapping[str, Any]) -> bytes:
    """Write form fields as httpx does: lists repeat their name, None is empty, truth is in lower case."""
    found = [
        (name, _text(each))
        for name, value in fields.items()
        for each in (value if isinstance(value, (list, tuple)) else (value,))
    ]
    return urlencode(found).encode("ascii")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
