"""What both sides of the email scenes say: one letter with ten variables, and how others build the same mail."""

from __future__ import annotations

import email.policy
from collections.abc import Mapping
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

import jinja2

from omnibus.bench.rounds import Unbalanced
from omnibus.bench.scenes import NOW, Setting
from omnibus.model.event import Event

GOODS = ("Harbour mug", "Anchor tea", "Tide towel")
FROM, DOMAIN = "hello@acme.example", "acme.example"
BRAND = """name = "Acme"
url = "https://acme.example"
legal = ["Acme Ltd, 1 Harbour Street, London E1W 1AA"]
[theme]
primary = "#0b5d4e"
on_primary = "#ffffff"
background = "#fffaf3"
text = "#2b2420"
accent = "#b4491f"
font = "Georgia, 'Times New Roman', serif"
[senders]
unsubscribe = "stop@acme.example"
"""
LETTER = """---
purpose: marketing
topic: news
via: [email]
while: [cart.open]
cta: { label: Finish your order, url: "https://acme.example/cart" }
---
# {{ customer.first_name }}, your cart is waiting

We kept your cart just as you left it:

- {{ cart.lines[0].quantity }} × {{ cart.lines[0].name }} at {{ cart.lines[0].price }}
- {{ cart.lines[1].quantity }} × {{ cart.lines[1].name }} at {{ cart.lines[1].price }}
- {{ cart.lines[2].quantity }} × {{ cart.lines[2].name }} at {{ cart.lines[2].price }}

Take your time, or come by: the shop in Harbour Street has your cart, too, and somebody there who knows
how each of these things was made. What you do not like goes back within sixty days, no question asked.
We pack without plastic and send twice a week, on Tuesdays and on Fridays, with the boat at nine.
"""


def values(customer: str) -> dict[str, str]:
    """Give the ten variables of one customer, each a text that occurs nowhere else in the mail."""
    number = int(customer[1:])
    found = {"first": f"Ada{number:07d}"}
    for place, name in enumerate(GOODS):
        found[f"name{place}"] = f"{name} no. {number:07d}-{place}"
        found[f"price{place}"] = f"{place + 1}{number:07d}.{place}0"
        found[f"count{place}"] = f"{place + 4}{number % 10_000_000:07d}"
    return found


def past(customer: str, channel: str) -> list[Event]:
    """Tell what a customer of the email scenes did before."""
    told, then = values(customer), NOW - timedelta(hours=1)
    lines = [
        {"sku": f"s{place}", "name": told[f"name{place}"], "price": told[f"price{place}"], "quantity": int(told[f"count{place}"])}
        for place in range(len(GOODS))
    ]  # fmt: skip
    cart = {"id": customer, "currency": "GBP", "url": "https://acme.example/cart", "lines": lines}
    said = {"channel": channel, "purpose": "marketing", "topic": "*"}
    return [
        Event(f"{customer}-consent", "bench", "consent.granted", then, customer, said),
        Event(f"{customer}-cart", "bench", "cart.updated", then, customer, cart),
        Event(f"{customer}-name", "bench", "customer.updated", then, customer, {"first_name": told["first"]}),
    ]


def to_smtp(port: int) -> Setting:
    """Set a bus up that mails to a sink."""
    provider = f'"smtp://127.0.0.1:{port}"\nfrom = "Acme <{FROM}>"\nstarttls = "never"'
    return Setting(provider, None, "email", BRAND, past, (("letter", LETTER),))


class Others:
    """Build the same mail as others do: Jinja2 and ``email.message``.

    Args:
        ours: the content for *customer*, from which the templates are made.
    """

    def __init__(self, ours: Any, customer: str) -> None:
        html = jinja2.Environment(autoescape=True)
        plain = jinja2.Environment(autoescape=False)  # noqa: S701 - a text part
        self._subject = plain.from_string(_template(ours.subject, customer))
        self._text = plain.from_string(_template(ours.text, customer), globals={})
        self._html = html.from_string(_template(ours.html, customer))
        self._headers = dict(ours.headers)

    def render(self, told: Mapping[str, str]) -> tuple[str, str, str]:
        """Render subject, text and HTML."""
        return self._subject.render(told), self._text.render(told), self._html.render(told)

    def build(self, parts: tuple[str, str, str], to: str, name: str) -> EmailMessage:
        """Build the mail."""
        subject, text, html = parts
        mail = EmailMessage(policy=email.policy.SMTP)
        mail["Date"] = format_datetime(NOW)
        mail["From"] = f"Acme <{FROM}>"
        mail["To"] = to
        mail["Message-ID"] = f"<{name}@{DOMAIN}>"
        mail["Subject"] = subject
        mail["Auto-Submitted"] = "auto-generated"
        for key, value in self._headers.items():
            mail[key] = value
        mail.set_content(text)
        mail.add_alternative(html, subtype="html")
        return mail


def _template(made: str, customer: str) -> str:
    for name, value in values(customer).items():
        made = made.replace(value, f"{{{{ {name} }}}}")
    return made


def same(ours: bytes, theirs: bytes) -> None:
    """Compare two mails after parsing: subject, both bodies, and who it is from and for.

    Raises:
        Unbalanced: they differ; the part is named.
    """
    one, other = _read(ours), _read(theirs)
    wrong = [name for name in one if one[name] != other[name]]
    if wrong:
        raise Unbalanced(f"the two mails differ in {', '.join(wrong)}")


def _read(raw: bytes) -> dict[str, Any]:
    mail = message_from_bytes(raw, policy=email.policy.default)
    if not isinstance(mail, EmailMessage):
        raise Unbalanced("no mail")
    bodies = {kind: mail.get_body((kind,)) for kind in ("plain", "html")}
    return {
        **{name: str(mail[name]) for name in ("subject", "from", "to", "list-unsubscribe", "auto-submitted")},
        **{
            kind: body.get_content().replace("\r\n", "\n").rstrip("\n") if body else None
            for kind, body in bodies.items()
        },
    }
