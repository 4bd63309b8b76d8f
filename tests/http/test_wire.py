"""One wire: answers of every shape, kept connections, and one deadline whatever the other side does."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest

from omnibus import Refused, TryLater, Unknown
from omnibus.errors import DeliveryError
from omnibus.http import Client
from omnibus.testing import Fault, FaultyServer, Reply

from .conftest import OK, Line, hurry, served


async def told(*pieces: bytes, method: str = "POST", close: bool = True, deadline: float = 10) -> Any:
    """Give what an answer of these bytes comes to."""

    async def talk(line: Line) -> None:
        await line.asked()
        await line.say(OK)
        await line.asked()
        await line.say(*pieces)
        if not close:
            await line.gone()

    async with served(talk) as url:
        client = Client(url)
        await client.request("GET", "/first")
        hurry(client, deadline)
        try:
            async with asyncio.timeout(60):
                return await client.request(method, "/x")
        except DeliveryError as error:
            return type(error), error.reason
        finally:
            await client.aclose()


@pytest.mark.parametrize(
    ("pieces", "body"),
    [
        ((OK,), b"ok"),
        ((OK[:7], OK[7:30], OK[30:]), b"ok"),
        ((b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", b"3;x=y\r\nday\r\n0\r\n\r\n"), b"okday"),
        ((b"HTTP/1.1 200 OK\r\n\r\n", b"until ", b"it closes"), b"until it closes"),
        ((b"HTTP/1.0 200 OK\r\n\r\nold",), b"old"),
        ((b"HTTP/1.1 204 No\r\n\r\n",), b""),
        ((b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\n", b"HTTP/1.1 100 Go\r\n\r\n" + OK), b"ok"),
    ],
    ids=["length", "in pieces", "chunked", "until closed", "1.0", "none", "interim"],
)
async def test_answers_of_every_shape_are_read(pieces: tuple[bytes, ...], body: bytes) -> None:
    assert (await told(*pieces)).body == body


async def test_what_head_promises_is_not_waited_for() -> None:
    answer = await told(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n", method="HEAD", close=False)
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "500")


async def test_headers_are_lower_case_joined_and_readable() -> None:
    answer = await told(
        b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nX-U: \xc3\xa9\r\nX-B: \xff\r\nContent-Encoding: identity\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    wanted = {"x-a": "1, 2", "x-u": "é", "x-b": "\N{REPLACEMENT CHARACTER}", "content-length": "0"}
    assert {name: answer.headers[name] for name in wanted} == wanted
    str(answer.headers).encode()  # no lone surrogate


async def test_an_upgrade_that_nobody_asked_for_is_no_answer() -> None:
    assert await told(b"HTTP/1.1 101 Up\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n") == (
        Unknown,
        "answer_lost",
    )


DRAGS = {
    "nothing": (),
    "half a head": (b"HTTP/1.1 200",),
    "interim only": (b"HTTP/1.1 100 Go\r\n\r\n",),
    "head only": (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",),
    "half a body": (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", b"ab"),
    "half a chunk": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",),
    "until closed, which it never is": (b"HTTP/1.1 200 OK\r\n\r\n", b'{"id": 1}'),
    "half a packed body": (
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 500\r\n\r\n",
        gzip.compress(b"x" * 90)[:12],
    ),
}


@pytest.mark.parametrize("pieces", DRAGS.values(), ids=DRAGS)
async def test_the_deadline_holds_wherever_the_answer_hangs(pieces: tuple[bytes, ...]) -> None:
    assert await told(*pieces, close=False, deadline=0.2) == (Unknown, "deadline")


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 ", b"HTTP/1.1 200 OK\r\nx: ", b"HTTP/1.1 200 OK\r\ncontent-length: 90000\r\n\r\n"]
)
async def test_a_trickle_does_not_move_the_deadline(head: bytes) -> None:
    trickled = 0

    async def talk(line: Line) -> None:
        nonlocal trickled
        await line.asked()
        await line.say(OK)
        await line.asked()
        await line.say(head)
        while True:
            await line.say(b"2")
            trickled += 1
            await asyncio.sleep(0.01)

    async with served(talk) as url:
        client = Client(url)
        await client.request("GET", "/first")
        hurry(client, 0.3)
        with pytest.raises(Unknown, match="deadline"):
            await client.request("POST", "/x")
        await client.aclose()
        assert trickled > 3


async def test_an_endless_answer_is_left_at_the_limit() -> None:
    async def talk(line: Line) -> None:
        await line.asked()
        await line.say(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await line.say(b"x" * 65_536)

    async with served(talk) as url:
        client = Client(url, deadline=5)
        with pytest.raises(Unknown, match="answer_too_big"):
            await client.request("POST", "/x")
        await client.aclose()


async def test_the_status_of_an_error_counts_though_its_body_hangs() -> None:
    answer = await told(b"HTTP/1.1 429 No\r\nretry-after: 9\r\ncontent-length: 9\r\n\r\nab", close=False, deadline=0.2)
    assert (answer.status, answer.retry_after, answer.body) == (429, 9, b"ab")


async def test_each_request_has_its_own_deadline() -> None:
    """The slow ones are cut, and those that begin while they hang are not; then the next deadline is set anew."""
    hangs, done = asyncio.Event(), []

    def script(request: Any) -> Reply | Fault:
        if request.path != "/slow":
            return Reply(204)
        hangs.set()
        return Fault.HANG

    async with FaultyServer(script) as server:
        client = Client(server.base_url, limit=4)
        await client.request("GET", "/first")
        hurry(client, 0.3)
        for _ in range(2):
            hangs.clear()
            slow = asyncio.create_task(client.request("POST", "/slow"))
            await hangs.wait()
            while not slow.done():
                done.append((await client.request("POST", "/quick")).status)
            with pytest.raises(Unknown, match="deadline"):
                await slow
        assert set(done) == {204}
        assert len(client._wire._deadlines) == 0
        await client.aclose()


async def test_a_later_request_that_nothing_follows_is_cut_as_well() -> None:
    """The timer was set for the first, which is long done when it rings."""
    async with FaultyServer(lambda request: Fault.HANG if request.path == "/slow" else Reply(204)) as server:
        client = Client(server.base_url)
        await client.request("GET", "/first")
        hurry(client, 0.5)
        assert (await client.request("POST", "/quick")).status == 204
        await asyncio.sleep(0.2)  # so that the timer rings well before the second is due
        async with asyncio.timeout(10):
            with pytest.raises(Unknown, match="deadline"):
                await client.request("POST", "/slow")
        await client.aclose()


async def test_closing_ends_what_is_in_flight() -> None:
    asked = asyncio.Event()

    async def talk(line: Line) -> None:
        await line.asked()
        asked.set()
        await line.gone()

    async with served(talk) as url:
        client = Client(url)
        task = asyncio.create_task(client.request("POST", "/x"))
        await asked.wait()
        await client.aclose()
        with pytest.raises((Unknown, TryLater)) as caught:
            await task
        assert caught.value.reason == "answer_lost"


async def test_ipv6_is_reached_and_named_in_brackets() -> None:
    heads = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "::1", 0)
    port = server.sockets[0].getsockname()[1]
    client = Client(f"http://[::1]:{port}")
    assert (await client.request("GET", "/x")).ok
    await client.aclose()
    assert f"host: [::1]:{port}\r\n".encode() in heads[0]
    server.close()


async def test_a_refused_head_leaves_nothing_behind() -> None:
    client = Client("http://127.0.0.1:1", headers={"x-to": "a\nb"})
    with pytest.raises(Refused, match="bad_header"):
        await client.request("POST", "/x")
    assert not client._wire.opened
    await client.aclose()
