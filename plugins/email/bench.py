# ruff: noqa: INP001 - a script beside the package, which measures its parts
"""Measure what one mail costs, part by part, and what signing costs: `python plugins/email/bench.py` prints a table.

Beside ours stands the standard library's ``email.message``, round by round in turn. The SMTP client and whole campaigns
are measured by ``omnibus bench`` (scenarios ``compose``, ``smtp-client``, ``campaign-email``). Nothing here is a test.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email.message import EmailMessage
from email.policy import SMTP
from itertools import cycle
from statistics import median
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from omnibus import Draft, Message
from omnibus.testing import FakeClock, sample_context
from omnibus.testing.drafts import BRAND, CTA, OPT_OUT, TERMS
from omnibus.writing.drafts import Writer
from omnibus_email import Email, EmailContent
from omnibus_email.dkim import Signer
from omnibus_email.mime import Envelope, message_id, write

ROUNDS, TIMES, PEOPLE, SIGNED = 7, 300, 200, 400
NOW = FakeClock().now()
BODY = """Dear {{ name }}, we kept your {{ thing }} for you, in size {{ size }} and in {{ colour }}, as you left them on {{ day }}.

They are **{{ price }}** until {{ offer.deadline }}, and with the code {{ offer.code }} you pay less. Free returns within a
hundred days, delivered to your door by our own riders in two days.

Every pair is made by hand in a small house by the sea, from leather that we know by name and soles that can be sewn on
again. Every pair is made by hand in a small house by the sea, from leather that we know by name.

See you soon in {{ city }}, or in our [web shop](https://acme.example/shop).
"""
NAMES = ("Ada Byron", "Zoë Müller", "Grace Hopper", "Li Wei", "Óscar de la Cruz")
MESSAGE = Message(
    "cart", version="1", headline="{{ name }}, your {{ thing }} is waiting", body=BODY, preheader="{{ name }}, your size is here",
    cta=CTA, offer="comeback",
)  # fmt: skip
WRITER = Writer(BRAND)


def drafted(number: int) -> Draft:
    """Draft for one of many people: ten variables and an offer."""
    values = {
        "name": NAMES[number % 5], "thing": f"Trail Boots {number}", "size": str(36 + number % 12), "colour": "brown",
        "day": "Monday", "price": f"€{number % 90 + 9}.50", "city": "London",
    }  # fmt: skip
    return WRITER.draft(
        MESSAGE, view={}, values=values, locale="en-GB", zone="Europe/London", delivery=f"d{number}", terms=TERMS,
        opt_out=replace(OPT_OUT, url=f"https://talk.example.com/u/{number:080d}"), now=NOW,
    )  # fmt: skip


def by_the_library(content: EmailContent, envelope: Envelope) -> bytes:
    """Build the same mail with the standard library's tree."""
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"] = "Acme <hello@acme.example>", envelope.to, content.subject
    mail["Message-ID"], mail["Date"] = f"<{envelope.message_id}>", envelope.date
    for name, value in content.headers.items():
        mail[name] = value
    mail.set_content(content.text)
    mail.add_alternative(content.html, subtype="html")
    return mail.as_bytes()


def row(name: str, *values: str) -> None:
    """Print one line of the table."""
    sys.stdout.write(f"{name:<64}" + "".join(f"{each:>12}" for each in values) + "\n")


def in_turn(calls: dict[str, tuple[Callable[[Any], Any], list[Any]]]) -> dict[str, float]:
    """Measure in interleaved rounds: the median of microseconds of this thread's CPU for one call."""
    spent: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, (call, given) in calls.items():
            people = cycle(given)
            times = TIMES // 10 if "library" in name or "layout" in name else TIMES
            began = time.thread_time()
            for _ in range(times):
                call(next(people))
            spent[name].append((time.thread_time() - began) / times * 1e6)
    return {name: median(each) for name, each in spent.items()}


def composing() -> None:
    """Measure a mail of about 9 KB."""
    channel, context = Email(), sample_context()
    drafts = [drafted(number) for number in range(PEOPLE)]
    layout = channel.layout(MESSAGE, BRAND, "en-GB")
    contents = [channel.compose(each, layout, context) for each in drafts]
    envelope = Envelope(("Acme", "hello@acme.example"), "ada@example.com", message_id("d1", "acme.example"), NOW)
    told = in_turn({
        "layout": (lambda _: channel.layout(MESSAGE, BRAND, "en-GB"), drafts),
        "draft": (drafted, list(range(PEOPLE))),
        "compose": (lambda each: channel.compose(each, layout, context), drafts),
        "compose, from Markdown": (
            lambda each: channel.compose(each, layout, context), [replace(each, skeleton="") for each in drafts],
        ),
        "write": (lambda each: write(each, envelope), contents),
        "library": (lambda each: by_the_library(each, envelope), contents),
    })  # fmt: skip
    row("one mail, CPU", "µs")
    row("layout, once per message version, brand and language", f"{told['layout']:.0f}")
    row("draft (the core's rendering)", f"{told['draft']:.0f}")
    row("compose: fill the layout, encode what is personal", f"{told['compose']:.0f}")
    row("  the same, read from the person's own Markdown", f"{told['compose, from Markdown']:.0f}")
    row("write: headers, their guard, the MIME of it", f"{told['write']:.0f}")
    row("email.message", f"{told['library']:.0f}")
    row("email.message ÷ write", f"{told['library'] / told['write']:.0f}×")
    row("email.message ÷ (compose + write)", f"{told['library'] / (told['compose'] + told['write']):.0f}×")
    signing(write(contents[0], envelope))


def signing(mail: bytes) -> None:
    """Measure DKIM, and what a second thread adds: the library lets others run while it signs."""
    for name, key in (
        ("RSA-2048", rsa.generate_private_key(65537, 2048)),
        ("Ed25519", ed25519.Ed25519PrivateKey.generate()),
    ):
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        signer = Signer.of_pem("acme.example", "s1", pem.decode())
        rates = []
        for threads in (1, 2):
            with ThreadPoolExecutor(threads) as pool:
                began = time.perf_counter()
                list(pool.map(lambda _, signer=signer: signer.sign(mail, NOW), range(SIGNED)))
                rates.append(SIGNED / (time.perf_counter() - began))
        row(f"DKIM {name}, signatures/s with 1 and 2 threads", *(f"{each:.0f}" for each in rates))


if __name__ == "__main__":
    composing()
