"""One call of a till: which terminal it is, how often it guessed wrong, and what its JSON says.

Every refusal is JSON ``{"error", "where", "fix"}`` with a 4xx status, and quotes nothing that was sent.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from omnibus import Conflict, Desk, Endpoint, Forged, InputError, NotFound, Request, Response
from omnibus_pos.channel import PosSettings

NO_STORE = {"content-type": "application/json", "cache-control": "no-store"}


class Told(BaseModel):
    """Be the base of what a till sends; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, str_strip_whitespace=True)


T = TypeVar("T", bound=Told)


class TooMany(InputError):
    """Stop a terminal that guessed wrong too often."""


@dataclass(slots=True)
class Guesses:
    """Count the misses of each terminal in a sliding window of business time; kept in this process's memory."""

    _misses: dict[str, list[datetime]] = field(default_factory=dict)

    def check(self, terminal: str, settings: PosSettings, now: datetime) -> None:
        """Let a terminal try.

        Raises:
            TooMany: it missed too often lately.
        """
        since = now - timedelta(seconds=settings.guess_window)
        recent = [each for each in self._misses.get(terminal, ()) if each > since]
        self._misses[terminal] = recent
        if len(recent) >= settings.guesses:
            raise TooMany(
                "too many look-ups found nobody", where=f"terminal {terminal}",
                fix=f"wait up to {settings.guess_window} seconds, or scan the customer's code",
            )  # fmt: skip

    def miss(self, terminal: str, now: datetime) -> None:
        """Note that a try found nothing."""
        self._misses.setdefault(terminal, []).append(now)


@dataclass(frozen=True, slots=True)
class Call:
    """Hold a call of a known terminal."""

    request: Request
    desk: Desk
    terminal: str
    guesses: Guesses

    @property
    def source(self) -> str:
        """Name the terminal as the source of events."""
        return f"till:{self.terminal}"

    def told(self, shape: type[T]) -> T:
        """Read the JSON body.

        Raises:
            InputError: names the first wrong field and what it should be.
        """
        try:
            return shape.model_validate(self.request.json())
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "body"
            raise InputError(first["msg"][:1].lower() + first["msg"][1:], where=where, fix=_fix(shape)) from None

    def guess(self) -> None:
        """Stop here when this terminal missed too often."""
        self.guesses.check(self.terminal, self.desk.settings, self.desk.now())

    def missed(self) -> None:
        """Note a miss."""
        self.guesses.miss(self.terminal, self.desk.now())


Act = Callable[[Call], Awaitable[dict[str, Any]]]


def _fix(shape: type[Told]) -> str:
    return "fields: " + ", ".join(
        name if each.is_required() else f"{name}?" for name, each in shape.model_fields.items()
    )


def terminal_of(request: Request, settings: PosSettings | None) -> str:
    """Tell which terminal calls, by its Bearer key; every key is compared, each in constant time.

    Raises:
        Forged: no such key, or no terminal is configured.
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    asked = hashlib.sha256(key.strip().encode()).digest()
    found = ""
    for name, secret in (settings.terminals if settings is not None else {}).items():
        own = secret.get_secret_value()
        if hmac.compare_digest(hashlib.sha256(own.encode()).digest(), asked) and own:
            found = name
    if not found or scheme.lower() != "bearer":
        raise Forged("unknown terminal key")
    return found


def endpoint(method: str, path: str, act: Act, guesses: Guesses) -> Endpoint:
    """Offer one call under ``/pos``: known terminals only, errors as JSON."""

    async def handle(request: Request, desk: Desk) -> Response:
        try:
            call = Call(request, desk, terminal_of(request, desk.settings), guesses)
            return _json(await act(call), 200)
        except Forged:
            fix = "send Authorization: Bearer <key of [channels.pos.terminals]>"
            return _json({"error": "unknown terminal key", "where": "Authorization", "fix": fix}, 401)
        except Conflict as error:
            return _json({"error": str(error), "where": path, "fix": "use a new id for a new fact"}, 409)
        except InputError as error:
            status = 404 if isinstance(error, NotFound) else 429 if isinstance(error, TooMany) else 400
            return _json({"error": error.what, "where": error.where or path, "fix": error.fix}, status)

    return Endpoint("pos", method, path, handle)


def _json(value: dict[str, Any], status: int) -> Response:
    made = Response.of_json(value, status)
    return Response(made.status, made.body, NO_STORE)
