"""Email: a durable campaign of personalised mails, composing and building alone, and the SMTP client alone."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from typing import Any

from omnibus.bench.alone import enqueue
from omnibus.bench.goals import GOALS
from omnibus.bench.mail import DOMAIN, FROM, Others, same, to_smtp, values
from omnibus.bench.rounds import Contender, Measure, Scene, Trial, Unbalanced, Unmeasured, rate_over
from omnibus.bench.scenes import NOW, Bench, balanced
from omnibus.bench.servers import SinkProcess
from omnibus.model.attempt import Attempt
from omnibus.model.message import Purpose

KEPT = 10  # connections
AIO, THREADS = "email.message + aiosmtplib", "email.message + smtplib"
Hand = Callable[[int], Awaitable[None]]


class Letters:
    """Make the scenes; the email plugin and aiosmtplib are looked for, not required."""

    def __init__(self, bench: Bench, sink: SinkProcess) -> None:
        self.bench, self.sink = bench, sink
        self.count = bench.size.mails
        self.names = bench.names(self.count)
        self._contents: list[Any] = []

    async def scenes(self) -> list[Scene]:
        """List them."""
        if find_spec("omnibus_email") is None:
            lacking = Unmeasured("bus", "omnibus-email is not installed")
            return [self._campaign(lacking), self._compose(lacking), self._client(lacking)]
        await self._prepare()
        return [self._campaign(), self._compose(), self._client()]

    async def _prepare(self) -> None:
        """Compose for everybody, and hold what others build against it, customer by customer."""
        self._mime = import_module("omnibus_email.mime")
        bus = await self.bench.bus(to_smtp(self.sink.port), people=self.count)
        await enqueue(bus, self.names, "letter")
        rows = sorted(await bus.parts.store.deliveries(last=self.count), key=lambda each: each.customer)
        self._channel = bus.lines["email", "person"].channel
        self._composer, self._rows = bus.parts.road.composer, rows
        self._contexts = [await bus.context(name) for name in self.names]
        self._contents = [self._composed(number) for number in range(self.count)]
        self.others = Others(self._contents[3], self.names[3])
        await self.bench.clear()
        for number in islice(range(self.count), 50):
            same(self._written(number), bytes(self._built(number)))

    def _composed(self, number: int) -> Any:
        return self._composer.compose(self._rows[number], self._channel, self._contexts[number], None, NOW)[1]

    def _written(self, number: int, content: Any = None) -> bytes:
        name = self._mime.message_id(self._rows[number].id, DOMAIN)
        envelope = self._mime.Envelope(("Acme", FROM), f"{self.names[number]}@example.com", name, NOW)
        return bytes(self._mime.write(content or self._contents[number], envelope))

    def _built(self, number: int, mark: str = "x") -> Any:
        name = self.names[number]
        return self.others.build(self.others.render(values(name)), f"{name}@example.com", f"{mark}.{number:08d}")

    # ---- scenes

    def _campaign(self, lacking: Unmeasured | None = None) -> Scene:
        rows: tuple[Contender | Unmeasured, ...] = (
            lacking or Contender("bus", self.campaign, "FULL", "durable, all features on, 10 connections kept", "smtp"),
            self._aiosmtplib(AIO, lambda: self._sending(personal=True), "Jinja2, 10 connections kept"),
            Contender(THREADS, self.threads, setup="Jinja2, 10 threads, a connection each", sink="smtp"),
        )
        return Scene("campaign-email", "mails", rows, (rate_over("bus", AIO, GOALS["9"]), rate_over("bus", THREADS)))

    def _compose(self, lacking: Unmeasured | None = None) -> Scene:
        built, rendered = "email.message", "Jinja2 + email.message"
        rows: tuple[Contender | Unmeasured, ...] = (
            lacking or Contender("write", lambda: self._loop(self._written), setup="MIME alone, guard included"),
            Contender(built, lambda: self._loop(self._assembled), setup="the same content"),
            Unmeasured("compose + write", lacking.reason) if lacking else
            Contender("compose + write", lambda: self._loop(lambda n: self._written(n, self._composed(n))), setup="draft to bytes"),
            Contender(rendered, lambda: self._loop(lambda n: bytes(self._built(n))), setup="two templates, compiled once"),
        )  # fmt: skip
        compose = Measure(
            ("compose + write", "write"),
            lambda a, b: a.cpu_us - b.cpu_us,
            what="compose, rendering included",
            unit="µs",
        )
        return Scene(
            "compose", "mails", rows, (rate_over("write", built, GOALS["17"]), rate_over("compose + write", rendered), compose)
        )  # fmt: skip

    def _client(self, lacking: Unmeasured | None = None) -> Scene:
        rows: tuple[Contender | Unmeasured, ...] = (
            lacking or Contender("the email plugin", self.pooled, setup="a fixed mail, 10 connections", sink="smtp"),
            self._aiosmtplib("aiosmtplib", lambda: self._sending(personal=False), "a fixed mail, 10 connections kept"),
        )
        ours = "bus" if lacking else "the email plugin"
        return Scene("smtp-client", "mails", rows, (rate_over(ours, "aiosmtplib", GOALS["18"]),))

    def _aiosmtplib(self, name: str, make: Callable[[], Awaitable[Trial]], setup: str) -> Contender | Unmeasured:
        if find_spec("aiosmtplib") is None:
            return Unmeasured(name, "aiosmtplib is not installed: pip install 'omnibus-bus[bench]'")
        return Contender(name, make, setup=setup, sink="smtp", peer=True)

    # ---- trials

    async def campaign(self) -> Trial:
        """Send everybody their letter through the whole bus."""
        bus = await self.bench.bus(to_smtp(self.sink.port), people=self.count)
        await enqueue(bus, self.names, "letter")
        check = await self._counting(self.count)

        async def run() -> int:
            await bus.drain()
            return self.count

        async def checked() -> None:
            await check()
            await balanced(bus, self.count)

        return Trial(run, checked)

    async def _sending(self, *, personal: bool) -> Trial:
        """Send through ten kept connections of aiosmtplib; a fixed mail, or one that is rendered and built for each."""
        aiosmtplib = import_module("aiosmtplib")
        fixed = bytes(self._built(0, "fixed"))
        clients = [aiosmtplib.SMTP(hostname="127.0.0.1", port=self.sink.port, start_tls=False) for _ in range(KEPT)]
        for each in clients:
            await each.connect()

        def hands(client: Any) -> Hand:
            async def personally(number: int) -> None:
                await client.send_message(self._built(number, "aio"))

            async def fixedly(number: int) -> None:
                await client.sendmail(FROM, ["c0000000@example.com"], fixed)

            return personally if personal else fixedly

        trial = await self._shared([hands(each) for each in clients], distinct=personal)

        async def check() -> None:
            for each in clients:
                await each.quit()
            if trial.check is not None:
                await trial.check()

        return Trial(trial.run, check)

    async def threads(self) -> Trial:
        """Send through ten threads, each with a kept connection of smtplib."""
        check = await self._counting(self.count)

        def work(numbers: range) -> None:
            with smtplib.SMTP("127.0.0.1", self.sink.port, local_hostname=DOMAIN) as client:
                for number in numbers:
                    client.send_message(self._built(number, "thread"))

        async def run() -> int:
            with ThreadPoolExecutor(KEPT) as threads:
                parts = [threads.submit(work, range(start, self.count, KEPT)) for start in range(KEPT)]
                await asyncio.gather(*(asyncio.wrap_future(each) for each in parts))
            return self.count

        return Trial(run, check)

    async def pooled(self) -> Trial:
        """Hand a fixed mail over through the plugin's own connections."""
        kind = import_module("omnibus_email.smtp").Smtp
        told = {"host": "127.0.0.1", "port": self.sink.port, "from": FROM, "starttls": "never", "connections": KEPT}
        smtp, mail = kind(kind.Settings.model_validate(told), now=lambda: NOW), self._written(0)
        attempt = Attempt("bench", "bench", "c0000000", 1, Purpose.MARKETING, NOW)

        async def hand(number: int) -> None:
            await smtp.hand_over(mail, "c0000000@example.com", attempt)

        trial = await self._shared([hand] * KEPT, distinct=False)

        async def check() -> None:
            await smtp.aclose()
            if trial.check is not None:
                await trial.check()

        return Trial(trial.run, check)

    async def _shared(self, hands: list[Hand], *, distinct: bool) -> Trial:
        check = await self._counting(self.count, distinct=distinct)

        async def run() -> int:
            numbers = iter(range(self.count))

            async def work(hand: Hand) -> None:
                for number in numbers:
                    await hand(number)

            await asyncio.gather(*(work(each) for each in hands))
            return self.count

        return Trial(run, check)

    async def _loop(self, make: Callable[[int], bytes]) -> Trial:
        async def run() -> int:
            for number in range(self.count):
                make(number)
            return self.count

        return Trial(run)

    def _assembled(self, number: int) -> bytes:
        content, name = self._contents[number], self.names[number]
        parts = (content.subject, content.text, content.html)
        return bytes(self.others.build(parts, f"{name}@example.com", f"y.{number:08d}"))

    async def _counting(self, count: int, *, distinct: bool = True) -> Callable[[], Awaitable[None]]:
        before = await counted(self.sink)

        async def check() -> None:
            mails, ids = (after - then for after, then in zip(await counted(self.sink), before, strict=True))
            if mails != count or (distinct and ids not in {count, 0}):
                raise Unbalanced(f"the sink saw {mails} mails with {ids} new ids instead of {count}")

        return check


async def counted(sink: SinkProcess) -> tuple[int, int]:
    """Ask a mail sink how many mails, and how many distinct ids, it has seen."""
    reader, writer = await asyncio.open_connection("127.0.0.1", sink.port)
    await reader.readline()
    writer.write(b"XCOUNT\r\n")
    told = (await reader.readline()).split()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return int(told[1]), int(told[2])


class MailFloor(asyncio.Protocol):
    """Send prepared mails as fast as answers come: what the sink can take."""

    HEAD = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"
    MAIL = b"Message-ID: <floor@acme.example>\r\n\r\n" + (b"x" * 76 + b"\r\n") * 64 + b".\r\n"

    def __init__(self, left: list[int], done: asyncio.Future[None]) -> None:
        self._left, self._done = left, done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the greeting."""
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Send the next commands, or the mail that was asked for."""
        if data.endswith(b"354 go on\r\n"):
            self._transport.write(self.MAIL)
        elif self._left:
            self._left.pop()
            self._transport.write(self.HEAD)
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that this connection is done."""
        self._done.set_result(None)


async def room(sink: SinkProcess, count: int) -> float:
    """Measure how many mails a second the sink takes over ten connections that do nothing else."""
    loop, left = asyncio.get_running_loop(), list(range(count))
    done: list[asyncio.Future[None]] = [loop.create_future() for _ in range(KEPT)]
    begun = loop.time()
    for each in done:
        await loop.create_connection(partial(MailFloor, left, each), "127.0.0.1", sink.port)
    await asyncio.wait_for(asyncio.gather(*done), 120)
    return count / (loop.time() - begun)
