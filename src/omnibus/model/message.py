"""What is to be said, in no channel's form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Literal

from omnibus.model.swift import swift


class Purpose(StrEnum):
    """Tell why we write; consent, quiet hours and the unknown-answer rule depend on it."""

    TRANSACTIONAL = "transactional"  #: they asked for it: receipt, code, password
    SERVICE = "service"  #: belongs to something they have with us
    MARKETING = "marketing"  #: we would like to sell; needs consent


URGENT = Purpose.TRANSACTIONAL.value  # somebody waits for it: it goes first, and is held up by nothing that is not


@swift
@dataclass(frozen=True, slots=True)
class CallToAction:
    """Ask for one act: a label and where it leads."""

    label: str
    url: str


@swift
@dataclass(frozen=True, slots=True)
class Media:
    """Show a picture (https URL or a file path) and say in words what is on it."""

    url: str
    alt: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """Hold what is to be said: once, for all channels. Texts are templates until a draft is made.

    Args:
        version: hash of the source, so a layout is prepared once per version.
        while_: premises that must hold at the moment of sending, e.g. ``cart.open``.
        via: channels that are allowed, in the order the author prefers.
        spread: ``one`` reaches a person by one channel (ambient ones accompany it), ``all`` by each.
        expires: how long after it was accepted it still makes sense.
        body: Markdown template; its first ``#`` heading is the headline.
        blocks: plain-text templates for one channel, e.g. ``{"sms": …}``.
        source: the file it came from, for errors.
    """

    name: str
    purpose: Purpose = Purpose.MARKETING
    topic: str = "general"
    version: str = ""
    headline: str = field(default="", repr=False)
    body: str = field(default="", repr=False)
    blocks: Mapping[str, str] = field(default_factory=dict, repr=False)
    cta: CallToAction | None = field(default=None, repr=False)
    media: tuple[Media, ...] = field(default=(), repr=False)
    offer: str = ""
    while_: tuple[str, ...] = ()
    via: tuple[str, ...] = ()
    spread: Literal["one", "all"] = "one"
    audience: Literal["person", "public"] = "person"
    expires: timedelta | None = None
    preheader: str = field(default="", repr=False)
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    source: str = ""
