"""Where our own pictures lie until Meta has fetched them: fitted or drawn, in a folder that the web serves."""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path

from PIL import Image

from omnibus import Desk, InputError, Media, NotFound, Refused, Request, Response
from omnibus_instagram.media import video
from omnibus_instagram.picture import draw, fit, ratio
from omnibus_instagram.post import PostContent

FOLDER = "instagram-media"  # below the working directory, when none is configured
PIECE = 256 * 1024  # bytes of a file that are read at a time
ATTACHED = re.compile(r"\.(png|jpe?g|gif)(\?|$)", re.IGNORECASE)  # what a direct message shows
TYPES = {".jpg": "image/jpeg", ".mp4": "video/mp4", ".mov": "video/quicktime"}


def served_at(hook_url: str) -> str:
    """Name where the bus's own server serves the folder; empty without a public URL."""
    return f"{hook_url.rpartition('/hooks/')[0]}/instagram/media" if hook_url else ""


async def serve(request: Request, desk: Desk) -> Response:
    """Serve one picture to Meta's fetcher; names are hashes, so nobody can guess or walk.

    Raises:
        NotFound: no such picture.
    """
    name = request.query.get("name", "")
    path = Path(desk.settings.media_folder) / name
    if not re.fullmatch(r"[0-9a-f]{40}\.(jpg|mp4|mov)", name) or not await asyncio.to_thread(path.is_file):
        raise NotFound("no such picture")
    headers = {"content-type": TYPES[path.suffix], "cache-control": "public, max-age=86400"}
    return Response(200, headers=headers, stream=_pieces(path))


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE):
            yield piece


class Shelf:
    """Give every picture of a post a public URL; a picture that already has one keeps it.

    Args:
        folder: where JPEGs are written, named by what they show, so the same picture is written once.
        base_url: where the web serves that folder.
        font: a TrueType file for drawn words, empty for one of the system's.
    """

    def __init__(self, folder: str, base_url: str, font: str = "") -> None:
        self._folder, self._base, self._font = folder, base_url.rstrip("/"), font

    async def address(self, content: PostContent, at: int) -> str:
        """Give the public URL of the *at*-th picture, written first if it is ours.

        Raises:
            Refused: no folder is configured, a file is missing or no picture, or the font lacks letters.
        """
        if content.card is None and content.media[at].url.startswith(("https://", "http://")):
            return content.media[at].url
        if not (self._folder and self._base):
            raise Refused("media_base_url_missing")
        return await asyncio.to_thread(self._put, content, at)

    async def attachment(self, picture: Media) -> str:
        """Give the public URL of a picture for a direct message; empty when it has none that they would take."""
        if picture.url.startswith("https://"):
            return picture.url if ATTACHED.search(picture.url) else ""
        if not (self._folder and self._base):
            return ""
        return await asyncio.to_thread(self._attach, picture)

    def _attach(self, picture: Media) -> str:
        try:
            return self._write(fit(Path(picture.url).read_bytes()), ".jpg")
        except (OSError, InputError):
            return ""  # the words go without it; the receipt says so

    def _put(self, content: PostContent, at: int) -> str:
        try:
            if content.card is not None:
                photo = Path(content.media[0].url).read_bytes() if content.media else None
                return self._write(draw(content.card, photo=photo, font=self._font), ".jpg")
            data = Path(content.media[at].url).read_bytes()
            if video(content.media[at].url):
                return self._write(data, Path(content.media[at].url).suffix.lower())
            return self._write(fit(data, like=_like(content)), ".jpg")
        except OSError:
            raise Refused("picture_file_missing") from None
        except InputError as error:
            raise Refused(f"picture:{error.where}") from None

    def _write(self, data: bytes, suffix: str) -> str:
        folder = Path(self._folder)
        folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(data).hexdigest()[:40] + suffix
        if not (folder / name).exists():
            new = folder / f".{name}.new"
            new.write_bytes(data)
            new.replace(folder / name)  # whole or not at all
        return f"{self._base}/{name}"


def _like(content: PostContent) -> float | None:
    """Give the ratio that all pictures of a carousel share: Instagram crops them to the first."""
    first = content.media[0].url
    if content.kind != "carousel" or first.startswith(("https://", "http://")) or video(first):
        return None
    with Image.open(io.BytesIO(Path(first).read_bytes())) as picture:
        return ratio(picture.size)
