"""What each failure means: every row of the table of lost answers, on a raw server that misbehaves."""

from __future__ import annotations

import asyncio
import gc
import gzip
import socket
from typing import Any

import pytest

from omnibus import Refused, TryLater, Unknown
from omnibus.errors import DeliveryError
from omnibus.http import MAX_BODY, Client, error_for
from omnibus.testing import Fault, FaultyServer, Reply

from .conftest import hurry

CLOSED = "http://127.0.0.1:1"


async def told(script: Any, *, deadline: float = 10, deaf: bool = False, method: str = "POST") -> Any:
    """Give what one request comes to: an answer, or (error class, reason)."""
    async with FaultyServer(
        lambda request: Reply() if request.path == "/first" else script(request), deaf=deaf
    ) as server:
        client = Client(server.base_url)
        try:
            if not deaf:
                await client.request("GET", "/first")
                hurry(client, deadline)
            async with asyncio.timeout(60):
                return await client.request(method, "/messages", json={"text": "hello"})
        except DeliveryError as error:
            return type(error), error.reason
        finally:
            await client.aclose()


LOST = {
    Fault.RESET_BEFORE: (Unknown, "answer_lost"),
    Fault.RESET: (Unknown, "answer_lost"),
    Fault.CLOSED: (Unknown, "answer_lost"),
    Fault.HALF_HEAD: (Unknown, "answer_lost"),
    Fault.GARBAGE: (Unknown, "answer_lost"),
    Fault.TRUNCATED: (Unknown, "answer_lost"),
    Fault.CHUNK_CUT: (Unknown, "answer_lost"),
    Fault.FLOOD: (Unknown, "answer_too_big"),
    Fault.HANG: (Unknown, "deadline"),
    Fault.DRIP: (Unknown, "deadline"),
}


@pytest.mark.parametrize("fault", LOST)
async def test_a_lost_answer_is_unknown(fault: Fault) -> None:
    deadline = 0.3 if LOST[fault][1] == "deadline" else 10
    got = await told(lambda _: fault, deadline=deadline, deaf=fault is Fault.RESET_BEFORE)
    assert got == LOST[fault]


async def test_every_fault_is_in_the_table() -> None:
    assert set(LOST) == set(Fault) - {Fault.REFUSED}


async def test_a_message_is_handed_over_once_however_it_is_lost() -> None:
    for fault in (Fault.RESET, Fault.CLOSED, Fault.HALF_HEAD, Fault.GARBAGE, Fault.TRUNCATED):
        async with FaultyServer(lambda _, fault=fault: fault) as server:
            client = Client(server.base_url)
            with pytest.raises(Unknown):
                await client.request("POST", "/messages", content=b"hello")
            await client.aclose()
            assert len(server.requests) == 1, fault


async def test_a_message_on_a_kept_connection_that_dies_is_unknown_and_not_sent_again() -> None:
    async with FaultyServer(lambda _: Reply() if len(server.requests) == 1 else Fault.CLOSED) as server:
        client = Client(server.base_url)
        await client.request("POST", "/one")
        with pytest.raises(Unknown, match="answer_lost"):
            await client.request("POST", "/two")
        await client.aclose()
        assert [each.path for each in server.requests] == ["/one", "/two"]
        assert server.connections == 1


@pytest.mark.parametrize("url", [f"{CLOSED}/x", "http://no-such-name.invalid/x"], ids=["refused", "no such name"])
async def test_what_was_never_connected_was_not_sent(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    if "invalid" in url:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    client = Client()
    with pytest.raises(TryLater, match="not_connected"):
        await client.request("POST", url)
    await client.aclose()


async def test_a_connection_that_was_never_made_is_tried_again_within_the_request() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()
    client = Client(f"http://127.0.0.1:{port}")
    async with FaultyServer(lambda _: Reply.of_json({"ok": True})) as server:
        asked = asyncio.create_task(client.request("POST", "/x"))
        await asyncio.sleep(0)
        late = await asyncio.start_server(server._connected, "127.0.0.1", port)
        answer = await asked
        late.close()
        await client.aclose()
    assert answer.json() == {"ok": True}
    assert len(server.requests) == 1


async def test_a_full_pool_means_not_sent() -> None:
    async with FaultyServer(lambda _: Fault.HANG) as server:
        client = Client(server.base_url, limit=1, deadline=0.6)
        first = asyncio.create_task(client.request("POST", "/one"))
        await asyncio.sleep(0.05)
        with pytest.raises(TryLater, match="not_connected"):
            await client.request("POST", "/two")
        with pytest.raises(Unknown):
            await first
        await client.aclose()
        assert [each.path for each in server.requests] == ["/one"]


async def test_no_tls_where_tls_was_expected_means_not_sent() -> None:
    async with FaultyServer(lambda _: Reply()) as server:
        client = Client(server.base_url.replace("http:", "https:"))
        with pytest.raises(TryLater, match="not_connected"):
            await client.request("POST", "/x")
        await client.aclose()
        assert server.requests == []


STATUSES: dict[int, tuple[type[DeliveryError], str]] = {
    400: (Refused, "http_400"),
    401: (TryLater, "http_401"),
    403: (TryLater, "http_403"),
    404: (Refused, "http_404"),
    408: (Unknown, "http_408"),
    409: (Unknown, "http_409"),
    410: (Refused, "http_410"),
    422: (Refused, "http_422"),
    429: (TryLater, "rate_limited"),
    500: (Unknown, "http_500"),
    502: (Unknown, "http_502"),
    503: (Unknown, "http_503"),
    504: (Unknown, "http_504"),
}


@pytest.mark.parametrize("status", STATUSES)
async def test_each_status_has_one_error(status: int) -> None:
    answer = await told(lambda _: Reply(status, b"<html>", {"retry-after": "7"}))
    error = error_for(answer)
    assert (type(error), error.reason) == STATUSES[status]
    assert error.account is (status in {401, 403})
    assert getattr(error, "retry_after", None) == (7 if status == 429 else None)
    with pytest.raises(STATUSES[status][0]):
        answer.json()


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
async def test_redirects_are_refused_and_never_followed(status: int) -> None:
    async with FaultyServer(lambda _: Reply()) as elsewhere:
        got = await told(lambda _: Reply(status, b"", {"location": elsewhere.base_url}))
        assert got == (Refused, "redirect")
        assert elsewhere.requests == []


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"\xff\xfe", b"[" * 100_000])
async def test_an_unreadable_success_was_probably_one(body: bytes) -> None:
    answer = await told(lambda _: Reply(200, body))
    with pytest.raises(Unknown, match="unreadable_answer"):
        answer.json()


async def test_bombs_are_not_unpacked() -> None:
    bomb = gzip.compress(b" " * 200_000_000, 9)
    assert await told(lambda _: Reply(200, bomb, {"content-encoding": "gzip"})) == (Unknown, "answer_too_big")
    packed = await told(lambda _: Reply(200, gzip.compress(b'{"id": 1}'), {"content-encoding": "gzip"}))
    assert packed.json() == {"id": 1}
    assert "content-encoding" not in packed.headers
    assert await told(lambda _: Reply(200, b"not gzip", {"content-encoding": "gzip"})) == (Unknown, "answer_lost")


async def test_the_status_of_an_error_counts_even_without_its_body() -> None:
    cut = b'HTTP/1.1 429 No\r\nretry-after: 9\r\ncontent-length: 500\r\n\r\n{"a'

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(cut)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = Client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    answer = await client.request("POST", "/x")
    assert (answer.status, answer.retry_after) == (429, 9)
    await client.aclose()
    server.close()
    long = await told(lambda _: Reply(400, b"x" * (MAX_BODY + 100_000)))
    assert long.status == 400
    assert len(long.body) <= MAX_BODY


async def test_a_closed_client_sends_nothing() -> None:
    async with FaultyServer(lambda _: Reply()) as server:
        client = Client(server.base_url)
        await client.request("GET", "/")
        await client.aclose()
        await client.aclose()
        with pytest.raises(TryLater, match="closed"):
            await client.request("GET", "/")
        assert len(server.requests) == 1


@pytest.mark.parametrize("url", ["http://[::1", "ftp://x.example/", "http:///x", "http://x:99999/"])
async def test_what_is_no_url_is_refused(url: str) -> None:
    client = Client()
    with pytest.raises(DeliveryError) as caught:
        await client.request("GET", url)
    assert (type(caught.value), caught.value.reason) == (Refused, "bad_url")
    await client.aclose()


@pytest.mark.parametrize("value", ["a\r\nX-Injected: yes", "a\nb", "a\0b"])
async def test_a_header_of_two_lines_is_not_sent(value: str) -> None:
    async with FaultyServer(lambda _: Reply()) as server:
        client = Client(server.base_url)
        with pytest.raises(Refused, match="bad_header"):
            await client.request("POST", "/x", headers={"x-to": value})
        await client.aclose()
        assert server.requests == []


async def test_cancelling_gives_the_connection_back() -> None:
    async with FaultyServer(lambda _: Fault.HANG if len(server.requests) == 1 else Reply(204)) as server:
        client = Client(server.base_url, limit=1)
        task = asyncio.create_task(client.request("POST", "/one"))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await client.request("POST", "/two")).status == 204
        await client.aclose()


async def test_nothing_is_left_open() -> None:
    for fault in LOST:
        await told(lambda _, fault=fault: fault, deadline=0.2, deaf=fault is Fault.RESET_BEFORE)
    gc.collect()  # an unclosed socket or session would warn here, and a warning is an error
