"""The message rendered for one customer and language: what every channel composes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from omnibus.model.brand import Brand
from omnibus.model.message import CallToAction, Media, Message
from omnibus.model.offer import Terms
from omnibus.model.swift import swift

FactKind = Literal["price", "code", "deadline", "link", "opt_out"]


@swift
@dataclass(frozen=True, slots=True)
class Fact:
    """State what may never be dropped; *text* must stand in the content letter by letter."""

    kind: FactKind
    text: str = field(repr=False)


@swift
@dataclass(frozen=True, slots=True)
class Element:
    """Offer one piece of text to a channel; rank 0 is kept first, the highest goes first when room is short."""

    kind: Literal["headline", "paragraph", "offer", "cta", "sign_off", "legal"]
    text: str = field(repr=False)
    rank: int


@dataclass(frozen=True, slots=True)
class OptOut:
    """Say how to stop: a page (GET shows, POST acts), a mail address, a word to answer.

    Args:
        url: page with a signed token, empty without a public URL.
        mailto: ``mailto:`` address for channels that can use it.
        word: what to answer where people answer, e.g. ``STOP``.
    """

    url: str = field(default="", repr=False)
    mailto: str = field(default="", repr=False)
    word: str = "STOP"


@swift
@dataclass(frozen=True, slots=True)
class Draft:
    """Hold one message for one person, rendered once per text form and not yet shaped by any channel.

    Args:
        delivery: id of the delivery, or ``preview``; channels may build references from it.
        headline: plain text, one line.
        markdown: the body without headline, values escaped so that they cannot become markup.
        text: the same body as plain text, paragraphs parted by an empty line.
        blocks: plain text made for one channel by its author, e.g. ``blocks["sms"]``.
        elements: the plain pieces with their ranks, in reading order.
        facts: what every channel must carry: price, code, deadline, link (and opt-out where the law wants it).
        thread: stable reference of the conversation, for threading; may be empty.
        skeleton: *markdown* with a slot (U+E000, its number, U+E001) for each of *values*: the same text for many people,
            so a channel can read it once. Empty where it says something else than *markdown*.
    """

    message: Message
    brand: Brand
    locale: str
    delivery: str
    headline: str = field(repr=False)
    markdown: str = field(repr=False)
    text: str = field(repr=False)
    elements: tuple[Element, ...] = field(default=(), repr=False)
    blocks: Mapping[str, str] = field(default_factory=dict, repr=False)
    facts: tuple[Fact, ...] = ()
    cta: CallToAction | None = field(default=None, repr=False)
    media: tuple[Media, ...] = ()
    offer: Terms | None = None
    opt_out: OptOut = field(default_factory=OptOut)
    preheader: str = field(default="", repr=False)
    thread: str = ""
    skeleton: str = field(default="", repr=False)
    values: tuple[str, ...] = field(default=(), repr=False)
