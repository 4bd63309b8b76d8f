"""Find our own post or message again on X's timelines, after its answer was lost.

Sources: https://docs.x.com/x-api/posts/timelines/introduction · https://docs.x.com/x-api/direct-messages/lookup/introduction
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from omnibus import Keep, Unknown
from omnibus.http import Answer
from omnibus_twitter.bodies import user_id
from omnibus_twitter.progress import Progress
from omnibus_twitter.urls import spans
from omnibus_twitter.wire import Wire

_EVENTS = "GET /2/dm_conversations/with/:id/dm_events"
_POSTS = "GET /2/users/:id/tweets"
PAGE = 100  # rows of one page, the most that X gives
PAGES = 5  # pages that are read before we give up
_ASK_POSTS = {"tweet.fields": "created_at,author_id,entities,note_tweet", "max_results": str(PAGE)}
_ASK_EVENTS = {
    "dm_event.fields": "id,text,created_at,sender_id,entities,event_type", "event_types": "MessageCreate",
    "max_results": str(PAGE),
}  # fmt: skip
SKEW = timedelta(seconds=5)  # by which X's clock may be behind ours


@dataclass(frozen=True, slots=True)
class Found:
    """Hold what a search gave: the id or an empty text, the rows read, and whether they reach back far enough."""

    id: str
    rows: list[Mapping[str, Any]]
    reaches: bool


async def search(wire: Wire, me: str, progress: Progress, address: str, keep: Keep) -> Found:
    """Look for the open text on the own timeline, or among the messages to *address*; reads back to when it began.

    Raises:
        TryLater, Refused: X does not let us look now.
        Unknown: its answer is not shaped as documented.
    """
    path = f"/2/dm_conversations/with/{user_id(address)}/dm_events" if address else f"/2/users/{me}/tweets"
    endpoint, params = (_EVENTS, dict(_ASK_EVENTS)) if address else (_POSTS, dict(_ASK_POSTS))
    read: list[Mapping[str, Any]] = []
    for _ in range(PAGES):
        answer = await wire.harmless("GET", path, keep=keep, endpoint=endpoint, params=params)
        page, more = rows(answer)
        read += page
        id_ = ours(read, progress, me)
        if id_ or covered(read, progress) or not more:
            return Found(id_, read, reaches=True)
        params["pagination_token"] = more
    return Found("", read, reaches=False)


def rows(answer: Answer) -> tuple[list[Mapping[str, Any]], str]:
    """List the rows of an answer, and the token of the next page (empty: none).

    Raises:
        Unknown: it is not shaped as documented.
    """
    body = answer.json()
    found, meta = (body.get("data", []), body.get("meta", {})) if isinstance(body, dict) else (None, None)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found) or not isinstance(meta, dict):
        raise Unknown("unreadable_answer")
    if not found and "result_count" not in meta:
        raise Unknown("unreadable_answer")  # an empty object says nothing, least of all that nothing is there
    return found, str(meta.get("next_token") or "")


def ours(found: Iterable[Mapping[str, Any]], progress: Progress, sender: str) -> str:
    """Find the id of the open text among rows; empty when it is not there. The oldest match is ours."""
    wanted = plain(progress.next or "")
    hits = [
        str(row.get("id", ""))
        for row in found
        if _newer(row, progress) and str(row.get("author_id", row.get("sender_id", sender))) == sender
        and plain(_words(row)) == wanted
    ]  # fmt: skip
    return min(hits, key=int, default="")


def older(found: Iterable[Mapping[str, Any]], text: str) -> bool:
    """Tell whether any row says the same, whenever it was posted."""
    return any(plain(_words(row)) == plain(text) for row in found)


def covered(found: Iterable[Mapping[str, Any]], progress: Progress) -> bool:
    """Tell whether these rows reach back before the open call began."""
    return any(not _newer(row, progress) for row in found)


def plain(text: str) -> str:
    """Write a text so that ours and X's copy of it are equal: NFC, one kind of space, URLs without scheme and last slash."""
    text, place, out = unicodedata.normalize("NFC", text), 0, []
    for start, end in spans(text):
        url = text[start:end]
        short = url.split("://", 1)[-1].rstrip("/")
        out += [text[place:start], short]
        place = end
    return " ".join("".join([*out, text[place:]]).split())


def _words(row: Mapping[str, Any]) -> str:
    """Read a row's own words: shortened links are written out again, links to its pictures left out, entities undone."""
    note = row.get("note_tweet")
    source: Mapping[str, Any] = note if isinstance(note, dict) and note.get("text") else row
    text, entities = str(source.get("text", "")), source.get("entities") or row.get("entities")
    for link in (entities.get("urls") or []) if isinstance(entities, dict) else []:
        long = "" if link.get("media_key") else str(link.get("expanded_url", ""))
        text = text.replace(str(link.get("url", "\0")), long)
    return html.unescape(text)


def _newer(row: Mapping[str, Any], progress: Progress) -> bool:
    """Tell whether a row may be of the open call: created since, and after everything X had confirmed before."""
    try:
        created = datetime.fromisoformat(str(row.get("created_at")))
        return int(str(row.get("id"))) > int(progress.after) and created >= progress.begun.replace(microsecond=0) - SKEW
    except ValueError:
        raise Unknown("unreadable_answer") from None
