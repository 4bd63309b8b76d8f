"""What the client sends: bodies, headers, signatures; and what it keeps to itself."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
import respx

from omnibus import Request
from omnibus.http import Client
from omnibus.testing import FaultyServer, Reply


def echo(request: Request) -> Reply:
    body = request.body.decode()
    return Reply.of_json({"method": request.method, "url": request.url, "headers": dict(request.headers), "body": body})


async def test_paths_are_put_below_the_base_url() -> None:
    cases = {
        ("", "/v1/faxes"): "/v1/faxes",
        ("/v2", "/faxes"): "/v2/faxes",
        ("/v2/", "faxes?a=b%20c"): "/v2/faxes?a=b%20c",
        ("/v2", ""): "/v2",
    }
    async with FaultyServer(echo) as server:
        for (base, path), wanted in cases.items():
            client = Client(server.base_url + base)
            told = (await client.request("GET", path)).json()
            assert told["url"] == server.base_url + wanted
            whole = (await client.request("GET", f"{server.base_url}/whole")).json()
            assert whole["url"] == f"{server.base_url}/whole"
            await client.aclose()


async def test_bodies_parameters_and_headers_arrive() -> None:
    async with FaultyServer(echo) as server:
        client = Client(server.base_url, headers={"Authorization": "Bearer t", "X-Version": "1"})
        told = (
            await client.request("POST", "/j", json={"a": "é"}, params={"q": "x y"}, headers={"x-version": "2"})
        ).json()
        assert (told["method"], told["url"]) == ("POST", f"{server.base_url}/j?q=x+y") or told["url"].endswith(
            "q=x%20y"
        )
        assert told["body"] == '{"a":"é"}'
        assert told["headers"]["content-type"] == "application/json"
        assert told["headers"]["authorization"] == "Bearer t"
        assert told["headers"]["x-version"] == "2"
        assert told["headers"]["user-agent"] == "omnibus"
        form = (await client.request("POST", "/f", data={"To": "+44 20", "Body": "é&="})).json()
        assert parse_qs(form["body"]) == {"To": ["+44 20"], "Body": ["é&="]}
        raw = (await client.request("PUT", "/r", content=b"raw")).json()
        assert (raw["method"], raw["body"]) == ("PUT", "raw")
        parts = (await client.request("POST", "/m", files={"media": ("a.txt", b"hello", "text/plain")})).json()
        assert parts["headers"]["content-type"].startswith("multipart/form-data; boundary=")
        assert 'filename="a.txt"' in parts["body"]
        assert "hello" in parts["body"]
        await client.aclose()


class Digest(httpx.Auth):
    """Ask twice, as digest authentication does."""

    def auth_flow(self, request: httpx.Request) -> Any:
        answer = yield request
        request.headers["x-answer"] = f"{answer.status_code} {answer.headers['x-nonce']}"
        yield request


def _signed(request: httpx.Request) -> httpx.Request:
    request.headers["x-signed"] = f"{request.method} {request.url.path}"
    return request


async def test_every_kind_of_authentication_signs() -> None:
    def script(request: Request) -> Reply:
        return (
            echo(request)
            if "x-answer" in request.headers or "digest" not in request.url
            else Reply(401, b"", {"x-nonce": "n1"})
        )

    async with FaultyServer(script) as server:
        basic, signing = Client(server.base_url, auth=("ada", "pass")), Client(server.base_url, auth=_signed)
        assert (await basic.request("POST", "/x")).json()["headers"]["authorization"] == "Basic YWRhOnBhc3M="
        assert (await signing.request("POST", "/x")).json()["headers"]["x-signed"] == "POST /x"
        own = (await basic.request("POST", "/x", auth=_signed)).json()["headers"]
        assert "authorization" not in own
        assert own["x-signed"] == "POST /x"
        assert (await basic.request("POST", "/digest", auth=Digest())).json()["headers"]["x-answer"] == "401 n1"
        await basic.aclose()
        await signing.aclose()


async def test_no_cookie_is_kept_or_carried_to_another_account() -> None:
    async with FaultyServer(
        lambda request: Reply(200, echo(request).body, {"set-cookie": "account=1; Path=/"})
    ) as server:
        clients = [Client(server.base_url, headers={"authorization": f"Bearer {n}"}) for n in range(2)]
        for _ in range(3):
            for client in clients:
                assert "cookie" not in (await client.request("GET", "/")).json()["headers"]
        for client in clients:
            await client.aclose()


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with FaultyServer(echo) as server:
        client = Client(server.base_url)
        assert (await client.request("GET", "/")).ok
        await client.aclose()


async def test_urls_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with FaultyServer(echo) as server:
        client = Client(server.base_url, auth=("user", "t0p-s3cret"))
        await client.request("GET", "/lookup", params={"to": "+442079460000"})
        await client.aclose()
    assert "442079460000" not in caplog.text
    assert "t0p-s3cret" not in caplog.text


async def test_connections_are_kept_and_limited() -> None:
    async with FaultyServer(echo) as server:
        client = Client(server.base_url, limit=3)
        await asyncio.gather(*(client.request("POST", f"/{n}") for n in range(30)))
        await client.aclose()
        assert len(server.requests) == 30
        assert server.connections <= 3


async def test_a_client_opens_nothing_before_its_first_request() -> None:
    client = Client("http://127.0.0.1:1")
    assert not client._wire.opened
    await client.aclose()


@pytest.mark.parametrize("auth", [None, ("a", "b"), _signed, Digest()], ids=["none", "basic", "signed", "flow"])
async def test_respx_catches_everything(auth: Any) -> None:
    with respx.mock(using="httpx", assert_all_called=False) as mock:
        route = mock.post("https://api.acme.example/faxes").respond(201, json={"id": "F1"}, headers={"x-nonce": "n"})
        client = Client("https://api.acme.example", auth=auth)
        answer = await client.request("POST", "/faxes", json={"to": "x"})
        assert (answer.status, answer.json()) == (201, {"id": "F1"})
        assert route.called
        await client.aclose()
