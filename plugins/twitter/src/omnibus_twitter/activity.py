"""Read X's activity webhooks: what people wrote to us, what they read, and that they want no more.

Sources: https://docs.x.com/x-api/activity/event-payloads · https://docs.x.com/x-api/webhooks/introduction ·
https://docs.x.com/x-api/account-activity/introduction (the older form that old subscriptions still get)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from omnibus import InputError, Report

#: what people write who want no more, or want again; the whole message, any case (the word we tell them is STOP)
STOP = frozenset({"stop", "stopp", "unsubscribe", "quit", "cancel", "end", "arrêt", "arret", "alto", "basta"})
START = frozenset({"start", "unstop", "subscribe"})
SIGNATURE = "x-twitter-webhooks-signature"


def mac(secret: str, message: bytes) -> str:
    """Sign as X does: ``sha256=`` and base64 of HMAC-SHA256 under the consumer secret."""
    return "sha256=" + base64.b64encode(hmac.digest(secret.encode(), message, hashlib.sha256)).decode()


def reports(body: Any, me: str, now: datetime) -> list[Report]:
    """Turn one webhook body into reports; what we did ourselves and what nobody hears gives none.

    Raises:
        InputError: the body is not shaped as X documents it.
    """
    try:
        return list(_reports(body, me, now))
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, IndexError):
        raise InputError("not an activity of X", where="webhook") from None


def _reports(body: Any, me: str, now: datetime) -> Iterator[Report]:
    data = body.get("data")
    if isinstance(data, dict):
        payload = {**(data.get("payload") or {}), "event_uuid": data.get("event_uuid")}
        read = _EVENTS.get(str(data.get("event_type")))
        yield from read(payload, me, now) if read else ()
    for name, read in _OLD.items():
        yield from read({name: body[name]}, me, now) if body.get(name) else ()


def _messages(payload: Mapping[str, Any], me: str, now: datetime) -> Iterator[Report]:
    for each in payload.get("direct_message_events") or ():
        if each["type"] != "message_create":
            continue
        made = each["message_create"]
        sender, text = _id(made["sender_id"]), html.unescape(str(made["message_data"].get("text") or ""))
        if sender == me:
            continue
        at = _millis(each["created_timestamp"])
        word = text.strip().strip(".!").casefold()
        if word in STOP or word in START:
            yield _consent(f"dm:{_id(each['id'])}", sender, at, granted=word in START)
            continue
        data = {"channel": "twitter", "text": text, "place": "direct"}
        yield Report(f"dm:{_id(each['id'])}", "conversation.received", at, identity=("x", sender), data=data)


def _reads(payload: Mapping[str, Any], me: str, now: datetime) -> Iterator[Report]:
    for each in payload.get("direct_message_mark_read_events") or ():
        reader, last = _id(each["sender_id"]), _id(each["last_read_event_id"])
        if reader == me:
            continue
        at = _millis(each["created_timestamp"])  # the last one they read may be their own: then it is about them only
        yield Report(f"read:{last}", "message.opened", at, provider_id=last, identity=("x", reader))


def _post(payload: Mapping[str, Any], me: str, now: datetime) -> Iterator[Report]:
    author = _id(payload["author_id"])
    if author == me:
        return
    answered = payload.get("in_reply_to_tweet_id") or _referenced(payload)
    place = "reply" if answered or _id(payload.get("in_reply_to_user_id") or "0") == me else "mention"
    yield _written(_id(payload["id"]), author, str(payload["text"]), _time(payload["created_at"]), place, answered)


def _referenced(payload: Mapping[str, Any]) -> str:
    told = payload.get("referenced_tweets") or ()
    return next((str(each["id"]) for each in told if each["type"] == "replied_to"), "")


def _old_posts(payload: Mapping[str, Any], me: str, now: datetime) -> Iterator[Report]:
    for each in payload["tweet_create_events"]:
        author = _id(each["user"]["id_str"])
        named = [_id(user["id_str"]) for user in (each.get("entities") or {}).get("user_mentions") or ()]
        mine = str(each.get("in_reply_to_user_id_str") or "") == me
        if author == me or "retweeted_status" in each or not (mine or me in named):
            continue
        long = each.get("extended_tweet") or {}
        text, answered = str(long.get("full_text") or each["text"]), str(each.get("in_reply_to_status_id_str") or "")
        at = parsedate_to_datetime(_rfc(str(each["created_at"])))
        yield _written(_id(each["id_str"]), author, text, at, "reply" if mine else "mention", answered)


def _written(id_: str, author: str, text: str, at: datetime, place: str, answered: str) -> Report:
    data = {"channel": "twitter", "text": html.unescape(text), "place": place, "post": id_}
    extra = {"answers": str(answered)} if answered else {}
    return Report(f"post:{id_}", "conversation.received", at, identity=("x", author), data=data | extra)


def _blocks(payload: Mapping[str, Any], me: str, now: datetime) -> Iterator[Report]:
    """Take a block of us as a no; that we block somebody says nothing of what they want."""
    source = _user(payload["source"])
    if source != me:
        yield _consent(f"block:{_uuid(payload['event_uuid'])}", source, now, granted=False)


def _user(value: Any) -> str:
    return _id(value.get("id") or (value.get("data") or {}).get("id"))


def _consent(id_: str, who: str, at: datetime, *, granted: bool) -> Report:
    data = {"channel": "twitter", "purpose": "*", "topic": "*"}
    return Report(id_, "consent.granted" if granted else "consent.withdrawn", at, identity=("x", who), data=data)


def _id(value: Any) -> str:
    """Read a numeric id; anything else is not X's."""
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise ValueError("id")
    return text


def _uuid(value: Any) -> str:
    """Read an event's id: a whole number, negative ones too."""
    return f"{int(str(value))}"


def _millis(value: Any) -> datetime:
    return datetime.fromtimestamp(int(value) / 1000, UTC)


def _time(value: Any) -> datetime:
    at = datetime.fromisoformat(str(value))
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _rfc(value: str) -> str:
    """Put v1.1's ``Sat Nov 21 12:00:00 +0000 2026`` into the order of a mail date."""
    day, month, number, clock, zone, year = value.split()
    return f"{day}, {number} {month} {year} {clock} {zone}"


Reader = Callable[[Mapping[str, Any], str, datetime], Iterable[Report]]
#: event type → reader; others (likes, follows, profile changes, encrypted chats, our own posts) say nothing we need
_EVENTS: Mapping[str, Reader] = {
    "dm.received": _messages,
    "dm.read": _reads,
    "post.mention.create": _post,
    "post.reply.create": _post,
    "post.quote.create": _post,
    "block.block": _blocks,
}
_OLD: Mapping[str, Reader] = {
    "direct_message_events": _messages,
    "direct_message_mark_read_events": _reads,
    "tweet_create_events": _old_posts,
}
