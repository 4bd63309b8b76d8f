"""What Instagram tells us: signature, then messages, reads, reactions, comments and mentions as reports. Pure.

Source:
    https://developers.facebook.com/docs/graph-api/webhooks/getting-started (signature, challenge)
    https://developers.facebook.com/docs/messenger-platform/instagram/features/webhook (messaging)
    https://developers.facebook.com/docs/instagram-platform/webhooks (comments, mentions)
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from omnibus import Report

MILLISECONDS = 100_000_000_000  # a timestamp above this is in ms; in seconds it would be the year 5138

PUBLIC_KIND = "instagram_public"  # identity kind of an account's followers as a whole

#: field of ``changes`` → our kind of word from outside
FIELDS: Mapping[str, str] = {"comments": "comment", "live_comments": "live_comment", "mentions": "mention"}


def signature(secret: str, body: bytes) -> str:
    """Sign as Meta does: ``sha256=`` and hex HMAC-SHA256 with the app secret over the raw body."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def reports(told: Any, account: str, now: datetime) -> list[Report]:
    """Read a webhook body; what says nothing to us, or is our own echo, gives nothing.

    Args:
        now: taken for a time that is missing or impossible.
    """
    found: list[Report] = []
    for each in told if isinstance(told, list) else [told]:  # some printed examples wrap all in an array
        if isinstance(each, dict) and _text(each.get("object")) in {"instagram", "page"}:
            for entry in _rows(each.get("entry")):
                found += _entry(entry, account, now)
    return found


def _entry(entry: dict[str, Any], account: str, now: datetime) -> Iterator[Report]:
    ours = {account, _text(entry.get("id"))}
    for row in _rows(entry.get("messaging")):
        yield from _messaging(row, ours, now)
    changes = _rows(entry.get("changes"))
    for change in changes or ([entry] if "field" in entry else []):  # the login kind decides which
        made = _change(change, _time(entry.get("time"), now), account, ours)
        if made is not None:
            yield made


def _messaging(row: dict[str, Any], ours: set[str], now: datetime) -> Iterator[Report]:
    sender, at = _text(_map(row.get("sender")).get("id")), _time(row.get("timestamp"), now)
    if not sender or sender in ours:
        return
    person = ("instagram", sender)
    if "message" in row:
        made = _message(_map(row["message"]), person, at)
        if made is not None:
            yield made
    if mid := _text(_map(row.get("read")).get("mid")):
        yield Report(f"read:{mid}", "message.opened", at, provider_id=mid, data={"channel": "instagram"})
    reaction = _map(row.get("reaction"))
    if reaction.get("action") == "react" and (mid := _text(reaction.get("mid"))):
        text = _text(reaction.get("emoji")) or _text(reaction.get("reaction"))
        data = {"channel": "instagram", "kind": "reaction", "text": text, "reply_to": mid}
        yield Report(f"reaction:{mid}:{text}", "message.replied", at, provider_id=mid, identity=person, data=data)
    edit = _map(row.get("message_edit"))
    if mid := _text(edit.get("mid")):
        data = _said("edit", _text(edit.get("text"))) | {"edited": mid}
        yield Report(
            f"{mid}:edit:{_text(edit.get('num_edit'))}", "conversation.received", at, identity=person, data=data
        )
    postback = _map(row.get("postback"))
    if mid := _text(postback.get("mid")):
        text, data = _text(postback.get("title")), {"payload": _text(postback.get("payload"))}
        yield Report(mid, "conversation.received", at, identity=person, data=_said("postback", text) | data)


def _message(message: dict[str, Any], person: tuple[str, str], at: datetime) -> Report | None:
    mid = _text(message.get("mid"))
    if not mid or message.get("is_echo") is True or message.get("is_deleted") is True:
        return None  # our own words come back as an echo: answering them would be talking to ourselves
    reply, kinds = (
        _map(message.get("reply_to")),
        [_text(each.get("type")) for each in _rows(message.get("attachments"))],
    )
    story = _map(reply.get("story"))
    kind = "story_reply" if story else "story_mention" if "story_mention" in kinds else "message"
    data = _said(kind, _text(message.get("text")))
    if story:
        data["story"] = _text(story.get("id"))
    if kinds:
        data["attachments"] = kinds
    if choice := _text(_map(message.get("quick_reply")).get("payload")):
        data["payload"] = choice
    if answered := _text(reply.get("mid")):
        data["reply_to"] = answered
        return Report(mid, "message.replied", at, provider_id=answered, identity=person, data=data)
    return Report(mid, "conversation.received", at, identity=person, data=data)


def _change(change: dict[str, Any], at: datetime, account: str, ours: set[str]) -> Report | None:
    kind, value = FIELDS.get(_text(change.get("field"))), _map(change.get("value"))
    author = _map(value.get("from"))
    comment = _text(value.get("id")) or _text(value.get("comment_id"))
    media = _text(_map(value.get("media")).get("id")) or _text(value.get("media_id"))
    person = _text(author.get("id"))
    if kind is None or not (comment or media) or person in ours:
        return None
    data = _said(kind, _text(value.get("text"))) | {"comment": comment, "media": media}
    if parent := _text(value.get("parent_id")):
        data["parent"] = parent
    # a mention does not say who: it is a fact about the account's followers, who have an identity of their own kind
    identity = ("instagram", person) if person else (PUBLIC_KIND, account)
    return Report(f"{kind}:{comment or media}", "conversation.received", at, identity=identity, data=data)


def _said(kind: str, text: str) -> dict[str, Any]:
    return {"channel": "instagram", "kind": kind, "text": text}


def _time(stamp: Any, now: datetime) -> datetime:
    if not isinstance(stamp, int | float) or isinstance(stamp, bool) or not 0 < stamp < MILLISECONDS * 1_000:
        return now
    return datetime.fromtimestamp(stamp / 1000 if stamp > MILLISECONDS else stamp, UTC)


def _rows(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    told = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return told.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # half an emoji is no text
