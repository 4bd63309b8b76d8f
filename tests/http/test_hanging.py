"""What hangs is cut, wherever it hangs, and what was not sent is told apart from what may have arrived."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest

from omnibus import TryLater, Unknown
from omnibus.http import Client

from .conftest import OK, Line, hurry, served


@pytest.fixture
def full() -> Iterator[str]:
    """Give the URL of somebody who answers no call: as many as may wait do so already."""
    with socket.socket() as listening, contextlib.ExitStack() as waiting:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(8):
            each = waiting.enter_context(socket.socket())
            each.setblocking(False)
            each.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


async def test_a_connection_that_is_never_made_is_not_waited_for(full: str) -> None:
    client = Client(full, deadline=0.4)
    async with asyncio.timeout(10):
        with pytest.raises(TryLater, match="not_connected"):
            await client.request("POST", "/x", json={})
    await client.aclose()


async def test_a_greeting_of_tls_that_never_comes_is_not_waited_for() -> None:
    heard = bytearray()

    async def talk(line: Line) -> None:
        heard.extend(await line.reader.read())

    async with served(talk) as url:
        client = Client(url.replace("http:", "https:"), deadline=0.4)
        async with asyncio.timeout(10):
            with pytest.raises(TryLater, match="not_connected"):
                await client.request("POST", "/x", json={"text": "hello"})
        await client.aclose()
    assert b"hello" not in heard


async def test_a_request_that_is_never_read_whole_is_cut_and_may_have_arrived() -> None:
    async def talk(line: Line) -> None:
        await line.asked()
        await line.say(OK)
        await line.reader.readuntil(b"\r\n\r\n")
        await asyncio.Event().wait()

    async with served(talk) as url:
        client = Client(url)
        await client.request("GET", "/first")
        hurry(client, 0.3)
        async with asyncio.timeout(10):
            with pytest.raises(Unknown, match="deadline"):
                await client.request("POST", "/x", content=b"x" * 20_000_000)
        await client.aclose()


async def test_a_deadline_that_passes_while_a_connection_is_made_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def talk(line: Line) -> None:
        asked.append(await line.asked())

    async with served(talk) as url:
        client = Client(url, deadline=10)
        slowly = client._wire._lines._made

        async def made(origin: tuple[str, str, int]) -> object:
            line = await slowly(origin)
            hurried = asyncio.get_running_loop().time() + 60
            monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: hurried)
            return line

        monkeypatch.setattr(client._wire._lines, "_made", made)
        with pytest.raises(TryLater, match="not_connected"):
            await client.request("POST", "/x")
        monkeypatch.undo()
        await client.aclose()
    assert asked == []


async def test_whoever_waits_when_the_client_closes_has_sent_nothing() -> None:
    asked, connections = asyncio.Event(), 0

    async def talk(line: Line) -> None:
        nonlocal connections
        connections += 1
        await line.asked()
        asked.set()
        await line.gone()

    async with served(talk) as url:
        client = Client(url, limit=1)
        first, second = (asyncio.create_task(client.request("POST", f"/{number}")) for number in range(2))
        await asked.wait()
        await client.aclose()
        ends = await asyncio.gather(first, second, return_exceptions=True)
    assert [(type(each), getattr(each, "reason", "")) for each in ends] == [
        (Unknown, "answer_lost"),
        (TryLater, "not_connected"),
    ]
    assert connections == 1
