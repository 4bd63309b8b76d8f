"""What the sandbox refuses, in Meta's words: error bodies, parameters of a container, parameters of a message."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from omnibus import Request, Response
from omnibus_instagram.caption import CAPTION, DIRECT, HASHTAGS, MENTIONS, hashtags, mentions, size, units
from omnibus_instagram.picture import MAX_BYTES, NARROWEST, TALL, WIDE, WIDEST

SHARED = frozenset({"media_type", "caption", "location_id", "collaborators", "user_tags"})
IMAGE = frozenset({"image_url", "alt_text"})
VIDEO = frozenset({"video_url", "upload_type", "cover_url", "thumb_offset", "share_to_feed", "audio_name"})

#: media_type → parameters that it takes
FIELDS = {
    "IMAGE": SHARED | IMAGE,
    "REELS": SHARED | VIDEO,
    "STORIES": frozenset({"media_type", "image_url", "video_url", "upload_type"}),
    "CAROUSEL": SHARED | {"children"},
    "ITEM": frozenset({"media_type", "is_carousel_item", "image_url", "video_url", "alt_text", "user_tags"}),
}


class Refusal(Exception):
    """Carry an error answer of the Graph API."""

    def __init__(self, code: int, subcode: int | None, message: str) -> None:
        self.name = f"{code}/{subcode}" if subcode else str(code)
        error: dict[str, Any] = {"message": message, "type": "OAuthException", "code": code}
        if subcode:
            error["error_subcode"] = subcode
        error |= {"is_transient": False, "fbtrace_id": "AsandboxTrace"}
        self.response = Response.of_json({"error": error}, 400)
        super().__init__(self.name)


def refuse(code: int, subcode: int | None, message: str) -> Refusal:
    """Make a refusal."""
    return Refusal(code, subcode, message)


@dataclass(frozen=True, slots=True)
class Letter:
    """Hold a message that is well formed; *to* or *comment* is given, and *text* or *picture*."""

    text: str = field(default="", repr=False)
    picture: str = ""
    to: str = field(default="", repr=False)
    comment: str = ""
    tag: str = ""


def said(request: Request) -> Any:
    """Read the parameters of a call: JSON, or a form whose structured values are JSON, as Meta's own SDK sends them."""
    if "json" in request.headers.get("content-type", ""):
        told = request.json()
    else:
        told = {name: _value(value) for name, value in request.form}
    if isinstance(told, dict) and isinstance(told.get("children"), list):
        told["children"] = ",".join(str(each) for each in told["children"])
    return told


def _value(text: str) -> Any:
    if text in {"true", "false"} or text[:1] in {"[", "{"}:
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def read_letter(told: Any) -> Letter:
    """Read the body of a send.

    Raises:
        Refusal: an unknown, missing or over-long parameter.
    """
    if not isinstance(told, dict) or set(told) - {"recipient", "message", "messaging_type", "tag"}:
        raise refuse(100, None, "Unsupported parameter")
    to, message = told.get("recipient"), told.get("message")
    if not isinstance(to, dict) or len(to) != 1 or set(to) - {"id", "comment_id"}:
        raise refuse(100, None, "Param recipient must hold one of id and comment_id")
    text, picture = _words(message)
    tagged, tag = told.get("messaging_type") == "MESSAGE_TAG", str(told.get("tag", ""))
    if tagged != bool(tag) or tag not in {"", "HUMAN_AGENT"}:
        raise refuse(100, None, "Param tag must be HUMAN_AGENT with messaging_type MESSAGE_TAG")
    return Letter(text, picture, str(to.get("id", "")), str(to.get("comment_id", "")), tag)


def _words(message: Any) -> tuple[str, str]:
    if isinstance(message, dict) and set(message) == {"attachment"}:
        attachment = message["attachment"]
        payload = attachment.get("payload") if isinstance(attachment, dict) else None
        url = payload.get("url") if isinstance(payload, dict) and set(payload) == {"url"} else None
        if not isinstance(url, str) or attachment.get("type") != "image":
            raise refuse(100, None, "Param message[attachment] must be an image with an URL")
        if not re.fullmatch(r"(https://|http://127\.0\.0\.1[:/]).*\.(png|jpe?g|gif)(\?.*)?", url, re.IGNORECASE):
            raise refuse(100, 2018047, "The attachment could not be uploaded")
        return "", url
    if not isinstance(message, dict) or set(message) != {"text"} or not isinstance(message["text"], str):
        raise refuse(100, None, "Param message[text] must be a string, and nothing else")
    if not message["text"].strip():
        raise refuse(100, None, "Param message[text] must not be empty")
    if size(message["text"]) > DIRECT:
        raise refuse(100, None, f"Length of param message[text] must be less than or equal to {DIRECT}")
    return message["text"], ""


def post_fields(told: Any, picture: Callable[[str], bytes | None]) -> dict[str, Any]:
    """Read the parameters of a container.

    Raises:
        Refusal: an unknown, missing, over-long or impossible parameter; *picture* may raise it too.
    """
    if not isinstance(told, dict):
        raise refuse(100, None, "Parameters are missing")
    kind = "ITEM" if told.get("is_carousel_item") else str(told.get("media_type", "IMAGE"))
    unknown = set(told) - FIELDS.get(kind, frozenset())
    if unknown:
        raise refuse(100, None, f"Unsupported parameter: {min(unknown)}")
    _caption(str(told.get("caption", "")))
    if len(str(told.get("alt_text", ""))) > 1_000:
        raise refuse(100, None, "Param alt_text is too long")
    if kind == "CAROUSEL":
        if not 2 <= len(str(told.get("children", "")).split(",")) <= 10:
            raise refuse(100, 2207028, "A carousel needs 2 to 10 children")
        return told
    urls = [each for each in (told.get("image_url"), told.get("video_url")) if each]
    if len(urls) != 1:
        raise refuse(100, None, "Exactly one of image_url and video_url is needed")
    if kind == "REELS" and "video_url" not in told:
        raise refuse(100, None, "A reel needs a video_url")
    if not re.match(r"https://|http://127\.0\.0\.1[:/]", str(urls[0])):
        raise refuse(9004, 2207052, "The media could not be fetched from this URI")
    if "image_url" in told:
        _image(str(told["image_url"]), picture(str(told["image_url"])), story=kind == "STORIES")
    return told


def _caption(text: str) -> None:
    if units(text) > CAPTION:
        raise refuse(36004, 2207010, "The caption was too long")
    if hashtags(text) > HASHTAGS or mentions(text) > MENTIONS:
        raise refuse(100, 2207040, "Cannot use more tags in one caption")


def _image(url: str, data: bytes | None, *, story: bool) -> None:
    if url.lower().partition("?")[0].endswith((".png", ".gif", ".webp", ".bmp", ".tif", ".tiff")):
        raise refuse(36001, 2207005, "The image format is not supported")
    if data is None:
        return
    if len(data) > MAX_BYTES:
        raise refuse(36000, 2207004, "The image is too large to download")
    with Image.open(io.BytesIO(data)) as picture:
        width, height = picture.size
        if picture.format != "JPEG":
            raise refuse(36001, 2207005, "The image format is not supported")
    if not story and not (TALL - 0.01 <= width / height <= WIDE + 0.01 and NARROWEST <= width <= WIDEST):
        raise refuse(36003, 2207009, "The submitted image with aspect ratio cannot be published")
