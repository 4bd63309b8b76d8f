"""Answers read at one look: whatever is read so is what aiohttp's parser reads, and all that is not plain is left to it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp.client_proto import ResponseHandler
from hypothesis import example, given
from hypothesis import strategies as st

from omnibus.http import Client
from omnibus.http.answer import MAX_BODY
from omnibus.http.line import HttpLine
from omnibus.http.plain import MAX_HEAD, read_head

from .conftest import OK, served
from .conftest import Line as Side

USUAL = (
    b"HTTP/1.1 201 Created\r\nServer: nginx/1.25.3\r\nDate: Sun, 22 Nov 2026 06:02:18 GMT\r\nContent-Type: application/json; "
    b"charset=utf-8\r\nContent-Length: 10\r\nConnection: keep-alive\r\nX-Request-Id: 4f1de6a2\r\nVary: Accept\r\nVary:  Origin\t\r\n"
    b'X-Empty:\r\n\r\n{"id": 12}'
)
HEAD, LAST = b"HTTP/1.1 200 OK\r\n", b"\r\n\r\nok"

PARTS = st.sampled_from([
    b"content-length: 2", b"Content-Length:2", b"content-length: 3", b"content-length:  2 ", b"content-length: +2",
    b"content-length: 2, 2", b"content-length : 2", b"content-length:", b"CONTENT-LENGTH: 02", b"\tcontent-length: 2",
    b"transfer-encoding: chunked", b"Transfer-Encoding:identity", b"transfer-encoding : chunked", b"x: transfer-encoding: chunked",
    b"content-encoding: gzip", b"Content-Encoding: identity", b"connection: close", b"connection: keep-alive", b"Connection: Keep-Alive",
    b"connection: keep-alive, close", b"connection: upgrade", b"upgrade: websocket", b"trailer: x", b"keep-alive: timeout=5",
    b"x-a: 1", b"X-A: 2", b"x-a:\t 3 \t", b"x-b:", b"x b: 1", b": 1", b"x-c", b" folded", b"x-d: \xc3\xa9", b"x-e: \x00", b"x-f: \x7f",
    b"x-g: a\rb", b"x-h: a\nb", b"x\xff: 1", b"set-cookie: a=b", b"Set-Cookie: c=d", b"", b"x-i: " + b"i" * 9_000,
])  # fmt: skip
FIRSTS = st.sampled_from([
    b"HTTP/1.1 200 OK", b"HTTP/1.1 200 ", b"HTTP/1.1 200", b"HTTP/1.0 200 OK", b"HTTP/1.1 204 No", b"HTTP/1.1 205 Reset",
    b"HTTP/1.1 301 Moved", b"HTTP/1.1 304 Same", b"HTTP/1.1 100 Go", b"HTTP/1.1 404 Gone", b"HTTP/1.1 500 Oh", b"HTTP/1.1 600 What",
    b"HTTP/1.1 2000 OK", b"http/1.1 200 OK", b"HTTP/1.1  200 OK", b"HTTP/2 200 OK", b" HTTP/1.1 200 OK", b"HTTP/1.1 200 \xe9", b"",
])  # fmt: skip
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\r\n"])
BODIES = st.sampled_from([b"ok", b"ok", b"ok!", b"o", b"", b"2\r\nok\r\n0\r\n\r\n", b"ok" + OK])


class Mute(asyncio.Transport):
    """Be a connection on which nothing is said but what the test says."""

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Take it, and do nothing with it."""

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """Close nothing."""


async def by_parser(data: bytes) -> tuple[int, dict[str, str], bytes] | None:
    """Read an answer as aiohttp reads it; None: it is none, or not all there."""
    parser = ResponseHandler(asyncio.get_running_loop())
    line = HttpLine(None, parser, Mute(), ("http", "x", 80))  # type: ignore[arg-type] # nothing to close
    line._parse()
    parser.transport = Mute()
    line.data_received(data)
    if parser._exception is not None or not parser._buffer or (parser._payload and not parser._payload.is_eof()):
        return None
    answer = await line.read()
    return answer.status, dict(answer.headers), answer.body


@given(FIRSTS, st.lists(st.tuples(PARTS, ENDS), max_size=5), st.sampled_from([b"\r\n", b"\r\n", b"\n"]), BODIES)
@example(
    b"HTTP/1.1 200 OK", [(b"content-length: 2", b"\r\n"), (b"transfer-encoding: chunked", b"\r\n")], b"\r\n", b"ok"
)
@example(
    b"HTTP/1.1 200 OK",
    [(b"x: 1", b"\r\n"), (b"Content-Length: 2", b"\r\n"), (b"Set-Cookie: a", b"\r\n")],
    b"\r\n",
    b"ok",
)
def test_what_is_plain_is_what_the_parser_reads(
    first: bytes, lines: list[tuple[bytes, bytes]], last: bytes, body: bytes
) -> None:
    data = first + b"\r\n" + b"".join(line + end for line, end in lines) + last + body
    found = read_head(data)
    if found is None or len(data) < found[3]:
        return
    status, told, begin, end = found
    assert asyncio.run(by_parser(data[:end])) == (status, dict(told), data[begin:end])


@pytest.mark.parametrize(
    "data",
    [
        USUAL,
        OK,
        OK.replace(b"200", b"429"),
        OK.replace(b"content-length: ", b"CONTENT-length:"),
        OK.replace(b"OK", b""),
    ],
)
async def test_usual_answers_are_plain(data: bytes) -> None:
    found = read_head(data)
    assert found is not None
    status, told, begin, end = found
    assert await by_parser(data) == (status, dict(told), data[begin:end])
    assert end == len(data)


def test_headers_are_read_when_they_are_asked_for() -> None:
    found = read_head(USUAL)
    assert found is not None
    told = found[1]
    assert told._read == {}
    assert (told["vary"], told["x-empty"], told.get("x-none"), len(told)) == ("Accept, Origin", "", None, 8)


@pytest.mark.parametrize(
    "data",
    {
        "no length": HEAD + b"x: y" + LAST,
        "two lengths": HEAD + b"content-length: 2\r\nContent-Length: 2" + LAST,
        "chunks beside a length": HEAD + b"content-length: 2\r\nTransfer-Encoding: chunked" + LAST,
        "packed": HEAD + b"content-length: 2\r\ncontent-encoding: gzip" + LAST,
        "the last one": HEAD + b"content-length: 2\r\nconnection: close" + LAST,
        "folded": HEAD + b"content-length: 2\r\nx: y\r\n folded" + LAST,
        "bare line ends": HEAD + b"x: y\ncontent-length: 2" + LAST,
        "not text": HEAD + b"content-length: 2\r\nx: \xc3\xa9" + LAST,
        "interim": b"HTTP/1.1 103 Early\r\ncontent-length: 2" + LAST,
        "a redirect": b"HTTP/1.1 302 There\r\ncontent-length: 2" + LAST,
        "nothing to come": b"HTTP/1.1 204 No\r\ncontent-length: 2" + LAST,
        "old": b"HTTP/1.0 200 OK\r\ncontent-length: 2" + LAST,
        "half a head": OK[:30],
        "a long head": HEAD + b"content-length: 2\r\nx: " + b"y" * MAX_HEAD + LAST,
        "many lines": HEAD + b"x: y\r\n" * 99 + b"content-length: 2" + LAST,
        "a long body": HEAD + b"content-length: %d" % (MAX_BODY + 1) + LAST,
    }.items(),
    ids=lambda each: each[0],
)
def test_what_is_not_plain_is_left_to_the_parser(data: tuple[str, bytes]) -> None:
    assert read_head(data[1]) is None


async def got(*pieces: bytes, cut: bool = False) -> Any:
    """Give the answer to a second request, which is said in these pieces, each sent by itself; then nothing, or the end."""

    async def talk(side: Side) -> None:
        await side.asked()
        await side.say(OK)
        await side.asked()
        for each in pieces:
            await side.say(each)
            await asyncio.sleep(0)  # so that the other side reads it by itself
        if not cut:
            await side.gone()

    async with served(talk) as url:
        client = Client(url, deadline=5)
        await client.request("POST", "/first")
        answer = await client.request("POST", "/x")
        await client.aclose()
        return answer


async def test_a_plain_answer_is_read_however_it_is_cut() -> None:
    for at in range(1, len(USUAL)):
        answer = await got(USUAL[:at], USUAL[at:])
        assert (answer.status, answer.body, answer.headers["vary"]) == (201, b'{"id": 12}', "Accept, Origin"), at
    assert (await got(*(USUAL[at : at + 1] for at in range(len(USUAL))))).body == b'{"id": 12}'


async def test_a_long_plain_body_is_read_whole() -> None:
    body = b"0123456789" * 99_000
    answer = await got(
        HEAD + b"content-length: %d\r\n\r\n" % len(body),
        *(body[at : at + 70_000] for at in range(0, len(body), 70_000)),
    )
    assert answer.body == body


async def test_an_error_that_is_cut_counts_with_what_there_is_of_it() -> None:
    answer = await got(b"HTTP/1.1 422 No\r\nx-code: 7\r\ncontent-length: 500\r\n\r\n", b'{"co', b"de", cut=True)
    assert (answer.status, answer.headers["x-code"], answer.body) == (422, "7", b'{"code')
