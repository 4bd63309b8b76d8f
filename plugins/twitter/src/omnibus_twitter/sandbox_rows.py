"""What X writes: rows of timelines, payloads of activities; for the sandbox only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from omnibus import Request, Response
from omnibus_twitter.sandbox_rules import shown


def direct(id_: str, sender: str, to: str, text: str, at: datetime) -> dict[str, Any]:
    """Write the payload of ``dm.received`` and ``dm.sent``."""
    made = {
        "target": {"recipient_id": to}, "sender_id": sender,
        "message_data": {"text": text, "entities": {"hashtags": [], "symbols": [], "user_mentions": [], "urls": []}},
    }  # fmt: skip
    event = {"type": "message_create", "id": id_, "created_timestamp": str(millis(at)), "message_create": made}
    return {"direct_message_events": [event], "users": {}}


def mention(id_: str, author: str, me: str, text: str, answers: str, at: datetime) -> dict[str, Any]:
    """Write the payload of ``post.mention.create``, and of ``post.reply.create`` where it *answers* a post."""
    payload: dict[str, Any] = {
        "id": id_, "author_id": author, "text": text, "conversation_id": answers or id_, "created_at": stamp(at),
        "edit_history_tweet_ids": [id_],
    }  # fmt: skip
    replied = {"in_reply_to_user_id": me, "referenced_tweets": [{"type": "replied_to", "id": answers}]}
    return payload | replied if answers else payload


def read(reader: str, me: str, message_id: str, at: datetime) -> dict[str, Any]:
    """Write the payload of ``dm.read``."""
    told = {
        "created_timestamp": str(millis(at)), "sender_id": reader, "target": {"recipient_id": me},
        "last_read_event_id": message_id,
    }  # fmt: skip
    return {"direct_message_mark_read_events": [told]}


def post_row(entry: Any, me: str) -> dict[str, Any]:
    """Write a post as the timeline shows it."""
    text, links = shown(entry.text, entry.data["media"])
    return {
        "id": entry.id, "author_id": me, "text": text, "created_at": stamp(datetime.fromisoformat(entry.at)),
        "edit_history_tweet_ids": [entry.id], **({"entities": {"urls": links}} if links else {}),
    }  # fmt: skip


def direct_row(entry: Any, me: str) -> dict[str, Any]:
    """Write a message as the conversation shows it."""
    text, links = shown(entry.text, entry.data["media"])
    return {
        "id": entry.id, "event_type": "MessageCreate", "text": text, "entities": {"urls": links}, "sender_id": me,
        "created_at": stamp(datetime.fromisoformat(entry.at)), "dm_conversation_id": f"{me}-{entry.to}",
    }  # fmt: skip


def page(found: list[dict[str, Any]], request: Request) -> Response:
    """Give the newest first, one page at a time."""
    size, start = int(request.query.get("max_results", "10")), int(request.query.get("pagination_token", "0"))
    newest = sorted(found, key=lambda each: int(each["id"]), reverse=True)
    shown_now = newest[start : start + size]
    meta: dict[str, Any] = {"result_count": len(shown_now)}
    if len(newest) > start + size:
        meta["next_token"] = str(start + size)
    return Response.of_json(({"data": shown_now} if shown_now else {}) | {"meta": meta})


def millis(at: datetime) -> int:
    """Write a time as X's older parts do."""
    return int(at.timestamp() * 1000)


def stamp(at: datetime) -> str:
    """Write a time as the API v2 does."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
