"""Where a stranger's URL may lead, and where it may not."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from omnibus import Refused, Unknown
from omnibus.errors import DeliveryError
from omnibus.http import Client, is_public, vet
from omnibus.testing import FaultyServer, Reply

OPEN = [
    "https://example.com/",
    "http://example.com/",
    "https://example.com:443/x",
    "http://example.com:80/",
    "https://EXAMPLE.com",
    "https://sub.domain.example.co.uk/a?b=c#d",
    "https://xn--bcher-kva.example/",
    "https://example.com./",
    "https://1.1.1.1/",
    "http://8.8.8.8/",
    "https://93.184.215.14/",
    "https://[2606:4700:4700::1111]/",
    "https://[2a00:1450:4001:81b::200e]/",
    "https://[::ffff:8.8.8.8]/",
    "https://[64:ff9b::8.8.8.8]/",
    "https://172.15.255.255/",
    "https://172.32.0.1/",
    "https://100.63.255.255/",
    "https://100.128.0.0/",
    "https://192.0.1.1/",
    "https://198.17.255.255/",
    "https://198.20.0.0/",
    "https://223.255.255.255/",
    "https://169.253.255.255/",
    "https://11.0.0.0/",
    "https://9.255.255.255/",
    "https://126.255.255.255/",
    "https://128.0.0.0/",
    "https://web.push.apple.com/QGx",
    "https://fcm.googleapis.com/fcm/send/abc:def",
    "https://sns.eu-west-1.amazonaws.com/x.pem",
    "https://123.example.com/",
    "https://0x7f.example.com/",
    "https://[2400::1]/",
    "https://[2c0f::1]/",
]

CLOSED = [
    r"http://127.0.0.1/",
    r"http://127.0.0.1:80/",
    r"https://127.1.2.3/",
    r"http://localhost/",
    r"https://localhost:443/",
    r"http://localhost./",
    r"http://127.1/",
    r"http://127.0.1/",
    r"http://2130706433/",
    r"http://0x7f000001/",
    r"http://0x7f.0.0.1/",
    r"http://0x7f.1/",
    r"http://0177.0.0.1/",
    r"http://017700000001/",
    r"http://0/",
    r"http://0.0.0.0/",
    r"http://0x0/",
    r"http://00000000.0x0/",
    r"http://127.0.0.1./",
    r"http://127.0.0.1.../",
    r"http://1.1.1/",
    r"http://1.1/",
    r"http://16843009/",
    r"http://256.1.1.1/",
    r"http://1.2.3.4.5/",
    r"http://3232235521/",
    r"http://10.0.0.1/",
    r"http://10.255.255.255/",
    r"http://172.16.0.1/",
    r"http://172.31.255.255/",
    r"http://192.168.0.1/",
    r"http://192.168.255.255/",
    r"http://169.254.169.254/latest/meta-data/",
    r"http://169.254.0.1/",
    r"http://169.254.170.2/",
    r"http://100.64.0.1/",
    r"http://100.127.255.255/",
    r"http://100.100.100.200/latest/",
    r"http://168.63.129.16/",
    r"http://192.0.0.192/opc/v2/",
    r"http://192.0.0.1/",
    r"http://192.0.0.9/",
    r"http://192.0.0.170/",
    r"http://192.0.2.1/",
    r"http://192.88.99.1/",
    r"http://198.18.0.1/",
    r"http://198.19.255.255/",
    r"http://198.51.100.1/",
    r"http://203.0.113.1/",
    r"http://224.0.0.1/",
    r"http://239.255.255.250/",
    r"http://240.0.0.1/",
    r"http://255.255.255.255/",
    r"http://0.1.2.3/",
    r"http://[::1]/",
    r"http://[::]/",
    r"http://[0:0:0:0:0:0:0:1]/",
    r"http://[::ffff:127.0.0.1]/",
    r"http://[::ffff:7f00:1]/",
    r"http://[::ffff:169.254.169.254]/",
    r"http://[::ffff:10.0.0.1]/",
    r"http://[::ffff:0:127.0.0.1]/",
    r"http://[::127.0.0.1]/",
    r"http://[::7f00:1]/",
    r"http://[64:ff9b::127.0.0.1]/",
    r"http://[64:ff9b::7f00:1]/",
    r"http://[64:ff9b::a9fe:a9fe]/",
    r"http://[64:ff9b::10.1.1.1]/",
    r"http://[64:ff9b:1::1]/",
    r"http://[64:ff9b:1::127.0.0.1]/",
    r"http://[2002:7f00:1::]/",
    r"http://[2002:a9fe:a9fe::1]/",
    r"http://[2002:808:808::1]/",
    r"http://[2001::1]/",
    r"http://[2001:0:7f00:1::]/",
    r"http://[2001:10::1]/",
    r"http://[2001:20::1]/",
    r"http://[2001:2::1]/",
    r"http://[2001:db8::1]/",
    r"http://[3ffe::1]/",
    r"http://[3fff::1]/",
    r"http://[3fff:fff:ffff::]/",
    r"http://[5f00::1]/",
    r"http://[4000::1]/",
    r"http://[fc00::1]/",
    r"http://[fd00:ec2::254]/",
    r"http://[fe80::1]/",
    r"http://[fe80::1%25eth0]/",
    r"http://[fec0::1]/",
    r"http://[ff02::1]/",
    r"http://[100::1]/",
    r"http://[::ffff:8.8.8.8%25lo]/",
    r"https://example.com:8443/",
    r"http://example.com:22/",
    r"http://example.com:6379/",
    r"https://example.com:80443/",
    r"http://example.com:0x50/",
    r"https://user@example.com/",
    r"https://user:pass@example.com/",
    r"https://example.com@127.0.0.1/",
    r"https://127.0.0.1@example.com/",
    r"ftp://example.com/",
    r"file:///etc/passwd",
    r"gopher://example.com/",
    r"data:text/plain,x",
    r"javascript:alert(1)",
    r"unix:///var/run/docker.sock",
    r"http+unix://x/",
    r"ws://example.com/",
    r"//example.com/",
    r"/etc/passwd",
    r"example.com",
    r"http://",
    r"https:///x",
    r"http://[/",
    r"http://[::1/",
    r"http://intranet/",
    r"http://metadata/",
    r"http://kubernetes/",
    r"http://１２７.０.０.１/",
    r"http://127。0。0。1/",
    r"http://ⓔxample.com/",
    r"http://例え.jp/",
    r"http://example%2ecom/",
    r"http://127.0.0.1%00.example.com/",
    r"http://example.com\@127.0.0.1/",
    r"http://example.com%09@127.0.0.1/",
    r"http://exa%0d%0ample.com/",
    r"http://[127.0.0.1]/",
    r"http://[v1.x]/",
]

ODD = [
    "",
    " ",
    "http://example.com/ x",
    "http://exa\tmple.com/",
    "http://example.com/\r\nX: y",
    "http://example.com\x00/",
]


def test_the_corpus_is_large_enough() -> None:
    assert len(OPEN) >= 30
    assert len({*CLOSED, *ODD}) >= 110


@pytest.mark.parametrize("url", OPEN)
def test_open(url: str) -> None:
    vet(url)


@pytest.mark.parametrize("url", [*CLOSED, *ODD])
def test_closed(url: str) -> None:
    with pytest.raises(Refused, match="forbidden_url"):
        vet(url)


@pytest.mark.parametrize("address", ["", "x", "127.1", "1", "8.8.8.8 ", "::ffff:8.8.8.8%lo", "fe80::1%eth0"])
def test_what_is_no_plain_address_is_not_public(address: str) -> None:
    assert not is_public(address)


def test_a_trusted_host_may_be_anywhere_but_speaks_http() -> None:
    vet("http://127.0.0.1:8080/x", {"127.0.0.1:8080"})
    for url in ("http://127.0.0.1:8081/", "ftp://127.0.0.1:8080/", "http://127.0.0.2:8080/"):
        with pytest.raises(Refused):
            vet(url, {"127.0.0.1:8080"})


class Names:
    """Answer look-ups from a list, one after the other, and count them."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers, self.asked = list(answers), 0

    async def __call__(self, host: str, port: int, **_: Any) -> Any:
        self.asked += 1
        told = self.answers.pop(0)
        kinds = [socket.AF_INET6 if ":" in each else socket.AF_INET for each in told]
        return [(kind, socket.SOCK_STREAM, 6, "", (each, port)) for kind, each in zip(kinds, told, strict=True)]


@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.1",),
        ("8.8.8.8", "127.0.0.1"),
        ("::1",),
        ("8.8.8.8", "fe80::1%eth0"),
        ("169.254.169.254",),
        ("64:ff9b::7f00:1",),
    ],
    ids=str,
)
async def test_a_name_that_leads_inside_is_refused(addresses: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(addresses, addresses)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", names)
    client = Client(guard=True)
    with pytest.raises(Refused, match="forbidden_url"):
        await client.request("GET", "http://innocent.example/")
    assert names.asked == 1
    await client.aclose()


async def test_it_connects_to_the_address_that_was_vetted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that answers otherwise the second time (rebinding) is never asked a second time."""
    async with FaultyServer(lambda request: Reply.of_json({"host": request.headers["host"]})) as server:
        port = int(server.base_url.rpartition(":")[2])
        monkeypatch.setattr("omnibus.http.guard.PORTS", {port})
        monkeypatch.setattr("omnibus.http.guard.is_public", lambda address: address == "127.0.0.1")
        names = Names(("127.0.0.1",), ("127.0.0.66",))
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", names)
        client = Client(guard=True)
        answer = await client.request("POST", f"http://push.example.com:{port}/send")
        assert answer.json() == {"host": f"push.example.com:{port}"}
        assert names.asked == 1
        await client.aclose()


async def test_a_guarded_client_vets_before_it_connects() -> None:
    async with FaultyServer(lambda _: Reply()) as server:
        guarded = Client(guard=True)
        for url in (server.base_url, "http://127.0.0.1/", "http://2130706433/", "http://[::1]/"):
            with pytest.raises(Refused, match="forbidden_url"):
                await guarded.request("GET", url)
        assert server.connections == 0
        trusting = Client(guard=True, trusted={server.base_url.removeprefix("http://")})
        assert (await trusting.request("GET", server.base_url)).ok
        await guarded.aclose()
        await trusting.aclose()


async def test_a_guarded_client_keeps_to_size_and_time() -> None:
    async with FaultyServer(lambda _: Reply(200, b"x" * 1_100_000)) as server:
        client = Client(guard=True, trusted={server.base_url.removeprefix("http://")})
        with pytest.raises(Unknown, match="answer_too_big"):
            await client.request("GET", server.base_url)
        await client.aclose()


async def test_redirects_lead_nowhere_either() -> None:
    async with FaultyServer(lambda _: Reply(302, b"", {"location": "http://169.254.169.254/"})) as server:
        client = Client(guard=True, trusted={server.base_url.removeprefix("http://")})
        with pytest.raises(DeliveryError, match="redirect"):
            await client.request("GET", server.base_url)
        await client.aclose()
