"""Bring pictures to X in chunks, before the post leaves: an upload may be repeated, a post may not.

Source: https://docs.x.com/x-api/media/quickstart/media-upload-chunked · https://docs.x.com/x-api/media/create-media-metadata
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from omnibus import Keep, Media, Refused, TryLater, Unknown
from omnibus.http import Answer, Client, error_for
from omnibus_twitter.answers import id_at

CHUNK = 1_048_576  # bytes of one part; X takes up to 5 MB
MAX_IMAGE = 5_242_880  # bytes of a jpg, png or webp
MAX_GIF = 15_728_640  # bytes
MAX_ALT = 1_000  # characters of the alternative text
#: first bytes → media type, and whether it moves
_KINDS = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))
LIFE = 72_000.0  # seconds for which an uploaded picture is used; X keeps it for a day
Call = Callable[..., Awaitable[Answer]]
Fetch = Callable[[str], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Uploads:
    """Bring the pictures of one delivery to X, and note their ids, so that no retry uploads them again.

    Args:
        call: makes a harmless call of the API.
        fetch: reads a picture's bytes.
        now: business time as a unix second.
    """

    call: Call
    fetch: Fetch
    keep: Keep
    now: float

    async def ids(self, pictures: Sequence[Media], use: str, delivery: str) -> list[str]:
        """Give X's ids in order; *use* is ``tweet`` or ``dm``.

        Raises:
            TryLater: a picture or X could not be reached now, or X still prepares it; nothing was posted.
            Refused: a picture does not exist, is no picture, or is too large.
        """
        return [await self._one(each, f"media {delivery} {number}", use) for number, each in enumerate(pictures)]

    async def _one(self, picture: Media, note: str, use: str) -> str:
        told = json.loads(await self.keep.get(note) or "{}")
        if told.get("url") != picture.url or told["at"] + LIFE < self.now:
            media_id, info = await upload(await self.fetch(picture.url), use, self.call)
            if picture.alt:
                alt = {"id": media_id, "metadata": {"alt_text": {"text": picture.alt[:MAX_ALT]}}}
                await self.call("POST", "/2/media/metadata", json=alt)
            told = {"url": picture.url, "id": media_id, "ready": not info, "at": self.now}
            await self.keep.set(note, json.dumps(told))
        elif not told["ready"]:
            asked = {"command": "STATUS", "media_id": told["id"]}
            info = _info(await self.call("GET", "/2/media/upload", params=asked))
        else:
            return str(told["id"])
        _check(info)
        await self.keep.set(note, json.dumps(told | {"ready": True}))
        return str(told["id"])


async def upload(body: bytes, use: str, call: Call) -> tuple[str, dict[str, Any]]:
    """Send a picture's bytes in chunks; returns the media id, and what X says of preparing it (empty: nothing to do)."""
    media_type = type_of(body)
    category = f"{use}_gif" if media_type == "image/gif" else f"{use}_image"
    if len(body) > (MAX_GIF if media_type == "image/gif" else MAX_IMAGE):
        raise Refused("picture_too_large")
    start = {"media_type": media_type, "total_bytes": len(body), "media_category": category}
    media_id = id_at(await call("POST", "/2/media/upload/initialize", json=start), "data", "id")
    for index in range(0, len(body), CHUNK):
        part = {"media": ("blob", body[index : index + CHUNK], "application/octet-stream")}
        await call(
            "POST", f"/2/media/upload/{media_id}/append", data={"segment_index": str(index // CHUNK)}, files=part,
            endpoint="POST /2/media/upload/:id/append",
        )  # fmt: skip
    end = await call("POST", f"/2/media/upload/{media_id}/finalize", endpoint="POST /2/media/upload/:id/finalize")
    return media_id, _info(end)


def _info(answer: Answer) -> dict[str, Any]:
    body = answer.json()
    data = body.get("data") if isinstance(body, dict) else None
    info = data.get("processing_info") if isinstance(data, dict) else None
    return info if isinstance(info, dict) else {}


def _check(info: dict[str, Any]) -> None:
    """Pass when X is done with a picture; moving ones take a while, so the delivery comes back rather than waits.

    Raises:
        TryLater: still being prepared; X says how long to wait.
        Refused: X could not read it.
    """
    match info.get("state"):
        case "failed":
            raise Refused("picture_refused")
        case "pending" | "in_progress":
            raise TryLater("picture_in_preparation", retry_after=float(info.get("check_after_secs") or 5))


def type_of(body: bytes) -> str:
    """Tell the media type by the first bytes, whatever a server or a file name says.

    Raises:
        Refused: none that X takes as a picture.
    """
    for start, media_type in _KINDS:
        if body.startswith(start):
            return media_type
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "image/webp"
    raise Refused("no_picture")


async def load(url: str, client: Client, *, local: bool) -> bytes:
    """Read a picture from an http(s) URL or a file; *local* lets it come from this machine's own network.

    Raises:
        TryLater: its server did not answer well now.
        Refused: it is not there, the answer is no picture, or the address is not public.
    """
    parts = urlsplit(url)
    if parts.scheme in {"http", "https"}:
        if not local and (parts.scheme == "http" or _private(parts.hostname or "")):
            raise Refused("picture_address")
        return await _fetched(url, client)
    if parts.scheme not in {"", "file"}:
        raise Refused("picture_scheme")
    path = Path(unquote(parts.path) if parts.scheme else url)
    try:
        return await asyncio.to_thread(path.read_bytes)
    except OSError:
        raise Refused("picture_missing") from None


def _private(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return host == "localhost" or "." not in host


async def _fetched(url: str, client: Client) -> bytes:
    try:
        answer = await client.request("GET", url)
    except Unknown as lost:
        if lost.reason == "answer_too_big":
            raise Refused("picture_too_large") from None
        raise TryLater("picture_unreachable") from None
    if answer.ok:
        return answer.body
    error = error_for(answer)
    if isinstance(error, Refused):
        raise Refused("picture_missing")
    raise TryLater("picture_unreachable", retry_after=answer.retry_after)
