"""PORT: who carries a channel's content and reports back."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, ClassVar, Protocol, final
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import BaseModel, ConfigDict

from omnibus.channel import Channel
from omnibus.errors import DeliveryError, Forged, OmnibusError, Refused, StoreFull, TryLater, Unknown
from omnibus.inflight import Deadlines, Room, Running
from omnibus.model.attempt import Absent, Attempt, Receipt, Report
from omnibus.model.capabilities import Idempotency
from omnibus.model.content import Content
from omnibus.model.event import Event
from omnibus.model.request import Request, Response

WAIT = 0.3  # share of the deadline that a hand-over may wait for its turn


class ProviderSettings(BaseModel):
    """Be the base of a provider's settings: the validation and the documentation of a DSN and of a TOML table alike.

    A DSN ``scheme://user:password@host:port/path?name=value`` fills the fields ``user``, ``password``, ``host``,
    ``port``, ``path`` and one field per query name; keys of the TOML table come on top. Secrets are ``SecretStr``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Keep(Protocol):
    """Keep durable, encrypted notes of a provider: container ids within an attempt, tokens beyond it."""

    async def get(self, name: str) -> str | None:
        """Read a note, None when there is none."""

    async def set(self, name: str, value: str) -> None:
        """Write a note; committed when this returns."""


class Provider(ABC):
    """Carry content to the world. Raise TryLater, Refused, Unreachable or Unknown, and nothing else.

    Args:
        channel: the channel class it carries, or a tuple of them (a direct message and a public post).
        scheme: begins its DSN.
        idempotency: what it promises about the same attempt handed over twice (``key``, ``lookup``, ``echo``, ``none``).
        key_window: seconds for which a key is remembered; 0 for ever.
        max_in_flight: hand-overs that it takes at a time, in one process; see ``at_once``.
    """

    channel: ClassVar[type[Channel] | tuple[type[Channel], ...]]
    scheme: ClassVar[str]
    Settings: ClassVar[type[ProviderSettings]] = ProviderSettings
    idempotency: ClassVar[Idempotency] = "none"
    key_window: ClassVar[float] = 86_400
    max_in_flight: ClassVar[int] = 50
    _room: Room | None = None

    def __init__(self, settings: Any, *, now: Callable[[], datetime], hook_url: str = "") -> None:
        """Keep what is handed in; open no connection before the first call.

        Args:
            now: business time, aware UTC; for signature ages and timestamps.
            hook_url: where this provider's webhooks arrive from outside, empty without a public URL.
        """
        self.settings: Any = settings
        self.now, self.hook_url = now, hook_url
        self._deadlines = Deadlines()

    def __str__(self) -> str:
        """Write the DSN without secrets and without addresses."""
        return f"{self.scheme}://"

    def __repr__(self) -> str:
        """Write what ``str`` writes: a provider that says more of itself says it once."""
        return str(self)

    @property
    def account(self) -> str:
        """Name the sending account, for rate limits and public customers; no secret, no address."""
        return "default"

    @property
    def at_once(self) -> int:
        """Say how many hand-overs go on at a time; override where a setting says so."""
        return self.max_in_flight

    @final
    async def send(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Deliver within the attempt's total deadline; whatever else escapes may have arrived.

        Raises:
            DeliveryError: one of the four.
        """
        running, deadlines = Running(), self._deadlines
        deadlines.begin(running, asyncio.get_running_loop().time() + attempt.deadline)
        try:
            room = await self._turn(attempt.deadline * WAIT)
            try:
                return await self.deliver(content, address, attempt, keep)
            finally:
                room.leave()
        except DeliveryError:
            raise
        except TimeoutError:
            raise Unknown("deadline") from None
        except asyncio.CancelledError:
            if running.alone:
                raise Unknown("deadline") from None
            raise
        except StoreFull:  # a note could not be kept: what left before it may have arrived
            raise Unknown("store_away") from None
        except OmnibusError as error:  # e.g. InputError: found before anything left
            raise Refused(type(error).__name__) from error
        except Exception as error:
            raise Unknown(f"fault:{type(error).__name__}") from error
        finally:
            deadlines.end(running)
            running.end()

    async def _turn(self, patience: float) -> Room:
        """Take one of the places; who gets none in time has not begun."""
        self._room = room = self._room or Room(self.at_once)
        if not room.enter():
            try:
                async with asyncio.timeout(patience):
                    await room.wait()
            except TimeoutError:
                raise TryLater("no_turn") from None
        return room

    @abstractmethod
    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Hand *content* over to *address* (an identity value, empty for the public)."""

    async def lookup(self, attempt: Attempt, address: str, keep: Keep) -> Receipt | Absent:
        """Ask whether a lost attempt arrived; only where ``idempotency`` says ``lookup``.

        Raises:
            DeliveryError: it could not be told now.
        """
        raise Unknown("no lookup")

    async def withdraw(self, receipt: Receipt, keep: Keep) -> None:
        """Take off show what was sent; only where the channel's capabilities say so."""
        raise Refused("cannot be withdrawn")

    async def check(self) -> None:
        """Make one harmless call for `omnibus doctor`; raise what is wrong."""
        return

    def challenge(self, request: Request) -> Response | None:
        """Answer a provider's handshake (CRC, hub.challenge); None when this request is none."""
        return None

    @final
    def receive(self, request: Request) -> Sequence[Report | Event]:
        """Verify, then parse: no plugin can forget the first.

        Raises:
            Forged: nobody entitled sent this.
        """
        self.verify(request)
        return self.parse(request)

    def verify(self, request: Request) -> None:
        """Check the signature over the raw bytes.

        Raises:
            Forged: wrong, stale, or no secret is configured (fail closed).
        """
        raise Forged("this provider takes no webhooks")

    def parse(self, request: Request) -> Sequence[Report | Event]:
        """Read a verified webhook; rubbish gives an empty list or InputError, never another exception."""
        return ()

    async def aclose(self) -> None:  # noqa: B027 - most providers hold nothing
        """Close connections; may be called twice, and nothing is sent afterwards."""


def read_dsn(dsn: str) -> tuple[str, dict[str, str]]:
    """Take a DSN apart into its scheme and settings fields; percent escapes are undone."""
    parts = urlsplit(dsn)
    found = {
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "host": parts.hostname or "",
        "port": str(parts.port or ""),
        "path": parts.path.strip("/"),
    }
    fields = {name: value for name, value in found.items() if value}
    return parts.scheme, fields | dict(parse_qsl(parts.query))
