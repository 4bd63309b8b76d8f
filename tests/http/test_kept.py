"""Kept connections: what makes one unfit for the next request, and that nothing goes out twice on them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import TCPConnector

from omnibus import TryLater, Unknown
from omnibus.http import Client
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
        assert called == 3


async def test_a_second_answer_spoils_the_connection() -> None:
    async def talk(line: Line) -> None:
        while True:
            asked = await line.asked()
            await line.say(OK + OK.replace(b"ok", b"no") if b"/one" in asked else OK)

    async with served(talk) as url:
        client = Client(url, limit=1)
        assert (await client.request("POST", "/one")).body == b"ok"
        assert (await client.request("POST", "/two")).body == b"ok"
        await client.aclose()


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
