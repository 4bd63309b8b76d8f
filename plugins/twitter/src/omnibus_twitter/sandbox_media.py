"""X's media upload in chunks, kept on disk; for the sandbox only."""

from __future__ import annotations

import base64
import email
import email.policy
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from omnibus import Media, Request, Response
from omnibus_twitter.sandbox_rules import invalid, problem

TYPES = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp"}
CATEGORIES = {"tweet_image", "tweet_gif", "tweet_video", "dm_image", "dm_gif", "dm_video", "subtitles"}
FIELDS = {"media_type", "total_bytes", "media_category", "shared", "additional_owners"}
MAX_PART = 5_242_880  # bytes of one chunk


class MediaShelf:
    """Take uploads apart into start, parts and end; an id is usable once all announced bytes are there.

    Args:
        slow: seconds that X says it needs for moving pictures; asked again, they are ready.
    """

    def __init__(self, folder: Path, new_id: Callable[[], str]) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self._new_id, self.slow = folder, new_id, 5

    def ready(self, media_id: str) -> bool:
        """Tell whether a post may use this id."""
        return self._note(media_id).get("state") == "succeeded"

    def pictures(self, ids: Sequence[str]) -> list[Media]:
        """Give finished uploads as pictures beside the pages."""
        notes = [(each, self._note(each)) for each in ids]
        return [Media(f"media/{each}.{TYPES[note['media_type']]}", str(note.get("alt", ""))) for each, note in notes]

    def start(self, request: Request) -> Response:
        """Begin an upload."""
        try:
            told: Any = request.json()
            unknown = set(told) - FIELDS
            kind, size, use = told["media_type"], told["total_bytes"], told["media_category"]
        except Exception:  # noqa: BLE001 - whatever is wrong with the body, X says invalid
            return invalid("$: media_type, total_bytes and media_category are required")
        if unknown or kind not in TYPES or use not in CATEGORIES or not isinstance(size, int) or size <= 0:
            return invalid("$: unknown field or value", field=",".join(unknown))
        media_id = self._new_id()
        self._keep(
            media_id, {"media_type": kind, "total_bytes": size, "media_category": use, "state": "open", "parts": 0}
        )
        self._file(media_id).write_bytes(b"")
        return Response.of_json({"data": {"id": media_id, "media_key": f"3_{media_id}", "expires_after_secs": 86400}})

    def append(self, request: Request, media_id: str) -> Response:
        """Take one part; parts come in order."""
        note, fields = self._note(media_id), multipart(request)
        if note.get("state") != "open":
            return _unknown()
        part, index = fields.get("media", b""), fields.get("segment_index", b"")
        if not part or len(part) > MAX_PART or index != str(note["parts"]).encode():
            return invalid("$: media and the next segment_index are required", segment_index=index)
        with self._file(media_id).open("ab") as file:
            file.write(part)
        self._keep(media_id, note | {"parts": note["parts"] + 1})
        return Response.of_json({"data": {"expires_at": 0}})

    def finish(self, request: Request, media_id: str) -> Response:
        """End an upload; moving pictures are prepared for a while."""
        note = self._note(media_id)
        if note.get("state") != "open":
            return _unknown()
        if self._file(media_id).stat().st_size != note["total_bytes"]:
            return invalid("Segments do not add up to provided total file size.", media_id=media_id)
        slow = note["media_category"].endswith(("_gif", "_video"))
        self._keep(media_id, note | {"state": "pending" if slow else "succeeded"})
        data: dict[str, Any] = {"id": media_id, "media_key": f"3_{media_id}", "size": note["total_bytes"]}
        if slow:
            data["processing_info"] = {"state": "pending", "check_after_secs": self.slow}
        return Response.of_json({"data": data})

    def status(self, request: Request) -> Response:
        """Tell how far the preparation is."""
        media_id = request.query.get("media_id", "")
        note = self._note(media_id)
        if request.query.get("command", "STATUS") != "STATUS" or note.get("state") not in {"pending", "succeeded"}:
            return _unknown()
        self._keep(media_id, note | {"state": "succeeded"})
        info = {"state": "succeeded", "progress_percent": 100}
        return Response.of_json({"data": {"id": media_id, "media_key": f"3_{media_id}", "processing_info": info}})

    def describe(self, request: Request) -> Response:
        """Take an alternative text."""
        try:
            told = request.json()
            media_id, text = told["id"], told["metadata"]["alt_text"]["text"]
        except Exception:  # noqa: BLE001 - whatever is wrong with the body, X says invalid
            return invalid("$: id and metadata are required")
        note = self._note(str(media_id))
        if not note:
            return _unknown()
        if not isinstance(text, str) or not 0 < len(text) <= 1_000:
            return invalid("$.metadata.alt_text.text: 1 to 1000 characters", text="")
        self._keep(str(media_id), note | {"alt": text})
        return Response.of_json({"data": {"id": media_id, "associated_metadata": {"alt_text": {"text": text}}}})

    def _note(self, media_id: str) -> dict[str, Any]:
        path = self.folder / f"{media_id}.json"
        found: dict[str, Any] = json.loads(path.read_text()) if media_id.isdigit() and path.exists() else {}
        return found

    def _keep(self, media_id: str, note: dict[str, Any]) -> None:
        (self.folder / f"{media_id}.json").write_text(json.dumps(note))

    def _file(self, media_id: str) -> Path:
        return self.folder / f"{media_id}.{TYPES[self._note(media_id)['media_type']]}"


def multipart(request: Request) -> dict[str, bytes]:
    """Read a multipart body into its named parts, or a JSON one with base64, which X takes as well."""
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            told = json.loads(request.body)
            return {
                "media": base64.b64decode(told["media"], validate=True),
                "segment_index": str(told["segment_index"]).encode(),
            }
        except (ValueError, KeyError, TypeError):
            return {}
    head = f"content-type: {request.headers.get('content-type', '')}\r\n\r\n".encode()
    message = email.message_from_bytes(head + request.body, policy=email.policy.HTTP)
    parts = message.iter_parts() if message.is_multipart() else ()
    found: dict[str, bytes] = {}
    for each in parts:
        body = each.get_payload(decode=True)
        found[str(each.get_param("name", header="content-disposition"))] = body if isinstance(body, bytes) else b""
    return found


def _unknown() -> Response:
    return problem(404, "Not Found Error", "Unknown media id", "https://api.x.com/2/problems/resource-not-found")
