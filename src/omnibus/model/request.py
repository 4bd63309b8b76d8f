"""What comes in over HTTP, as plain values: no framework, the raw bytes kept."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from omnibus.errors import InputError


@dataclass(frozen=True, slots=True)
class Request:
    """Hold one request as the sender made it.

    Args:
        url: the public URL, byte for byte as the sender saw it (some providers sign it).
        headers: names in lower case.
        body: raw bytes; signatures are over these.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def path(self) -> str:
        """Give the path of the URL, without query."""
        return urlsplit(self.url).path

    @property
    def query(self) -> dict[str, str]:
        """Read the query; of a repeated name the last value counts."""
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))

    @property
    def form(self) -> list[tuple[str, str]]:
        """Read a form body as pairs, in order; an undecodable body gives replacement characters."""
        return parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True)

    def json(self) -> Any:
        """Read a JSON body.

        Raises:
            InputError: it is no JSON; the text does not quote the body.
        """
        try:
            told = json.loads(self.body)
            if b"\\u" in self.body:  # an escaped lone surrogate is JSON, but no text that could be stored
                json.dumps(told, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            raise InputError("the body is not JSON", where=self.path) from None
        return told


@dataclass(frozen=True, slots=True)
class Response:
    """Answer a request; a stream is sent piece by piece and ends when the iterator does."""

    status: int = 200
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    stream: AsyncIterator[bytes] | None = field(default=None, repr=False)

    @classmethod
    def of_json(cls, value: object, status: int = 200) -> Response:
        """Answer with a JSON value."""
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str).encode()
        return cls(status, body, {"content-type": "application/json"})

    @classmethod
    def of_text(cls, text: str, status: int = 200, media_type: str = "text/plain") -> Response:
        """Answer with text."""
        return cls(status, text.encode(), {"content-type": f"{media_type}; charset=utf-8"})
