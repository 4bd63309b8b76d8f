"""The sections of ``omnibus.toml``: one class is their validation and their documentation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from omnibus.model.offer import Offer
from omnibus.settings.keep import Retention
from omnibus.settings.section import Duration, Section


def _words(told: Any) -> Any:
    """Read a list, also from one text with commas (as an environment variable holds it)."""
    return [part.strip() for part in told.split(",") if part.strip()] if isinstance(told, str) else told


Words = Annotated[tuple[str, ...], BeforeValidator(_words)]


class Core(Section):
    """Read ``[omnibus]``; paths are relative to the file and come out absolute.

    Args:
        store: ``sqlite:PATH`` or ``postgresql://…``; may be ``env:NAME``.
        public_url: where the world reaches this bus; without it no tracking links, unsubscribe by mailto.
        key: the master key, ``file:PATH`` or ``env:NAME``; read by ``Settings.read_key``.
        plugins: plugins to load beside those that the channels need: names, or files such as ``./fax.py``.
        zone: where people live of whom nothing is known; empty means the brand's.
    """

    store: str = Field(default="sqlite:omnibus.db", repr=False)
    brand: Path = Path("brand.toml")
    messages: Path = Path("messages")
    journeys: Path = Path("journeys")
    public_url: str = ""
    key: str = Field(default="file:omnibus.key", repr=False)
    plugins: Words = ()
    zone: str = ""

    @field_validator("store")
    @classmethod
    def _store(cls, told: str, info: ValidationInfo) -> str:
        if told.startswith("sqlite:"):
            path = told.removeprefix("sqlite:").removeprefix("///")
            if not path:
                raise ValueError("must be sqlite:PATH or postgresql://…")
            return told if path == ":memory:" else f"sqlite:{_folder(info) / path}"
        if told.startswith(("postgresql://", "postgres://")):
            return told
        raise ValueError("must be sqlite:PATH or postgresql://…")

    @field_validator("brand", "messages", "journeys")
    @classmethod
    def _absolute(cls, told: Path, info: ValidationInfo) -> Path:
        return _folder(info) / told

    @field_validator("public_url")
    @classmethod
    def _web(cls, told: str) -> str:
        if told and not re.fullmatch(r"https?://[^\s/?#@]+[^\s?#]*", told):
            raise ValueError("must be a web address such as https://talk.example.com")
        return told.rstrip("/")

    @field_validator("zone")
    @classmethod
    def _zone(cls, told: str) -> str:
        return told and str(read_zone(told))

    @field_validator("plugins")
    @classmethod
    def _files(cls, told: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        return tuple(
            f"module:{_folder(info) / each.removeprefix('module:')}" if _is_file(each) else each for each in told
        )

    @property
    def plugin_names(self) -> tuple[str, ...]:
        """List the plugins named by their entry point."""
        return tuple(each for each in self.plugins if not each.startswith("module:"))

    @property
    def plugin_files(self) -> tuple[Path, ...]:
        """List the plugins that are local files, absolute."""
        return tuple(Path(each.removeprefix("module:")) for each in self.plugins if each.startswith("module:"))


class Safety(Section):
    """Read ``[safety]``: who may be reached at all.

    Args:
        only_to: glob patterns on identity values; empty lets everybody through.
        redirect_to: identity kind → the one value that gets everything instead.
    """

    only_to: Words = ()
    redirect_to: dict[str, str] = Field(default={}, repr=False)

    @field_validator("redirect_to", mode="before")
    @classmethod
    def _kinds(cls, told: Any) -> Any:
        if not isinstance(told, str):
            return told
        if "@" in told:
            return {"email": told}
        if told.startswith("+"):
            return {"phone": told}
        raise ValueError('must name the kind, e.g. { email = "me@example.com" }')


class QuietHours(Section):
    """Hold the hours in which marketing waits, in the customer's zone; may run over midnight."""

    begin: time
    end: time


class Budget(Section):
    """Hold the contact budget over all channels.

    Args:
        points: what one person may be told within *window*.
        costs: channel → points of one message; others cost what their capabilities say.
    """

    window: Duration = timedelta(days=7)
    points: int = Field(default=6, ge=0)
    costs: dict[str, Annotated[int, Field(ge=0)]] = Field(default={})

    @model_validator(mode="before")
    @classmethod
    def _channels(cls, told: Any) -> Any:
        if not isinstance(told, Mapping) or "costs" in told:
            return told
        known = {key: value for key, value in told.items() if key in {"window", "points"}}
        return {**known, "costs": {key: value for key, value in told.items() if key not in known}}


class Policies(Section):
    """Read ``[policy]``; false switches quiet hours or budget off, *off* names any policy.

    Args:
        off: policies switched off by name, for tests and comparison.
    """

    quiet_hours: QuietHours | None = QuietHours(begin=time(21), end=time(8))
    budget: Budget | None = Budget()
    off: Words = ()

    @field_validator("quiet_hours", mode="before")
    @classmethod
    def _hours(cls, told: Any) -> Any:
        if told is False or told == "false":
            return None
        if not isinstance(told, str):
            return told if isinstance(told, QuietHours) else _bad_hours()
        found = re.fullmatch(r"\s*([0-9]{1,2}):([0-9]{2})\s*-\s*([0-9]{1,2}):([0-9]{2})\s*", told)
        if not found:
            return _bad_hours()
        h1, m1, h2, m2 = map(int, found.groups())
        if h1 > 23 or h2 > 23 or m1 > 59 or m2 > 59 or (h1, m1) == (h2, m2):
            return _bad_hours()
        return QuietHours(begin=time(h1, m1), end=time(h2, m2))

    @field_validator("budget", mode="before")
    @classmethod
    def _budget(cls, told: Any) -> Any:
        return None if told is False or told == "false" else told


class Tracking(Section):
    """Read ``[tracking]``.

    Args:
        clicks: links in formatted messages (email) lead over ``public_url``, so that a click is known. Off by default:
            following a person needs their consent in many countries.
    """

    clicks: bool = False


class Server(Section):
    """Read ``[server]``: where `omnibus serve` listens."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)


class OfferTable(Section):
    """Read ``[offers.<name>]``; `ends` may be a day (its end, in the zone of ``[omnibus]``) or a moment with offset."""

    kind: Literal["personal", "shared"] = "personal"
    percent: int = Field(default=10, ge=1, le=100)
    label: str = ""
    code: str = ""
    valid: Duration | None = None
    ends: datetime | None = None
    limit: int | None = Field(default=None, ge=1)
    renew: Duration | None = None

    @field_validator("ends", mode="before")
    @classmethod
    def _moment(cls, told: Any, info: ValidationInfo) -> Any:
        if isinstance(told, str):
            told = datetime.fromisoformat(told) if "T" in told or " " in told else date.fromisoformat(told)
        if isinstance(told, datetime):
            if told.tzinfo is None:
                raise ValueError("needs an offset from UTC, e.g. 2026-11-30T23:59:59+01:00")
            return told.astimezone(UTC)
        if isinstance(told, date):
            zone = read_zone(str((info.context or {}).get("zone") or "UTC"))
            return datetime.combine(told + timedelta(days=1), time(), zone).astimezone(UTC)
        return told

    @model_validator(mode="after")
    def _fits(self) -> OfferTable:
        if self.kind == "shared" and not self.code:
            raise ValueError("needs a `code`, because it is shared")
        if self.kind == "personal" and self.code:
            raise ValueError('has a `code` of its own, so it must be `kind = "shared"`')
        if self.kind == "personal" and self.limit is not None:
            raise ValueError("must have no `limit`, because a personal code is redeemed once anyway")
        return self

    def offer(self, name: str) -> Offer:
        """Make the noun."""
        return Offer(
            name, kind=self.kind, percent=self.percent, label=self.label, code=self.code, valid=self.valid,
            ends=self.ends, limit=self.limit, renew=self.renew,
        )  # fmt: skip


class Tables(Section):
    """Hold all sections; channels are free tables, validated later by their plugin's Settings."""

    omnibus: Core
    safety: Safety
    policy: Policies
    tracking: Tracking
    keep: Retention
    server: Server
    channels: dict[str, dict[str, Any]] = Field(repr=False)
    offers: dict[str, OfferTable]


#: section → its class; the free ones hold tables by name
SECTIONS: dict[str, type[Section]] = {
    "omnibus": Core, "safety": Safety, "policy": Policies, "tracking": Tracking, "keep": Retention, "server": Server,
}  # fmt: skip
FREE = ("channels", "offers")


def read_zone(name: str) -> ZoneInfo:
    """Find a time zone.

    Raises:
        ValueError: there is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be a time zone such as Europe/London") from None


def _folder(info: ValidationInfo) -> Path:
    return Path((info.context or {}).get("folder", Path()))


def _is_file(plugin: str) -> bool:
    return plugin.startswith("module:") or plugin.endswith(".py")


def _bad_hours() -> Any:
    raise ValueError("must be two different times such as 21:00-08:00, or false")
