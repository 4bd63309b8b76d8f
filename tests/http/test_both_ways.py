"""The short way to the wire and the long one by way of httpx say the same and end the same."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
import respx

from omnibus import Refused, Unknown
from omnibus.errors import DeliveryError
from omnibus.http import Client
from omnibus.testing import Fault, FaultyServer, Reply

from .conftest import hurry
from .test_lost_answers import LOST


def _unsigned(request: httpx.Request) -> httpx.Request:
    """Sign nothing, which still takes the long way."""
    return request


ASKS: list[dict[str, Any]] = [
    {"method": "GET", "url": "/x?a=b%20c&d=%C3%A9#part"},
    {"method": "POST", "url": "/x"},
    {"method": "DELETE", "url": "/x"},
    {"method": "PATCH", "url": "/x", "content": b"raw"},
    {"method": "DELETE", "url": "/x", "json": {"why": "é"}},
    {"method": "POST", "url": "/x", "json": {"to": "x", "n": [1, 2.5, None, True], "deep": {"a": "NaN"}}},
    {"method": "POST", "url": "/x", "json": []},
    {"method": "POST", "url": "/x", "data": {"To": "+44 20", "Body": "é&= \n", "List": ["a", "b"], "No": None, "T": True, "N": 7}},
    {"method": "POST", "url": "/x", "json": {}, "headers": {"Idempotency-Key": "k", "X-Empty": ""}},
    {"method": "POST", "url": "/x", "content": b"<a/>", "headers": {"Content-Type": "text/xml", "User-Agent": "me"}},
    {"method": "POST", "url": "/x", "json": 1, "headers": {"content-type": "application/vnd.acme+json"}},
    {"method": "POST", "url": "/x", "content": b"abc", "headers": {"Content-Length": "9", "Transfer-Encoding": "chunked"}},
    {"method": "GET", "url": "/x", "headers": {"Host": "other.example", "authorization": "Bearer b"}},
    {"method": "get", "url": "/a path/é"},
]  # fmt: skip


@pytest.mark.parametrize("ask", ASKS, ids=str)
async def test_the_same_request_arrives(ask: dict[str, Any]) -> None:
    async with FaultyServer(lambda _: Reply()) as server:
        client = Client(server.base_url, headers={"X-Account": "7"})
        await client.request(**ask)
        await client.request(**ask, auth=_unsigned)
        await client.aclose()
        short, long = server.requests
        assert (short.method, short.url, short.body) == (long.method, long.url, long.body)
        assert dict(short.headers) == dict(long.headers)
        assert dict(short.headers).get("content-length", "0") == str(len(short.body))


@pytest.mark.parametrize("auth", [None, _unsigned], ids=["short", "long"])
async def test_only_what_may_have_a_body_says_that_it_has_none(auth: Any) -> None:
    methods = {"POST": "0", "PUT": "0", "PATCH": "0", "GET": None, "DELETE": None, "HEAD": None}
    async with FaultyServer(lambda _: Reply(204)) as server:
        client = Client(server.base_url)
        for method in methods:
            await client.request(method, "/x", auth=auth)
        await client.aclose()
        assert {each.method: each.headers.get("content-length") for each in server.requests} == methods


async def test_forms_are_written_as_httpx_writes_them() -> None:
    fields: dict[str, Any] = {"a": "é ~*+/&=", "b": ["x", 1, None], "c": (True, False), "d": 2.5, "e": "", "f": []}
    async with FaultyServer(lambda _: Reply()) as server:
        client = Client(server.base_url)
        await client.request("POST", "/x", data=fields)
        await client.aclose()
        assert server.requests[0].body == httpx.Request("POST", "http://x", data=fields).read()


@pytest.mark.parametrize("auth", [None, _unsigned], ids=["short", "long"])
@pytest.mark.parametrize("fault", LOST)
async def test_the_table_of_lost_answers_holds_on_both(fault: Fault, auth: Any) -> None:
    async with FaultyServer(
        lambda request: Reply() if request.path == "/first" else fault, deaf=fault is Fault.RESET_BEFORE
    ) as server:
        client = Client(server.base_url)
        if LOST[fault][1] == "deadline":
            await client.request("GET", "/first")
            hurry(client, 0.3)
        with pytest.raises(DeliveryError) as caught:
            async with asyncio.timeout(60):
                await client.request("POST", "/messages", json={"text": "hello"}, auth=auth)
        await client.aclose()
        assert (type(caught.value), caught.value.reason) == LOST[fault]
        assert sum(each.path == "/messages" for each in server.requests) <= 1


@pytest.mark.parametrize("auth", [None, _unsigned], ids=["short", "long"])
async def test_a_login_in_the_url_is_used_and_not_sent_as_part_of_it(auth: Any) -> None:
    async with FaultyServer(lambda _: Reply()) as server:
        client = Client()
        whole = server.base_url.replace("://", "://ada:p%40ss@")
        await client.request("GET", f"{whole}/x", auth=auth)
        await client.request("GET", f"{whole}/x", headers={"authorization": "Bearer t"}, auth=auth)
        await client.aclose()
        assert [each.headers["authorization"] for each in server.requests] == ["Basic YWRhOnBAc3M=", "Bearer t"]
        assert server.requests[0].headers["host"] == server.base_url.removeprefix("http://")


async def test_a_login_of_the_account_comes_before_a_header() -> None:
    async with FaultyServer(lambda _: Reply()) as server:
        client = Client(server.base_url, headers={"authorization": "Bearer told"}, auth=("ada", "pass"))
        await client.request("POST", "/x")
        await client.request("POST", "/x", headers={"Authorization": "Bearer own"})
        await client.aclose()
        assert {each.headers["authorization"] for each in server.requests} == {"Basic YWRhOnBhc3M="}


@pytest.mark.parametrize(
    "body",
    [float("nan"), {"a": [float("-inf")]}, {"a": object()}, {"a": "\ud800"}],
    ids=["nan", "infinite", "object", "surrogate"],
)
async def test_what_is_no_json_is_refused_before_it_leaves(body: Any) -> None:
    async with FaultyServer(lambda _: Reply()) as server:
        client = Client(server.base_url)
        with pytest.raises(Refused, match="bad_body"):
            await client.request("POST", "/x", json=body)
        await client.aclose()
        assert server.connections == 0


@pytest.mark.parametrize("auth", [None, _unsigned, ("a", "b")], ids=["short", "long", "basic"])
@pytest.mark.parametrize("headers", [{"x\r\ny": "1"}, {"x y": "1"}, {"x": "é"}, {"x": "a\r\nb"}], ids=str)
async def test_what_is_no_header_is_refused_before_it_leaves(headers: dict[str, str], auth: Any) -> None:
    async with FaultyServer(lambda _: Reply()) as server:
        client = Client(server.base_url)
        with pytest.raises(Refused, match="bad_header"):
            await client.request("POST", "/x", headers=headers, auth=auth)
        await client.aclose()
        assert server.connections == 0


async def test_a_signature_of_two_lines_is_not_sent() -> None:
    def sign(request: httpx.Request) -> httpx.Request:
        request.headers["x-signature"] = "a\r\nx-injected: yes"
        return request

    async with FaultyServer(lambda _: Reply()) as server:
        client = Client(server.base_url, auth=sign)
        with pytest.raises(Refused, match="bad_header"):
            await client.request("POST", "/x")
        await client.aclose()
        assert server.connections == 0


async def test_many_places_are_not_kept_for_ever() -> None:
    async with FaultyServer(lambda _: Reply()) as server:
        client = Client(server.base_url)
        for number in range(300):
            assert (await client.request("POST", f"/{number}", auth=(str(number), "x"))).ok
        assert len(client._letterhead._places) <= 256
        assert len(client._letterhead._heads) <= 256
        await client.aclose()
        assert [each.path for each in server.requests] == [f"/{number}" for number in range(300)]


async def test_what_a_query_says_is_not_kept() -> None:
    async with FaultyServer(lambda _: Reply()) as server:
        client = Client(server.base_url)
        assert (await client.request("GET", "/send?to=%2B442079460000")).ok
        assert not client._letterhead._places
        await client.aclose()


async def test_a_mock_that_lets_through_reaches_the_wire() -> None:
    async with FaultyServer(lambda request: Reply.of_json({"path": request.path})) as server:
        client = Client(server.base_url)
        with respx.mock(using="httpx", assert_all_called=False) as mock:
            mock.post(f"{server.base_url}/mocked").respond(json={"path": "mocked"})
            mock.route(url__startswith=server.base_url).pass_through()
            assert (await client.request("POST", "/mocked", data={"a": "b"})).json() == {"path": "mocked"}
            assert (await client.request("POST", "/real")).json() == {"path": "/real"}
        assert (await client.request("POST", "/mocked")).json() == {"path": "/mocked"}
        await client.aclose()


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (httpx.ConnectError("x"), "TryLater: not_connected"),
        (httpx.ConnectTimeout("x"), "TryLater: not_connected"),
        (httpx.ReadTimeout("x"), "Unknown: answer_lost"),
        (httpx.RemoteProtocolError("x"), "Unknown: answer_lost"),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else "",
)
async def test_errors_of_a_mock_mean_what_they_say(error: Exception, wanted: str) -> None:
    with respx.mock(using="httpx") as mock:
        mock.post("https://api.acme.example/faxes").mock(side_effect=error)
        client = Client("https://api.acme.example")
        with pytest.raises(DeliveryError) as caught:
            await client.request("POST", "/faxes", json={})
        await client.aclose()
        assert f"{type(caught.value).__name__}: {caught.value.reason}" == wanted


async def test_a_mock_sees_body_and_headers() -> None:
    with respx.mock(using="httpx") as mock:
        route = mock.post("https://api.acme.example/faxes").respond(200)
        client = Client("https://api.acme.example", headers={"x-version": "1"}, auth=("a", "b"))
        await client.request("POST", "/faxes", json={"to": "x"})
        await client.aclose()
        sent = route.calls.last.request
        assert sent.content == b'{"to":"x"}'
        assert sent.headers["content-type"] == "application/json"
        assert sent.headers["authorization"] == "Basic YTpi"
        assert sent.headers["x-version"] == "1"


async def test_a_big_answer_of_a_mock_is_too_big_as_well() -> None:
    with respx.mock(using="httpx") as mock:
        mock.get("https://api.acme.example/").respond(200, content=b"x" * 1_100_000)
        client = Client("https://api.acme.example")
        with pytest.raises(Unknown, match="answer_too_big"):
            await client.request("GET", "/")
        await client.aclose()
