# ruff: noqa: INP001 - a script beside the package, which measures its parts
"""Measure what one mail costs: composing, writing, handing over. `python plugins/email/bench.py` prints a table.

Beside ours stand the standard library's ``email.message`` and, where it is installed, aiosmtplib. The sink is another
process, so that its work is not counted. Nothing here is a test: nothing is asserted about time.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from omnibus.testing import FakeClock, sample_attempt, sample_context, sample_draft
from omnibus.testing.fakes import FakeKeep
from omnibus_email import Email, Smtp, markup
from omnibus_email.mime import Envelope, message_id, write
from omnibus_email.smtp import SmtpSettings

ROUNDS, MAILS, DELAY = 5, 400, 0.0
WORDS = "We kept your Trail Boots for you, they are waiting in your size and your colour. "

SINK = """
import asyncio, sys
offer, delay = sys.argv[1:3]
async def talk(reader, writer):
    writer.write(b"220 sink\\r\\n")
    data = False
    while line := await reader.readline():
        if data:
            if line == b".\\r\\n":
                data = False
                await asyncio.sleep(float(delay)) if float(delay) else None
                writer.write(b"250 2.0.0 ok\\r\\n")
            continue
        verb = line[:4].upper()
        if verb == b"EHLO":
            writer.write(b"250-sink\\r\\n" + (b"250-PIPELINING\\r\\n" if offer == "1" else b"") + b"250 8BITMIME\\r\\n")
        elif verb == b"DATA":
            data = True
            writer.write(b"354 go\\r\\n")
        elif verb == b"QUIT":
            writer.write(b"221 bye\\r\\n")
            break
        else:
            writer.write(b"250 ok\\r\\n")
    writer.close()
async def main():
    server = await asyncio.start_server(talk, "127.0.0.1", 0, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


def row(name: str, *values: str) -> None:
    """Print one line of the table."""
    sys.stdout.write(f"{name:<52}" + "".join(f"{each:>14}" for each in values) + "\n")


def micros(call: Callable[[], Any], times: int = 500) -> float:
    """Take the best of some rounds: microseconds of CPU for one call."""
    best = 1e9
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(times):
            call()
        best = min(best, (time.process_time() - began) / times * 1e6)
    return best


def by_the_library(content: Any, envelope: Envelope) -> bytes:
    """Build the same mail with the standard library's tree."""
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"] = "Acme <hello@acme.example>", envelope.to, content.subject
    mail["Message-ID"], mail["Date"] = f"<{envelope.message_id}>", envelope.date
    for name, value in content.headers.items():
        mail[name] = value
    mail.set_content(content.text)
    mail.add_alternative(content.html, subtype="html")
    return mail.as_bytes()


def composing() -> None:
    """Measure composing and writing one mail of about 9 KB."""
    channel, context = Email(), sample_context()
    draft = sample_draft("email", paragraphs=(WORDS * 4, WORDS * 3, f"{WORDS} Now €39.00.", WORDS * 2))
    layout = channel.layout(draft.message, draft.brand, draft.locale)
    content = channel.compose(draft, layout, context)
    name = message_id("0197", "acme.example")
    envelope = Envelope(("Acme", "hello@acme.example"), "ada@example.com", name, FakeClock().now())
    styles = dict(layout.styles)
    row("one mail, CPU", "µs")
    rendering = micros(lambda: markup.to_html(draft.markdown, styles))
    whole = micros(lambda: write(channel.compose(draft, layout, context), envelope))
    row(
        "layout (once per message version)",
        f"{micros(lambda: channel.layout(draft.message, draft.brand, 'en'), 20):.0f}",
    )
    row("  Markdown of the body to HTML (rendering)", f"{rendering:.0f}")
    row("  compose, rendering included", f"{micros(lambda: channel.compose(draft, layout, context)):.0f}")
    row("  MIME, guard included", f"{micros(lambda: write(content, envelope)):.0f}")
    row("compose + MIME beyond rendering", f"{whole - rendering:.0f}")
    row("MIME by email.message", f"{micros(lambda: by_the_library(content, envelope), 100):.0f}")


async def rate(hand_over: Callable[[int], Awaitable[Any]], at_once: int) -> tuple[float, float]:
    """Hand over many; returns mails a second and CPU microseconds a mail, the best round."""
    best = (0.0, 0.0)
    for _ in range(ROUNDS):
        left = iter(range(MAILS))

        async def work(left: Any = left) -> None:
            for number in left:
                await hand_over(number)

        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(work() for _ in range(at_once)))
        took, used = time.perf_counter() - began, time.process_time() - cpu
        best = max(best, (MAILS / took, used / MAILS * 1e6))
    return best


def smtp_at(port: int, connections: int) -> Smtp:
    """Make a provider for the sink."""
    told = {
        "host": "127.0.0.1",
        "port": port,
        "from": "Acme <hello@acme.example>",
        "starttls": "never",
        "connections": connections,
    }
    return Smtp(SmtpSettings.model_validate(told), now=FakeClock().now)


async def handing_over(pipelining: str, port: int) -> None:
    """Measure the client: ours with or without PIPELINING, and aiosmtplib."""
    draft = sample_draft("email", paragraphs=(WORDS * 4, f"{WORDS} Now €39.00."))
    content, keep = Email().compose(draft, None, sample_context()), FakeKeep()
    attempt = sample_attempt(deadline=60)
    mail = write(content, Envelope(("Acme", "a@b.example"), "ada@example.com", "x@b.example", attempt.started))
    for connections in (1, 10):
        smtp = smtp_at(port, connections)

        async def hand_over(_: int, smtp: Smtp = smtp) -> None:
            await smtp.hand_over(mail, "ada@example.com", attempt)

        async def send(_: int, smtp: Smtp = smtp) -> None:
            await smtp.send(content, "ada@example.com", attempt, keep)

        done = await rate(hand_over, connections)
        how = "pipelined" if pipelining == "1" else "one by one"
        row(f"ours, {how}, {connections} connection(s)", f"{done[0]:.0f}", f"{done[1]:.0f}")
        done = await rate(send, connections)
        row(f"  writing the mail included, {connections}", f"{done[0]:.0f}", f"{done[1]:.0f}")
        await smtp.aclose()
        if pipelining == "1":
            await beside(port, connections, mail)


async def beside(port: int, connections: int, mail: bytes) -> None:
    """Measure aiosmtplib with kept connections, or say that it is not there."""
    try:
        import aiosmtplib  # noqa: PLC0415 - may be missing
    except ImportError:
        row(f"aiosmtplib, {connections} connection(s)", "missing")
        return
    clients = [aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) for _ in range(connections)]
    free: asyncio.Queue[Any] = asyncio.Queue()
    for each in clients:
        await each.connect()
        free.put_nowait(each)

    async def one(_: int) -> None:
        client = await free.get()
        await client.sendmail("a@b.example", ["ada@example.com"], mail)
        free.put_nowait(client)

    done = await rate(one, connections)
    for each in clients:
        await each.quit()
    row(f"aiosmtplib, {connections} connection(s)", f"{done[0]:.0f}", f"{done[1]:.0f}")


def main() -> None:
    """Measure all."""
    composing()
    row("SMTP on loopback", "mails/s", "CPU µs/mail")
    for pipelining in ("1", "0"):
        command = [sys.executable, "-c", SINK, pipelining, str(DELAY)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sink:  # noqa: S603 - our own words
            try:
                asyncio.run(handing_over(pipelining, int(sink.stdout.readline() if sink.stdout else 0)))
            finally:
                sink.terminate()


if __name__ == "__main__":
    main()
