"""Ready-made drafts, contexts and attempts: what a channel or provider meets, from plain to hostile."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from omnibus.facets import BUILT_IN
from omnibus.model.attempt import Attempt
from omnibus.model.brand import Brand, Theme, Voice
from omnibus.model.capabilities import Audience
from omnibus.model.context import Context
from omnibus.model.customer import Customer, Identity
from omnibus.model.draft import Draft, Element, Fact, OptOut
from omnibus.model.event import Event
from omnibus.model.message import CallToAction, Media, Message, Purpose
from omnibus.model.offer import Terms
from omnibus.testing.clock import START

BRAND = Brand(
    "Acme", url="https://acme.example", theme=Theme(primary="#0b5d3b"), voice=Voice(sign_off="Your Acme team"),
    legal=("Acme Ltd, 1 High Street, London",), handles={"twitter": "acme", "instagram": "acme"},
)  # fmt: skip
TERMS = Terms("comeback", "ADA7-K2M9-3QXT", "15 % off", 15, START + timedelta(days=3), "24 November 2026")
CTA = CallToAction("Finish your order", "https://acme.example/c/7Qx2")
PICTURE = Media("https://acme.example/boots.jpg", "A pair of trail boots")
OPT_OUT = OptOut("https://talk.example.com/u/t0k3n", "mailto:stop@acme.example")
PRICE = "€39.00"

#: what a person's own data must never become: a header, a command of a printer, markup that runs
INJECTED = "X-Omnibus-Injected"
COMMAND = "\x1b=\x01OMNI"
SCRIPT = "<script>OMNI()</script>"
HOSTILE = f"Ada\r\n{INJECTED}: yes\r\n\r\n{COMMAND}\x00\x7f\x85\u2028{SCRIPT}<img src=x onerror=OMNI()>*_[](`"

_PARAGRAPHS = ("We kept your Trail Boots for you.", f"They are {PRICE} until the shop closes, in your size.")
_RANK = {"offer": 0, "cta": 0, "headline": 1, "paragraph": 2, "legal": 60, "sign_off": 70}


def sample_draft(
    channel: str, audience: Audience = "person", *, headline: str = "Ada, your Trail Boots are waiting",
    paragraphs: Sequence[str] = _PARAGRAPHS, purpose: Purpose = Purpose.MARKETING, locale: str = "en-GB",
    offer: Terms | None = TERMS, cta: CallToAction | None = CTA, media: Sequence[Media] = (), brand: Brand = BRAND,
    block: str = "", facts: Iterable[Fact] = (), preheader: str = "Your size is still here", thread: str = "t1",
    data: Mapping[str, Any] | None = None,
) -> Draft:  # fmt: skip
    """Make a draft as the core would, all its facts stated.

    Args:
        block: the author's own words for *channel*; empty for none.
        facts: further facts, e.g. ``Fact("opt_out", "Reply STOP to stop")``.
    """
    stated = [Fact("price", PRICE)] if any(PRICE in each for each in paragraphs) else []
    if offer:
        stated += [Fact("code", offer.code), Fact("deadline", offer.deadline)]
    if cta:
        stated.append(Fact("link", cta.url))
    elements = [("headline", headline), *(("paragraph", each) for each in paragraphs)]
    if offer:
        elements.append(("offer", f"{offer.label} with code {offer.code} until {offer.deadline}"))
    if cta:
        elements.append(("cta", f"{cta.label}: {cta.url}"))
    elements += [("sign_off", brand.voice.sign_off), *(("legal", each) for each in brand.legal)]
    message = Message(
        "cart-reminder", purpose, "cart", version="1", headline=headline, body="\n\n".join(paragraphs),
        audience=audience, source="messages/cart-reminder.md", data=data or {}, offer=offer.offer if offer else "",
        cta=cta, media=tuple(media), expires=timedelta(days=3),
    )  # fmt: skip
    return Draft(
        message, brand, locale, "0197f5a0-0000-7000-8000-000000000001", headline,
        markdown="\n\n".join(_escaped(each) for each in paragraphs), text="\n\n".join(paragraphs),
        elements=tuple(_elements(elements)), blocks={channel: block} if block else {},
        facts=(*stated, *facts), cta=cta, media=tuple(media), offer=offer,
        opt_out=OPT_OUT if purpose is Purpose.MARKETING else OptOut(word=""), preheader=preheader, thread=thread,
    )  # fmt: skip


#: name → what differs from the plain one
SAMPLES: Mapping[str, Mapping[str, Any]] = {
    "offer": {},
    "plain": {"offer": None, "cta": None, "paragraphs": ("Your parcel has left our house.",), "purpose": Purpose.SERVICE},
    "bare": {"offer": None, "cta": None, "headline": "", "paragraphs": ("Done.",), "purpose": Purpose.TRANSACTIONAL},
    "transactional": {"purpose": Purpose.TRANSACTIONAL},
    "service": {"purpose": Purpose.SERVICE},
    "opt-out stated": {"facts": (Fact("opt_out", "Reply STOP to stop"),)},
    "emoji and Chinese": {
        "headline": "阿达，您的靴子在等您 🥾", "locale": "zh-Hans",
        "paragraphs": ("我们为您保留了它们。👩🏽‍🚀🏳️‍🌈", f"现在 {PRICE}，售完为止。"),
    },
    "right to left": {"headline": "עדה, המגפיים מחכים", "paragraphs": ("שמרנו אותם בשבילך.",), "locale": "he"},
    "unknown language": {"locale": "tlh-QX"},
    "over-long": {"paragraphs": tuple(f"Paragraph {n} tells more of the same long story, word by word." for n in range(90))},
    "over-long emoji": {"paragraphs": tuple("👩🏽‍🚀🏳️‍🌈 " * 20 + str(n) for n in range(40))},
    "one endless word": {"paragraphs": ("Pneumono" * 500,)},
    "long headline": {"headline": "A headline that does not know when to stop " * 30},
    "with a picture": {"media": (PICTURE,)},
}  # fmt: skip


def hostile_draft(channel: str, audience: Audience = "person", **changes: Any) -> Draft:
    """Make a draft in which everything that a person or an operator typed tries to become a header, command or markup."""
    brand = Brand(
        f"Acme {HOSTILE}", theme=BRAND.theme, voice=Voice(sign_off=HOSTILE), legal=(HOSTILE,), senders={channel: HOSTILE},
    )  # fmt: skip
    told = {
        "headline": HOSTILE,
        "paragraphs": (HOSTILE, f"Now {PRICE}"),
        "brand": brand,
        "preheader": HOSTILE,
        "thread": HOSTILE,
    }
    return sample_draft(channel, audience, **{**told, **changes})


def sample_context(facets: Iterable[type[Any]] = (), events: Iterable[Event] = ()) -> Context:
    """Make the context of a customer with one identity of each kind."""
    values = {
        "email": "ada@example.com", "phone": "+442079460000", "x": "1234567", "instagram": "17841400000000",
        "web": "v-7Qx2", "push": "https://push.example/1", "loyalty": "L-1",
    }  # fmt: skip
    mine = tuple(Identity(kind, value, f"ref-{kind}", verified=True) for kind, value in values.items())
    told = Event(
        "e0", "test", "customer.updated", START - timedelta(days=9), "c1", {"name": "Ada Byron", "locale": "en-GB"}
    )
    every: list[Any] = [*BUILT_IN, *facets]
    registered = {each.name: each for each in every}
    return Context(Customer("c1", mine), registered).after([told, *events])


def sample_attempt(number: int = 1, *, deadline: float = 5.0, started: datetime = START, **changes: Any) -> Attempt:
    """Make an attempt; each *number* has its own id and delivery.

    Args:
        deadline: seconds.
    """
    id_ = f"0197f5a0-0000-7000-9000-{number:012x}"
    told: dict[str, Any] = {
        "id": id_, "delivery": f"0197f5a0-0000-7000-8000-{number:012x}", "customer": "c1", "number": 1,
        "purpose": Purpose.MARKETING, "started": started.astimezone(UTC), "deadline": deadline,
        "report_url": f"https://talk.example.com/hooks/test/test?attempt={id_}", "message": "cart-reminder",
    }  # fmt: skip
    return Attempt(**{**told, **changes})


def _elements(pieces: Iterable[tuple[Any, str]]) -> Iterable[Element]:
    paragraphs = 0
    for kind, text in pieces:
        paragraphs += kind == "paragraph"
        rank = _RANK[kind] + (min(paragraphs, 50) if kind == "paragraph" else 0)
        if text:
            yield Element(kind, text, rank)


def _escaped(text: str) -> str:
    """Escape as the core does, so that a value cannot become markup."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!<>&|~])", r"\\\1", text)
