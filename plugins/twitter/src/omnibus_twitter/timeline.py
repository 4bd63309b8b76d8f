"""Find our own post or message again on X's timelines, after its answer was lost.

Sources: https://docs.x.com/x-api/posts/timelines/introduction · https://docs.x.com/x-api/direct-messages/lookup/introduction
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
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
EPOCH = 1_288_834_974_657  # unix milliseconds from which ids count, in steps of 2**22; https://docs.x.com/fundamentals/x-ids
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
    hits = [
        str(row.get("id", ""))
        for row in found
        if _newer(row, progress)
        and str(row.get("author_id", row.get("sender_id", sender))) == sender
        and same(progress.next or "", row)
    ]
    return min(hits, key=int, default="")


def older(found: Iterable[Mapping[str, Any]], text: str) -> bool:
    """Tell whether any row says the same, whenever it was posted."""
    return any(same(text, row) for row in found)


def same(text: str, row: Mapping[str, Any]) -> bool:
    """Tell whether a row is X's copy of *text*; where it does not say what its links stand for, any link will do."""
    if isinstance(row.get("entities"), dict) or "https://t.co/" not in str(row.get("text")):
        return plain(_words(row)) == plain(text)
    return _unlinked(plain(_words(row))) == _unlinked(plain(text))


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


def _unlinked(text: str) -> str:
    """Put a mark for every link, and leave out those at the end: X adds one for pictures."""
    for start, end in reversed(spans(text)):
        text = f"{text[:start]}\0{text[end:]}"
    return text.rstrip("\0 ")


def _words(row: Mapping[str, Any]) -> str:
    """Read a row's own words: shortened links are written out again, links to its pictures left out, entities undone."""
    note = row.get("note_tweet") or row.get("note_post")  # longer than 280; guides and description differ in the name
    source: Mapping[str, Any] = note if isinstance(note, dict) and note.get("text") else row
    text, entities = str(source.get("text", "")), source.get("entities") or row.get("entities")
    links = entities.get("urls") if isinstance(entities, dict) else None
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("url"):
            text = text.replace(str(link["url"]), "" if link.get("media_key") else str(link.get("expanded_url", "")))
    return html.unescape(text)


def _newer(row: Mapping[str, Any], progress: Progress) -> bool:
    """Tell whether a row may be of the open call: made since, and after everything X had confirmed before."""
    try:
        number = int(str(row.get("id")))
    except ValueError:
        raise Unknown("unreadable_answer") from None
    made = (number >> 22) + EPOCH  # an id holds its time, so no field need be asked for
    return number > int(progress.after) and made >= (progress.begun - SKEW).timestamp() * 1000
