"""What X itself would check and show: OAuth 1.0a signatures, fields, weights, shortened links. For the sandbox only."""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from omnibus import Request, Response
from omnibus_twitter.urls import spans
from omnibus_twitter.weight import MAX_WEIGHT, valid

FRESH = 300  # seconds that a signed request may be old or ahead
Known = Callable[[str], bool]  # tells whether a media id may be used
_ID = re.compile(r"^[0-9]{1,19}$")
#: fields of POST /2/tweets and the JSON type of each; https://docs.x.com/x-api/posts/create-post
POST_FIELDS: Mapping[str, type] = {
    "text": str, "media": dict, "poll": dict, "reply": dict, "quote_tweet_id": str, "reply_settings": str,
    "community_id": str, "direct_message_deep_link": str, "geo": dict, "edit_options": dict, "made_with_ai": bool,
    "paid_partnership": bool, "nullcast": bool, "for_super_followers_only": bool, "share_with_followers": bool,
    "card_uri": str,
}  # fmt: skip
REPLY_SETTINGS = {"following", "mentionedUsers", "subscribers", "verified"}
DUPLICATE = "You are not allowed to create a Tweet with duplicate content."
CLOSED = "You do not have permission to DM one or more participants."


def problem(status: int, title: str, detail: str, type_: str = "about:blank", **more: Any) -> Response:
    """Answer as X does when it refuses."""
    body = {"title": title, "detail": detail, "type": type_, "status": status, **more}
    told = Response.of_json(body, status)
    return Response(status, told.body, {"content-type": "application/problem+json"})


def invalid(message: str, **parameters: Any) -> Response:
    """Answer 400 with the parameter that was wrong."""
    told = {name: [str(value)] for name, value in parameters.items()}
    return problem(
        400, "Invalid Request", "One or more parameters to your request was invalid.",
        "https://api.x.com/2/problems/invalid-request", errors=[{"message": message, "parameters": told}],
    )  # fmt: skip


def forbidden(detail: str) -> Response:
    """Answer 403, whose kind stands in the detail only."""
    return problem(403, "Forbidden", detail)


UNAUTHORIZED = problem(401, "Unauthorized", "Unauthorized")


def signed(request: Request, keys: tuple[str, str, str, str], now: datetime, nonces: set[str]) -> bool:
    """Check an OAuth 1.0a header against (consumer key, its secret, token, its secret); RFC 5849 §3.4, by hand.

    A form body would be part of the base string; JSON and multipart bodies are not.
    """
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    told = {
        unquote(name.strip()): unquote(value.strip().strip('"'))
        for name, _, value in (each.partition("=") for each in rest.split(","))
    }
    key, secret, token, token_secret = keys
    stamp, nonce = told.get("oauth_timestamp", ""), told.get("oauth_nonce", "")
    if (
        scheme != "OAuth" or told.get("oauth_consumer_key") != key or told.get("oauth_token") != token
        or told.get("oauth_signature_method") != "HMAC-SHA1" or not stamp.isdigit() or not nonce or nonce in nonces
        or abs(int(stamp) - now.timestamp()) > FRESH
    ):  # fmt: skip
        return False
    parts = urlsplit(request.url)
    pairs = [(name, value) for name, value in told.items() if name not in {"oauth_signature", "realm"}]
    pairs += parse_qsl(parts.query, keep_blank_values=True)
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        pairs += request.form
    encoded = "&".join(f"{name}={value}" for name, value in sorted((_pct(a), _pct(b)) for a, b in pairs))
    place = f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path}"
    base = "&".join((request.method, _pct(place), _pct(encoded)))
    mac = hmac.digest(f"{_pct(secret)}&{_pct(token_secret)}".encode(), base.encode(), hashlib.sha1)
    if not hmac.compare_digest(base64.b64encode(mac).decode(), told.get("oauth_signature", "")):
        return False
    nonces.add(nonce)
    return True


def _pct(text: str) -> str:
    return quote(text, safe="~")


def wrong_post(body: Any, known: Known) -> Response | None:
    """Find what X would refuse in a create request; None when nothing."""
    if not isinstance(body, dict):
        return invalid("The request body is not a JSON object")
    for name, value in body.items():
        if name not in POST_FIELDS:
            return invalid(f"$: unknown field `{name}`", field=name)
        if not isinstance(value, POST_FIELDS[name]):
            return invalid(f"$.{name}: wrong type", field=name)
    media = (body.get("media") or {}).get("media_ids", [])
    text = body.get("text", "")
    if not text and not media and not body.get("poll"):
        return invalid("$: one of text, media or poll is required")
    if text and not valid(text, MAX_WEIGHT):
        return invalid("Your Tweet text is too long or holds characters that are not allowed.", text="")
    return _wrong_media(media, known) or _wrong_reply(body)


def _wrong_reply(body: Mapping[str, Any]) -> Response | None:
    reply = body.get("reply")
    if reply is not None and not _ID.match(str(reply.get("in_reply_to_tweet_id", ""))):
        return invalid("$.reply.in_reply_to_tweet_id: must match ^[0-9]{1,19}$", in_reply_to_tweet_id="")
    if "reply_settings" in body and body["reply_settings"] not in REPLY_SETTINGS:
        return invalid("$.reply_settings: not a value of the enumeration", reply_settings=body["reply_settings"])
    return None


def _wrong_media(media: Any, known: Known) -> Response | None:
    if not isinstance(media, list) or len(media) > 4:
        return invalid("$.media.media_ids: 1 to 4 are allowed", media_ids=media)
    unknown = [each for each in media if not known(str(each))]
    return invalid("Your media IDs are invalid.", media_ids=unknown) if unknown else None


def wrong_message(body: Any, known: Known) -> Response | None:
    """Find what X would refuse in a direct message; None when nothing."""
    if not isinstance(body, dict) or set(body) - {"text", "attachments"}:
        return invalid("$: unknown field", field=",".join(map(str, body)) if isinstance(body, dict) else "")
    attached = body.get("attachments", [])
    if not isinstance(attached, list) or len(attached) > 1 or not all(isinstance(each, dict) for each in attached):
        return invalid("$.attachments: at most one is allowed", attachments="")
    text = body.get("text")
    if not (text or attached) or not isinstance(text or "", str) or len(text or "") > 10_000:
        return invalid("$.text: 1 to 10000 characters, or an attachment", text="")
    return _wrong_media([each.get("media_id") for each in attached], known) if attached else None


def shown(text: str, media: Sequence[str] = ()) -> tuple[str, list[dict[str, Any]]]:
    """Give a text as X returns it, links shortened and markup escaped, with ``entities.urls``."""
    out, place, links = "", 0, []
    for start, end in spans(text):
        url = text[start:end]
        out += html.escape(text[place:start], quote=False)
        place, long = end, url if "://" in url else f"http://{url}"
        links.append(_link(long, long, len(out)) | {"display_url": url.split("://")[-1]})
        out += short(long)
    out += html.escape(text[place:], quote=False)
    for key in media:
        out = f"{out} ".lstrip()
        photo = f"https://x.com/i/photo/{key}"
        links.append(_link(key, photo, len(out)) | {"media_key": f"3_{key}", "display_url": f"pic.x.com/{key}"})
        out += short(key)
    return out, links


def _link(key: str, long: str, start: int) -> dict[str, Any]:
    return {"url": short(key), "expanded_url": long, "start": start, "end": start + len(short(key))}


def short(url: str) -> str:
    """Shorten a link as t.co does; the same link always gives the same."""
    digest = base64.b32encode(hashlib.sha256(url.encode()).digest()).decode().lower()
    return f"https://t.co/{digest[:10]}"
