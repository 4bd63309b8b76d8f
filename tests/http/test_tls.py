"""TLS: who is trusted, for which name, and that a lost answer is one under TLS as well."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from omnibus import TryLater, Unknown
from omnibus.http import Client
from omnibus.http.wire import _tls

from .conftest import OK, Line, hurry


def certificate(folder: Path, *, days: int = 1) -> Path:
    """Write a key and a certificate for ``localhost`` that vouches for itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "pem").write_bytes(made.public_bytes(pem) + secret)
    return folder / "pem"


@asynccontextmanager
async def served(pem: Path, talk: Callable[[Line], Awaitable[None]]) -> AsyncIterator[int]:
    running: set[asyncio.Task[None]] = set()

    async def one(line: Line) -> None:
        try:
            await talk(line)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            line.writer.close()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(one(Line(reader, writer)))
        running.add(task)
        task.add_done_callback(running.discard)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for each in list(running):
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)


@pytest.fixture
def vouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pem = certificate(tmp_path)
    monkeypatch.setattr("omnibus.http.wire._tls", lambda: ssl.create_default_context(cafile=str(pem)))
    return pem


def test_certificates_and_names_are_checked() -> None:
    context = _tls()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


async def test_a_trusted_server_is_spoken_to_on_one_kept_connection(vouched: Path) -> None:
    connections = 0

    async def talk(line: Line) -> None:
        nonlocal connections
        connections += 1
        while True:
            await line.asked()
            await line.say(OK)

    async with served(vouched, talk) as port:
        client = Client(f"https://localhost:{port}")
        for number in range(3):
            assert (await client.request("POST", "/x", json={"n": number})).body == b"ok"
        await client.aclose()
        assert connections == 1


@pytest.mark.parametrize("case", ["another name", "expired", "nobody vouches"])
async def test_who_is_not_trusted_gets_nothing(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    pem = certificate(tmp_path, days=-1 if case == "expired" else 1)
    if case != "nobody vouches":
        monkeypatch.setattr("omnibus.http.wire._tls", lambda: ssl.create_default_context(cafile=str(pem)))

    async def talk(line: Line) -> None:
        asked.append(await line.asked())

    async with served(pem, talk) as port:
        client = Client(f"https://{'127.0.0.1' if case == 'another name' else 'localhost'}:{port}")
        with pytest.raises(TryLater, match="not_connected"):
            await client.request("POST", "/x", json={})
        await client.aclose()
    assert asked == []


@pytest.mark.parametrize("case", ["closed", "cut", "half", "hangs"])
async def test_a_lost_answer_is_lost_under_tls_too(case: str, vouched: Path) -> None:
    asked = []

    async def talk(line: Line) -> None:
        await line.asked()
        await line.say(OK)
        asked.append(await line.asked())
        if case == "cut":
            line.writer.transport.abort()
        elif case == "half":
            await line.say(OK[:-1])
        elif case == "hangs":
            await line.gone()

    async with served(vouched, talk) as port:
        client = Client(f"https://localhost:{port}")
        await client.request("GET", "/first")
        hurry(client, 0.4 if case == "hangs" else 10)
        with pytest.raises(Unknown, match="deadline" if case == "hangs" else "answer_lost"):
            await client.request("POST", "/x", json={})
        await client.aclose()
    assert len(asked) == 1
