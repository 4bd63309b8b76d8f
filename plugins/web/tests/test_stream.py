"""Server-sent events: frames, resume, token life."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from omnibus import Forged
from omnibus_web.stream import frame, frames
from omnibus_web.visitor import events

from .conftest import FACE, Shop
from .test_endpoints import call, owner


async def test_the_answer_is_an_event_stream_that_proxies_leave_alone(shop: Shop) -> None:
    _, page, _ = await call(shop, "visit", {})
    async with aiohttp.ClientSession() as client, client.get(f"{shop.root}/web/stream?token={page['token']}") as answer:
        assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-accel-buffering"] == "no"
        assert await answer.content.readline() == b"retry: 2000\n"
        assert await answer.content.readline() == b"\n"
        names = [(await answer.content.readline()).split(b":")[0] for _ in range(3)]
        assert names == [b"id", b"event", b"data"]


async def test_it_resumes_without_a_repeat_and_with_what_was_missed(shop: Shop) -> None:
    page = shop.sandbox.visitor("ada")
    await page.arrive()
    ada = await owner(shop, page.secret)
    await page.look()
    empty = page.last
    await shop.desk.sent(ada.id, "web", "d1", card=FACE)
    stream = frames(shop.desk, ada.id, lambda: None, empty)
    assert [await anext(stream), (await anext(stream))[:3]] == [b"retry: 2000\n\n", b"id:"]
    await stream.aclose()
    await page.look()
    stream = frames(shop.desk, ada.id, lambda: None, page.last)
    assert [await anext(stream), await anext(stream)] == [b"retry: 2000\n\n", b": still here\n\n"]
    await shop.desk.sent(ada.id, "web", "d2", card={**FACE, "kind": "inbox"})
    told = await anext(stream)
    assert [card["id"] for card in json.loads(told.split(b"data: ")[1])["cards"]] == ["d2", "d1"]
    await stream.aclose()


async def test_a_card_that_expires_disappears_without_any_event(shop: Shop) -> None:
    ada = await shop.desk.add(name="Ada")
    ends = shop.desk.now() + timedelta(minutes=1)
    await shop.desk.sent(ada.id, "web", "d1", card={**FACE, "expires": ends.isoformat()})
    stream = frames(shop.desk, ada.id, lambda: None, keep_alive=0.01)
    await anext(stream)
    assert b'"d1"' in await anext(stream)
    assert await anext(stream) == b": still here\n\n"
    shop.desk.clock.advance(timedelta(minutes=1))
    told = await anext(stream)
    while told.startswith(b":"):
        told = await anext(stream)
    assert b'"cards":[]' in told
    await stream.aclose()


async def test_it_ends_with_its_token_and_the_page_renews(shop: Shop) -> None:
    page = shop.sandbox.visitor("ada")
    await page.arrive()
    ada = await owner(shop, page.secret)
    await page.watch()
    async with asyncio.timeout(10):
        shop.desk.clock.advance(timedelta(seconds=601))
        assert (await call(shop, f"stream?token={page.token}", b"", "GET"))[0] == 204
        await shop.desk.sent(ada.id, "web", "d1", card=FACE)
        assert await page.until(lambda cards: len(cards) == 1)


async def test_a_dead_token_ends_the_frames(shop: Shop) -> None:
    ada = await shop.desk.add(name="Ada")
    alive = True

    def valid() -> None:
        if not alive:
            raise Forged("over")

    stream = frames(shop.desk, ada.id, valid, keep_alive=0.01)
    assert [(await anext(stream))[:2] for _ in range(2)] == [b"re", b"id"]
    alive = False
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


@pytest.mark.parametrize("token", ["", "x", "x.y", "ä", "\0", "." * 4000])
async def test_no_valid_token_is_204(shop: Shop, token: str) -> None:
    from urllib.parse import quote

    assert (await call(shop, f"stream?token={quote(token)}", b"", "GET"))[0] == 204
    assert (await call(shop, "stream", b"", "GET"))[0] == 204


async def test_a_token_for_something_else_opens_nothing(shop: Shop) -> None:
    ada = await shop.desk.add(name="Ada")
    foreign = shop.desk.seal({"customer": ada.id, "page": "0" * 16, "use": "unsubscribe"}, 600)
    assert (await call(shop, f"stream?token={foreign}", b"", "GET"))[0] == 204
    assert (await call(shop, "track", {"token": foreign, "id": "12345678", "type": "cart.cleared"}))[0] == 401


def test_a_frame_is_one_event_whatever_the_words() -> None:
    words = "two\nlines\r\rand \u2028 more\n\nevent: evil"
    mark, told = frame({"cards": [{"headline": words}], "views": []})
    lines = told.decode().split("\n")
    assert [line.split(":")[0] for line in lines] == ["id", "event", "data", "", ""]
    assert json.loads(lines[2][6:])["cards"][0]["headline"] == words
    assert lines[0] == f"id: {mark}"


async def test_the_reader_follows_the_standard() -> None:
    async def wire() -> Any:
        for line in (b": hello\n", b"id: 1\n", b"data: a\n", b"data:b\n", b"\n", b"event: x\n", b"\n", b"id: 2\n",
                     b"event: y\n", b"data: c\r\n", b"\r\n", b"data: unfinished\n"):  # fmt: skip
            yield line

    assert [(t.id, t.event, t.data) async for t in events(wire())] == [("1", "message", "a\nb"), ("2", "y", "c")]
