"""Finding our own words again: how far back is read, and what counts as ours."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omnibus import Unknown
from omnibus.http import Answer
from omnibus_twitter.progress import Progress
from omnibus_twitter.timeline import EPOCH, PAGES, SKEW, plain, same, search

BEGUN = datetime(2026, 11, 21, 12, tzinfo=UTC)
OPEN = Progress(("Hello",), since=BEGUN.isoformat(), open=True)


def id_at(moment: datetime, number: int = 0) -> str:
    return str(((int(moment.timestamp() * 1000) - EPOCH) << 22) + number)


def row(seconds: float, text: str = "Other", **more: Any) -> dict[str, Any]:
    return {"id": id_at(BEGUN + timedelta(seconds=seconds)), "text": text, **more}


class Pages:
    """Answer like a wire, page by page; the last page is given again and again when *endless*."""

    def __init__(self, *pages: Any, endless: bool = False) -> None:
        self.pages, self.endless, self.asked = pages, endless, 0

    async def harmless(self, method: str, path: str, *, params: dict[str, str], **rest: Any) -> Answer:
        place = min(self.asked, len(self.pages) - 1)
        assert params.get("pagination_token", "p0") == f"p{self.asked}"
        self.asked += 1
        more = self.endless or self.asked < len(self.pages)
        meta = {"result_count": 1} | ({"next_token": f"p{self.asked}"} if more else {})
        page = self.pages[place]
        return Answer(200, {}, json.dumps(page if isinstance(page, dict) else {"data": page, "meta": meta}).encode())


async def searched(pages: Pages, progress: Progress = OPEN) -> Any:
    return await search(pages, "1", progress, "", None)  # type: ignore[arg-type]


async def test_it_reads_on_until_it_is_found() -> None:
    pages = Pages([row(30)], [row(20)], [row(10, "Hello")])
    found = await searched(pages)
    assert (found.id, pages.asked) == (row(10)["id"], 3)


async def test_it_reads_back_to_the_beginning_and_no_further() -> None:
    pages = Pages([row(30)], [row(20), row(-60)], [row(-70, "Hello")])
    found = await searched(pages)
    assert (found.id, found.reaches, pages.asked) == ("", True, 2)


async def test_an_endless_timeline_tells_nothing() -> None:
    pages = Pages([row(30)], endless=True)
    found = await searched(pages)
    assert (found.id, found.reaches, pages.asked) == ("", False, PAGES)


async def test_what_is_older_or_was_known_is_not_ours() -> None:
    assert (await searched(Pages([row(-SKEW.total_seconds() - 1, "Hello")]))).id == ""
    assert (await searched(Pages([row(-SKEW.total_seconds() + 1, "Hello")]))).id
    known = Progress(("Hello",), since=BEGUN.isoformat(), open=True, after=row(2)["id"])
    assert (await searched(Pages([row(1, "Hello")]), known)).id == ""
    assert (await searched(Pages([row(9, "Hello"), row(3, "Hello")]), known)).id == row(3)["id"], "the oldest is ours"
    assert (await searched(Pages([row(1, "Hello", author_id="2")]))).id == ""
    assert (await searched(Pages([row(1, "Hello", author_id="1")]))).id


@pytest.mark.parametrize(
    "body",
    [{}, {"data": 5}, {"data": [5]}, {"data": [], "meta": []}, {"data": [{"id": "x"}]}, {"data": [], "meta": {}}],
)
async def test_odd_answers_tell_nothing(body: dict[str, Any]) -> None:
    with pytest.raises(Unknown, match="unreadable_answer"):
        await searched(Pages(body))


def test_links_are_compared_by_where_they_lead() -> None:
    short = {"url": "https://t.co/abc", "expanded_url": "http://acme.shop/"}
    shown = {"text": "See https://t.co/abc &amp; run", "entities": {"urls": [short]}}
    assert same("See acme.shop & run", shown)
    assert not same("See acme.shop/other & run", shown)
    assert same("See acme.shop/other & run", {"text": shown["text"]}), "without entities any link will do"
    assert not same("See acme.shop & walk", {"text": shown["text"]})
    assert plain("A  b\n\nhttps://example.com/") == "A b example.com"
    long = {"text": "See…", "note_tweet": {"text": "See it all", "entities": {}}}
    assert same("See it all", long)
    assert same("See it all", {"text": "See…", "note_post": {"text": "See it all"}})


def test_new_words_forget_the_old_call_but_not_while_it_is_open() -> None:
    closed = Progress(("Old",), since=BEGUN.isoformat())
    assert closed.retold(("New",)) == Progress(("New",))
    assert closed.retold(("Old",)) is closed
    assert OPEN.retold(("New",)) is OPEN
    begun = Progress(("One", "Two"), ids=("1",))
    assert begun.retold(("Other",)) is begun
