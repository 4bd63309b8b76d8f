"""OUTBOX: a wish becomes deliveries. Nothing is decided here but how many there are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from omnibus.errors import MessageError
from omnibus.model.customer import public
from omnibus.model.delivery import Delivery, State
from omnibus.model.ids import Ids
from omnibus.model.mailing import Mailing
from omnibus.model.message import CallToAction, Media, Message, Purpose
from omnibus.outbound.resolve import Lines
from omnibus.store import Wish
from omnibus.stores.rows import dump, load

LIFE = timedelta(days=3)  # how long a message makes sense whose author did not say

Via = Sequence[str]


class Form:
    """Hold what the deliveries of one message have in common, so that it is worked out once.

    ``spread: one``: one delivery that may go by any interrupting channel of `via`, and one for each ambient channel
    that accompanies it. ``spread: all``, and a public message: one per channel.

    Args:
        inline: the message was handed in whole, and is kept with its deliveries.
        channel: the only one that is allowed; empty for those of the message.

    Raises:
        MessageError: no channel is allowed.
    """

    __slots__ = ("brand", "channel", "inline", "life", "message", "vias", "written")

    def __init__(self, message: Message, lines: Lines, brand: str, *, inline: bool = False, channel: str = "") -> None:
        self.message, self.brand, self.inline, self.channel = message, brand, inline, channel
        self.life, self.written = message.expires or LIFE, write_inline(message) if inline else ""
        self.vias = _split(message, _allowed(message, lines, channel), lines)

    def wish(
        self, customer: str, ids: Ids, *, now: datetime, values: Mapping[str, Any], key: str = "", origin: str = "",
        at: datetime | None = None,
    ) -> Wish:  # fmt: skip
        """Make the deliveries of one customer."""
        # as they are read again from their row: what is in hand at once says the same as what is claimed
        due, told = now if at is None else max(at, now), load(dump(dict(values))) if values else {}
        made = [self._fill(via, ids.new(now), customer, now, due, told, key, origin) for via in self.vias]
        if not key:
            return Wish("", "", tuple(made))
        # compared under a key only; the account behind a channel may change, the wish is the same
        to = self.channel if self.message.audience == "public" else customer
        return Wish(key, digest(self.message, to, values, inline=self.inline), tuple(made))

    def mailing(self, customers: Sequence[str], ids: Ids, *, now: datetime, values: Mapping[str, Any]) -> Mailing:
        """Ask for the same for many customers."""
        told = dict(values)
        templates = tuple([self._fill(via, "", "", now, now, told, "", "") for via in self.vias])
        return Mailing(templates, tuple(customers), tuple(ids.several(now, len(customers) * len(templates))))

    def _fill(
        self, via: tuple[str, ...], id_: str, customer: str, now: datetime, due: datetime, values: dict[str, Any],
        key: str, origin: str,
    ) -> Delivery:  # fmt: skip
        message = self.message
        return Delivery(
            id_, customer, customer, message.name, message.purpose, self.brand, via, State.QUEUED, due, now,
            due + self.life, message.topic, message.audience, "", values, self.written, key, origin, message.while_,
            message.offer,
        )  # fmt: skip


class Forms:
    """Work out what the wishes of a message have in common: for those of files once, by their names."""

    def __init__(self, pick: Callable[[str], Message], lines: Lines, brand: str) -> None:
        self._pick, self._lines, self._brand = pick, lines, brand
        self._known: dict[str, Form] = {}

    def of(self, message: str | Message) -> Form:
        """Give the form of a message; raises as ``Form``, and NotFound for a name that nothing bears."""
        if isinstance(message, Message):
            return Form(message, self._lines, self._brand, inline=True)
        form = self._known.get(message)
        if form is None:
            form = self._known[message] = Form(self._pick(message), self._lines, self._brand)
        return form


def _allowed(message: Message, lines: Lines, channel: str) -> Via:
    open_ = tuple(name for name, audience in lines if audience == message.audience)
    allowed = (channel,) if channel else message.via or open_
    if not allowed:
        raise MessageError(
            "no channel may carry it", where=message.source or message.name, fix="give `via: [email, …]`"
        )
    return allowed


def _split(message: Message, allowed: Via, lines: Lines) -> list[tuple[str, ...]]:
    if message.spread == "all" or message.audience == "public":
        return [(name,) for name in allowed]
    ambient = [name for name in allowed if _ambient(lines, name)]
    main = tuple(name for name in allowed if name not in ambient)
    return [*([main] if main else []), *[(name,) for name in ambient]]


def _ambient(lines: Lines, name: str) -> bool:
    line = lines.get((name, "person"))
    return line is not None and line.channel.capabilities.ambient


def public_customer(name: str, lines: Lines) -> str:
    """Name the reserved customer of the account that a channel posts from."""
    line = lines.get((name, "public"))
    return public(name, line.providers[0].account if line else "default")


def digest(message: Message, customer: str, values: Mapping[str, Any], *, inline: bool) -> str:
    """Hash what was asked for under a key: the same key with something else is a conflict."""
    said = asdict(message) if inline else message.name
    told = json.dumps([said, customer, dict(values)], sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()


def write_inline(message: Message) -> str:
    """Keep a message that was handed in whole, as JSON."""
    told = asdict(message)
    told["expires"] = message.expires.total_seconds() if message.expires else None
    return json.dumps(told, default=str)


def read_inline(text: str) -> Message:
    """Read what ``write_inline`` kept."""
    told = json.loads(text)
    told["expires"] = timedelta(seconds=told["expires"]) if told["expires"] is not None else None
    told["purpose"] = Purpose(told["purpose"])
    told["cta"] = CallToAction(**told["cta"]) if told["cta"] else None
    told["media"] = tuple(Media(**each) for each in told["media"])
    told["while_"], told["via"] = tuple(told["while_"]), tuple(told["via"])
    return Message(**told)
