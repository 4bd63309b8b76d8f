"""A server that says exactly the bytes it is told to, whenever it is told to."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from omnibus.http import Client

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def hurry(client: Client, seconds: float) -> None:
    """Shorten a client's deadline, once it has a connection: how long connecting takes is another matter."""
    client._deadline = client._wire._deadline = seconds


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


class Line:
    """Read requests whole and write bytes, on one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def asked(self) -> bytes:
        head = await self.reader.readuntil(b"\r\n\r\n")
        found = re.search(rb"content-length: (\d+)", head)
        return head + await self.reader.readexactly(int(found[1]) if found else 0)

    async def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def gone(self) -> None:
        """Wait until the other side has closed or cut the connection."""
        try:
            await self.reader.read()
        except ConnectionError:
            return


@asynccontextmanager
async def served(talk: Callable[[Line], Awaitable[None]], pem: Path | None = None) -> AsyncIterator[str]:
    """Serve each connection by *talk*, under TLS with the key and certificate of *pem*; gives the base URL."""
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

    context = None
    if pem is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pem)
    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    try:
        yield f"{'https://localhost' if pem else 'http://127.0.0.1'}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for each in list(running):
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await server.wait_closed()
