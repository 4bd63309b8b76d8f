"""Kept connections: what makes one unfit for the next request, and that nothing goes out twice on them."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import TCPConnector

from omnibus import TryLater, Unknown
from omnibus.http import Client, lines
from omnibus.testing import Fault, FaultyServer, Reply

from .conftest import OK, Line, hurry, served


async def test_the_connection_of_a_request_that_was_cut_is_not_used_again() -> None:
    async with FaultyServer(lambda request: Fault.HANG if request.path == "/slow" else Reply(204)) as server:
        client = Client(server.base_url, limit=1)
        await client.request("GET", "/first")
        hurry(client, 0.2)
        with pytest.raises(Unknown, match="deadline"):
            await client.request("POST", "/slow")
        assert (await client.request("POST", "/quick")).status == 204
        await client.aclose()
        assert server.connections == 2


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
async def test_nothing_is_sent_a_second_time_whatever_the_method(method: str) -> None:
    """aiohttp's own session would repeat all but POST when a kept connection dies."""
    async with FaultyServer(lambda _: Reply() if len(server.requests) == 1 else Fault.CLOSED) as server:
        client = Client(server.base_url)
        await client.request(method, "/one")
        with pytest.raises(Unknown, match="answer_lost"):
            await client.request(method, "/two")
        await client.aclose()
        assert [each.path for each in server.requests] == ["/one", "/two"]


async def test_what_was_said_unasked_is_nobodys_answer() -> None:
    """Some servers say 408 on an idle connection; read as the next request's answer, it would be a wrong one."""
    idle, spoken, connections = asyncio.Event(), asyncio.Event(), 0

    async def talk(line: Line) -> None:
        nonlocal connections
        connections += 1
        await line.asked()
        await line.say(OK)
        if connections == 1:
            await idle.wait()
            await line.say(b"HTTP/1.1 408 Slow\r\ncontent-length: 0\r\n\r\n")
            spoken.set()
        await line.gone()

    async with served(talk) as url:
        client = Client(url, limit=1)
        assert (await client.request("POST", "/one")).status == 200
        idle.set()
        await spoken.wait()
        await asyncio.sleep(0.05)
        assert (await client.request("POST", "/two")).status == 200
        await client.aclose()
        assert connections == 2


async def test_who_always_speaks_first_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mail server on the port of a web server, say: nothing was sent, and it is not called for ever."""
    called = 0

    async def talk(line: Line) -> None:
        nonlocal called
        called += 1
        await line.gone()

    connect = TCPConnector.connect

    async def greeted(self: Any, *args: Any) -> Any:
        connection = await connect(self, *args)
        connection.protocol.data_received(b"220 mail.example ESMTP\r\n")
        return connection

    monkeypatch.setattr(TCPConnector, "connect", greeted)
    async with served(talk) as url:
        client = Client(url, limit=2)
        with pytest.raises(TryLater, match="not_connected"):
            await client.request("POST", "/x")
        await client.aclose()
        assert called == 1


async def test_a_second_answer_spoils_the_connection() -> None:
    connections = 0

    async def talk(line: Line) -> None:
        nonlocal connections
        connections += 1
        while True:
            asked = await line.asked()
            await line.say(OK + OK.replace(b"ok", b"no") if b"/one" in asked else OK)

    async with served(talk) as url:
        client = Client(url, limit=1)
        assert (await client.request("POST", "/one")).body == b"ok"
        assert (await client.request("POST", "/two")).body == b"ok"
        await client.aclose()
        assert connections == 2


async def test_an_answer_before_the_whole_request_spoils_the_connection() -> None:
    connections = 0

    async def talk(line: Line) -> None:
        nonlocal connections
        connections += 1
        await line.reader.readuntil(b"\r\n\r\n")
        await line.say(b"HTTP/1.1 413 Big\r\ncontent-length: 0\r\n\r\n")
        if connections == 1:
            await asyncio.Event().wait()

    async with served(talk) as url:
        client = Client(url, limit=1)
        assert (await client.request("POST", "/one", content=b"x" * 20_000_000)).status == 413
        assert (await client.request("GET", "/two")).status == 413
        await client.aclose()
        assert connections == 2


class Closer(threading.Thread):
    """Answer on a thread of its own, so that it can close a kept connection while the client's loop does not look."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.asked: list[bytes] = []
        self.close, self.closed = threading.Event(), threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def run(self) -> None:
        first, _ = self._listening.accept()
        self._answer(first)
        self.close.wait(10)
        first.close()
        self.closed.set()
        second, _ = self._listening.accept()
        self._answer(second)
        second.close()
        self._listening.close()

    def _answer(self, side: socket.socket) -> None:
        self.asked.append(side.recv(65_536))
        side.sendall(OK)


async def test_one_that_was_closed_while_nobody_looked_is_noticed_before_it_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "FRESH", 0.0)  # so that the kept one counts as one that rests a while
    server = Closer()
    server.start()
    client = Client(server.url)
    assert (await client.request("POST", "/one")).ok
    server.close.set()
    assert server.closed.wait(10)  # the loop stands still meanwhile
    assert (await client.request("POST", "/two")).ok
    await client.aclose()
    server.join(10)
    assert [each.split(b" ", 2)[1] for each in server.asked] == [b"/one", b"/two"]


async def test_one_that_the_other_side_closes_is_not_used_again() -> None:
    gone = asyncio.Event()

    async def talk(line: Line) -> None:
        await line.asked()
        await line.say(OK)
        await line.writer.drain()
        line.writer.close()
        await line.gone()
        gone.set()

    async with served(talk) as url:
        client = Client(url, limit=1)
        for _ in range(3):
            gone.clear()
            assert (await client.request("POST", "/x")).ok
            await gone.wait()
        await client.aclose()


async def test_one_that_is_said_to_close_is_not_used_again() -> None:
    async with FaultyServer(lambda _: Reply(200, b"ok", {"connection": "close"})) as server:
        client = Client(server.base_url)
        for _ in range(3):
            assert (await client.request("POST", "/x")).body == b"ok"
        await client.aclose()
        assert server.connections == 3


async def test_those_that_nobody_uses_are_closed_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "KEEP_ALIVE", 0.05)
    ended = asyncio.Semaphore(0)

    async def talk(line: Line) -> None:
        await line.asked()
        await line.say(OK)
        await line.gone()
        ended.release()

    async with served(talk) as url:
        client = Client(url)
        await asyncio.gather(*(client.request("POST", "/x") for _ in range(3)))
        async with asyncio.timeout(10):
            for _ in range(3):
                await ended.acquire()
        assert not client._wire._lines._kept
        await client.aclose()


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"


@pytest.mark.parametrize("swept", [True, False])
@pytest.mark.parametrize(
    ("told", "seconds", "connections"),
    [
        (b"Keep-Alive: timeout=5", 3.9, 1), (b"Keep-Alive: timeout=5", 4.1, 2),
        (b"keep-alive: max=100, TIMEOUT = 5", 3.9, 1), (b"keep-alive: max=100, TIMEOUT = 5", 4.1, 2),
        (b"keep-alive: timeout=1", 0.4, 1), (b"keep-alive: timeout=1", 0.6, 2), (b"keep-alive: timeout=0", 0.0, 2),
        (b"keep-alive: timeout=60", 14.9, 1), (b"keep-alive: timeout=60", 15.1, 2), (b"x-timeout: timeout=5", 14.9, 1),
        (b"keep-alive: 5", 14.9, 1), (b"keep-alive: timeout=soon", 14.9, 1), (b"x: y", 15.1, 2),
    ],
)  # fmt: skip
@pytest.mark.parametrize("answer", [OK, CHUNKED], ids=["plain", "chunked"])
async def test_one_rests_no_longer_than_the_other_side_lets_it(
    told: bytes, seconds: float, connections: int, answer: bytes, swept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that meets the closing of its connection is a lost answer, so none goes out on one whose time may be over."""
    loop, asked, opened = asyncio.get_running_loop(), list[bytes](), 0
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now)
    if not swept:
        monkeypatch.setattr(lines.Lines, "_sweep", lambda _: None)

    async def talk(line: Line) -> None:
        nonlocal opened
        opened += 1
        mine = opened
        while True:
            head = await line.asked()
            if mine == 1 and asked and connections > 1:  # its time was over while this was on its way
                return
            asked.append(head.split(b" ", 2)[1])
            await line.say(answer.replace(b"\r\n", b"\r\n%b\r\n" % told, 1))

    async with served(talk) as url:
        client = Client(url)
        assert (await client.request("POST", "/one")).body == b"ok"
        now += seconds
        assert (await client.request("POST", "/two")).body == b"ok"
        await client.aclose()
    assert (asked, opened) == ([b"/one", b"/two"], connections)


async def test_a_connection_that_is_not_made_leaves_its_place_to_the_next() -> None:
    async with FaultyServer(lambda _: Reply(204)) as server:
        client = Client(limit=1)
        for _ in range(3):
            with pytest.raises(TryLater, match="not_connected"):
                await client.request("POST", "http://127.0.0.1:1/x")
        assert (await client.request("POST", f"{server.base_url}/x")).status == 204
        await client.aclose()


async def test_no_more_places_are_remembered_than_we_want(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "KEPT", 2)
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(FaultyServer(lambda _: Reply(204))) for _ in range(4)]
        client = Client()
        for server in servers:
            assert (await client.request("POST", f"{server.base_url}/x")).status == 204
        assert len(client._wire._lines._doors) <= 2
        await client.aclose()


async def test_those_kept_elsewhere_make_room() -> None:
    """All that are open, in use or kept, wherever they lead to, are no more than the limit."""
    opened, ended = 0, asyncio.Semaphore(0)

    async def talk(line: Line) -> None:
        nonlocal opened
        opened += 1
        try:
            while True:
                await line.asked()
                await line.say(OK)
        finally:
            opened -= 1
            ended.release()

    async with served(talk) as here, served(talk) as there:
        client = Client(limit=3)
        await asyncio.gather(*(client.request("POST", f"{here}/x") for _ in range(3)))
        assert opened == 3
        await asyncio.gather(*(client.request("POST", f"{there}/x") for _ in range(2)))
        async with asyncio.timeout(10):
            for _ in range(2):
                await ended.acquire()
        assert opened == 3
        await client.aclose()


async def test_whoever_waits_for_a_place_gets_it_in_turn() -> None:
    asked: list[str] = []

    def script(request: Any) -> Reply | Fault:
        asked.append(request.path)
        return Fault.CLOSED if request.path == "/1" else Reply(204)

    async with FaultyServer(script) as server:
        client = Client(server.base_url, limit=1)
        tasks = [asyncio.create_task(client.request("POST", f"/{number}")) for number in range(5)]
        await asyncio.sleep(0)
        tasks[2].cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        await client.aclose()
    assert [type(each).__name__ for each in ends] == ["Answer", "Unknown", "CancelledError", "Answer", "Answer"]
    assert asked == ["/0", "/1", "/3", "/4"]
