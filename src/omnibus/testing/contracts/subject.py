"""What a provider's test class gives: settings, a success, how to sign; and how the contract asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Any, ClassVar

from pydantic import SecretStr

from omnibus.channel import Channel
from omnibus.errors import DeliveryError, Refused, TryLater, Unknown, Unreachable
from omnibus.model.attempt import Attempt, Receipt
from omnibus.model.content import Content
from omnibus.model.request import Request
from omnibus.provider import Keep, Provider
from omnibus.testing.clock import FakeClock
from omnibus.testing.drafts import sample_attempt
from omnibus.testing.fakes import FakeKeep
from omnibus.testing.faults import Fault, FaultyServer, Reply, Script

PATIENCE = 30.0  # seconds of machine time; only a hand-over that would never end reaches it
CLOSED = "http://127.0.0.1:1"  # nobody listens on port 1

#: what a status means when the provider's own table says nothing (docs/concepts/lost-answers.md)
STATUSES: Mapping[int, tuple[type[DeliveryError], ...]] = {
    400: (Refused, Unreachable), 401: (TryLater,), 403: (TryLater,), 404: (Refused, Unreachable), 408: (Unknown,),
    409: (Unknown,), 422: (Refused, Unreachable), 429: (TryLater,), 500: (Unknown,), 502: (Unknown,), 503: (Unknown,),
    504: (Unknown,),
}  # fmt: skip


class Subject:
    """Give the contract its data.

    Args:
        provider_class: the class under test.
        settings: a valid table for its ``Settings``, secrets included, without ``base_url``.
        address: an identity value that it accepts; empty for a public channel.
        answers: status → error, where the provider's documentation says other than the general table.
        meanings: fault → error, only for a provider that speaks no HTTP (an SMTP line lost before the final dot
            means TryLater).
        faults: which faults ``faulty`` can make.
        without: what this provider cannot have → why. Knows ``http`` (speaks another protocol: override
            ``faulty``), ``network`` (ambient: hands nothing to anybody), ``json`` (a 2xx body need not be JSON),
            ``webhooks``, ``signature`` (only a shared secret, the body is not signed), ``timestamp``, ``rotation``,
            ``no-news`` (every webhook is news), ``identity`` (needs no address).
    """

    provider_class: ClassVar[type[Provider]]
    settings: ClassVar[Mapping[str, Any]] = {}
    address: ClassVar[str] = ""
    answers: ClassVar[Mapping[int, type[DeliveryError]]] = {}
    meanings: ClassVar[Mapping[Fault, type[DeliveryError]]] = {}
    faults: ClassVar[tuple[Fault, ...]] = tuple(Fault)
    without: ClassVar[Mapping[str, str]] = {}
    knows: ClassVar[frozenset[str]] = frozenset(
        {"http", "network", "json", "webhooks", "signature", "timestamp", "rotation", "no-news", "identity"}
    )

    @cached_property
    def clock(self) -> FakeClock:
        """Give the business time of this test."""
        return FakeClock()

    def content(self) -> Content:
        """Make a content that the provider would carry."""
        raise AssertionError("override content()")

    def success(self, request: Request) -> Reply:
        """Answer any request of a hand-over as the provider does when all is well."""
        raise AssertionError("override success()")

    def submits(self, request: Request) -> bool:
        """Tell whether this request is the one that hands the message over (others fetch tokens, upload, ask)."""
        return request.method in {"POST", "PUT"}

    def provider(self, base_url: str = CLOSED, **changes: Any) -> Provider:
        """Make the provider; override where settings are made otherwise. A change to None removes the key."""
        table = {**self.settings, **({} if self._speaks_no_http else {"base_url": base_url}), **changes}
        kept = {name: value for name, value in table.items() if value is not None}
        made = self.provider_class.Settings.model_validate(kept)
        return self.provider_class(made, now=self.clock.now, hook_url=self.hook_url)

    @asynccontextmanager
    async def faulty(self, fault: Fault) -> AsyncIterator[Provider]:
        """Give a provider whose other side does *fault* at the hand-over; override for another protocol."""
        if fault is Fault.REFUSED:
            async with self.opened(CLOSED) as provider:
                yield provider
            return
        script = at_hand_over(self, fault)
        async with (
            FaultyServer(script, deaf=fault is Fault.RESET_BEFORE) as server,
            self.opened(server.base_url) as provider,
        ):
            yield provider

    @asynccontextmanager
    async def opened(self, base_url: str) -> AsyncIterator[Provider]:
        """Make a provider and close it at the end."""
        provider = self.provider(base_url)
        try:
            yield provider
        finally:
            await provider.aclose()

    @property
    def hook_url(self) -> str:
        """Name the URL at which this provider's webhooks arrive."""
        return f"https://talk.example.com/hooks/{self._channels[0].name}/{self.provider_class.scheme}"

    async def handed(
        self, provider: Provider, attempt: Attempt | None = None, address: str | None = None, keep: Keep | None = None
    ) -> Receipt | DeliveryError:
        """Hand over once; returns what came of it, an error included. Anything but the four errors fails the test."""
        where = self.address if address is None else address
        sending = provider.send(self.content(), where, attempt or sample_attempt(), keep or FakeKeep())
        task = asyncio.ensure_future(sending)
        try:
            await asyncio.wait({task}, timeout=PATIENCE)  # not `timeout`: an adapter may swallow what that raises
        finally:
            task.cancel()
        assert task.done(), "the deadline is ignored"
        try:
            return task.result()
        except DeliveryError as error:
            got = error
        assert not got.reason.startswith("fault:"), f"the adapter let {got.reason[6:]} escape"
        return got

    # ---- inside

    @property
    def _channels(self) -> tuple[type[Channel], ...]:
        told = self.provider_class.channel
        return told if isinstance(told, tuple) else (told,)

    @property
    def _speaks_no_http(self) -> bool:
        return "http" in self.without or "network" in self.without

    def _secrets(self, provider: Provider) -> list[str]:
        found = list(_secret_values(provider.settings))
        return [each for each in found if each]


def at_hand_over(subject: Subject, what: Fault | Reply) -> Script:
    """Script a server on which all goes well but the hand-over itself."""
    return lambda request: what if subject.submits(request) else subject.success(request)


def before_hand_over(subject: Subject, what: Fault | Reply) -> Script:
    """Script a server on which all that comes before the hand-over goes wrong."""
    return lambda request: subject.success(request) if subject.submits(request) else what


def _secret_values(value: Any) -> Any:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _secret_values(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _secret_values(each)
    elif hasattr(type(value), "model_fields"):
        for name in type(value).model_fields:
            yield from _secret_values(getattr(value, name))
