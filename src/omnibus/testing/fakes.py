"""A channel, a provider and its notes in memory, for tests of whatever stands above them."""

from __future__ import annotations

import asyncio
import hmac
import json
import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final

from pydantic import SecretStr

from omnibus.channel import Channel
from omnibus.errors import DeliveryError, Forged, InputError, MessageError, TryLater, Unknown
from omnibus.model.attempt import Absent, Attempt, Receipt, Report
from omnibus.model.capabilities import Capabilities
from omnibus.model.content import Content, Layout, Loss
from omnibus.model.context import Context
from omnibus.model.draft import Draft
from omnibus.model.event import EVENT_TYPES, Event
from omnibus.model.request import Request
from omnibus.provider import Keep, Provider, ProviderSettings

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class FakeKeep:
    """Keep a provider's notes in a dict; *notes* is theirs to look at."""

    def __init__(self) -> None:
        self.notes: dict[str, str] = {}

    async def get(self, name: str) -> str | None:
        """Read a note."""
        return self.notes.get(name)

    async def set(self, name: str, value: str) -> None:
        """Write a note."""
        self.notes[name] = value


class FakeChannel(Channel):
    """Carry plain words; subclass with another ``name``, ``identity`` or ``capabilities`` for more channels."""

    name: ClassVar[str] = "fake"
    identity: ClassVar[str | None] = "email"
    capabilities: ClassVar[Capabilities] = Capabilities(
        max_length=2_000, withdraw=True, replies=True,
        reports=("delivered", "opened", "clicked", "replied", "bounced", "complained", "unsubscribed"),
    )  # fmt: skip

    def compose(self, draft: Draft, layout: Layout | None, context: Context) -> Content:
        """Say the brand's name, all pieces that fit, by rank, and every fact.

        Raises:
            MessageError: the facts alone do not fit.
        """
        block = draft.blocks.get(self.name)
        pieces = [(block, 0)] if block else [(each.text, each.rank) for each in draft.elements]
        losses = [Loss("picture", "the fake channel shows none") for _ in draft.media]
        limit = self.capabilities.max_length or 10**9
        while len(text := _joined(draft, [_clean(each) for each, _ in pieces])) > limit:
            if not pieces:
                where = draft.message.source or draft.message.name
                raise MessageError(f"the facts need more than {limit} characters", where=where, fix="shorten them")
            worst = max(range(len(pieces)), key=lambda place: (pieces[place][1], place))
            pieces.pop(worst)
            losses.append(Loss(f"piece {worst + 1}", f"over {limit} characters"))
        return Content(text=text, losses=tuple(losses))


@dataclass(frozen=True, slots=True)
class Handed:
    """Hold one hand-over as the fake provider got it."""

    attempt: Attempt
    address: str = field(repr=False)
    content: Content


class _Hang:
    """Say: answer only when released."""


HANG: Final = _Hang()


class FarSide:
    """Be the other side of a fake provider: what arrived there, and what it answers next.

    ::

        wire.answers(TryLater("busy"), HANG)        # then accept, as always
        wire.lose(arrived=True)                     # it got the message, we do not learn it

    Args:
        handed: every hand-over, in order; *arrived*: attempt id → receipt of those that it accepted.
        withdrawn: provider ids that were taken off show.
    """

    def __init__(self) -> None:
        self.handed: list[Handed] = []
        self.arrived: dict[str, Receipt] = {}
        self.withdrawn: list[str | None] = []
        self._next: deque[Receipt | DeliveryError | _Hang | bool] = deque()
        self._released = asyncio.Event()

    def answers(self, *told: Receipt | DeliveryError | _Hang) -> None:
        """Queue answers, one a hand-over; when none is left it accepts."""
        self._next.extend(told)

    def lose(self, *, arrived: bool) -> None:
        """Queue a lost answer (``Unknown``) of a message that arrived, or did not."""
        self._next.append(arrived)

    def release(self) -> None:
        """Let every hand-over that hangs, now or later, be accepted."""
        self._released.set()

    async def take(self, handed: Handed) -> Receipt:
        """Answer one hand-over as scripted; an attempt that arrived before gets its receipt again, and counts once."""
        self.handed.append(handed)
        told = self._next.popleft() if self._next else None
        if told is HANG:
            await self._released.wait()
        if isinstance(told, DeliveryError):
            raise told
        if told is False:
            raise Unknown("answer_lost")
        receipt = told if isinstance(told, Receipt) else Receipt(f"fake-{handed.attempt.id}")
        kept = self.arrived.setdefault(handed.attempt.id, receipt)
        if told is True:
            raise Unknown("answer_lost")
        return kept


class FakeSettings(ProviderSettings):
    """Take a name, so that one test can have several, and the secret of its webhooks."""

    name: str = "fake"
    webhook_secret: SecretStr | tuple[SecretStr, ...] = ()


class FakeProvider(Provider):
    """Carry to a ``FarSide``. Make a class of your own with ``fake_provider``, so that no two tests share a wire."""

    channel: ClassVar[Any] = FakeChannel
    scheme: ClassVar[str] = "fake"
    Settings: ClassVar[type[ProviderSettings]] = FakeSettings
    wire: ClassVar[FarSide]
    closed = False

    @property
    def account(self) -> str:
        """Name the sending account."""
        return str(self.settings.name)

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Put it on the wire."""
        if self.closed:
            raise TryLater("closed")
        return await self.wire.take(Handed(attempt, address, content))

    async def withdraw(self, receipt: Receipt, keep: Keep) -> None:
        """Note it on the wire."""
        self.wire.withdrawn.append(receipt.provider_id)

    def verify(self, request: Request) -> None:
        """Compare the header ``x-fake-secret``."""
        told = self.settings.webhook_secret
        known = [each.get_secret_value().encode() for each in (told if isinstance(told, tuple) else (told,))]
        given = request.headers.get("x-fake-secret", "").encode()
        if not any(each and hmac.compare_digest(each, given) for each in known):
            raise Forged("secret")

    def parse(self, request: Request) -> Sequence[Report | Event]:
        """Read a JSON list of reports, fields as in ``Report``."""
        told = request.json()
        if not isinstance(told, list):
            raise InputError("a list of reports is needed", where=request.path)
        return [_report(each, request.path) for each in told]

    async def aclose(self) -> None:
        """Refuse what comes afterwards."""
        self.closed = True


class _Finds(FakeProvider):
    async def lookup(self, attempt: Attempt, address: str, keep: Keep) -> Receipt | Absent:
        """Ask the wire."""
        return self.wire.arrived.get(attempt.id) or Absent()


def fake_provider(
    scheme: str = "fake", channel: Any = FakeChannel, *, idempotency: str = "none", **members: Any
) -> type[FakeProvider]:
    """Make a provider class with a wire of its own; with ``lookup`` it can be asked.

    Args:
        members: further class attributes, e.g. ``key_window=60`` or ``max_in_flight=2``.
    """
    kind = _Finds if idempotency == "lookup" else FakeProvider
    told = {"scheme": scheme, "channel": channel, "idempotency": idempotency, "wire": FarSide(), **members}
    return type(f"Fake{scheme.title()}", (kind,), told)


def fake_report(url: str, *reports: Mapping[str, Any], secret: str = "fake") -> Request:  # noqa: S107 - a test's
    """Make the webhook that a fake provider would send: fields as in ``Report``, times as ISO 8601."""
    body = json.dumps([dict(each) for each in reports], default=lambda value: value.isoformat()).encode()
    return Request("POST", url, {"x-fake-secret": secret, "content-type": "application/json"}, body)


def _report(told: Any, where: str) -> Report:
    match told:
        case {"id": str(id_), "type": str(type_), "at": str(at)} if id_ and type_ in EVENT_TYPES:
            about = {name: told.get(name) or None for name in ("attempt", "provider_id")}
            data, person = told.get("data") or {}, told.get("identity") or None
            try:
                time = datetime.fromisoformat(at)
            except ValueError:
                raise InputError("`at` is no time", where=where) from None
            pair = (str(person[0]), str(person[1])) if isinstance(person, list) and len(person) == 2 else None
            texts = all(each is None or isinstance(each, str) for each in about.values())
            if texts and (pair or any(about.values())) and isinstance(data, dict) and time.tzinfo:
                return Report(id_, type_, time, **about, identity=pair, data=data)
    raise InputError("a report needs id, type, at, and what it is about", where=where)


def _clean(text: str) -> str:
    return " ".join((text if text.isprintable() else _CONTROL.sub(" ", text)).split())


def _joined(draft: Draft, pieces: Sequence[str]) -> str:
    text = "\n".join((f"{_clean(draft.brand.name)[:100]}:", *pieces))
    missing = [fact.text for fact in draft.facts if fact.text not in text]
    return "\n".join((text, *dict.fromkeys(missing)))
