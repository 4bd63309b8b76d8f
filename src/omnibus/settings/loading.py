"""``load``: merge the sources, validate, and say every mistake at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from omnibus.errors import ConfigError
from omnibus.model.duration import write_duration
from omnibus.model.offer import Offer
from omnibus.settings.keep import Retention
from omnibus.settings.secrets import mask, read_key, resolve_secrets
from omnibus.settings.sections import FREE, SECTIONS, Core, OfferTable, Policies, Safety, Server, Tables, Tracking
from omnibus.settings.sources import from_arguments, from_environ, from_file, from_secrets, put
from omnibus.settings.words import Mistake, describe, one_error, suggest


class Settings(BaseModel):
    """Hold everything that was configured; frozen, and silent in ``repr``.

    Args:
        path: the file that was read, absolute.
        channels: name → free table as written; ``channel(name)`` gives it with its secrets.
        origins: dotted key → ``omnibus.toml``, the environment name, the secret file, ``argument`` or ``default``.
        unread: names in the environment that begin like ours and that nobody knows; `omnibus doctor` tells.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True)

    path: Path
    omnibus: Core
    safety: Safety
    policy: Policies
    tracking: Tracking
    keep: Retention
    server: Server
    channels: dict[str, dict[str, Any]] = Field(repr=False)
    offers: dict[str, Offer]
    origins: dict[str, str] = Field(repr=False)
    unread: tuple[str, ...] = ()
    told: dict[str, Any] = Field(repr=False)
    environ: dict[str, str] = Field(repr=False)

    def __repr__(self) -> str:
        """Name the file, no value."""
        return f"Settings({self.path.name})"

    __str__ = __repr__

    @property
    def folder(self) -> Path:
        """Give the folder that relative paths start from."""
        return self.path.parent

    def channel(self, name: str) -> dict[str, Any]:
        """Give a channel's table with ``env:`` and ``file:`` resolved.

        Raises:
            ConfigError: no such table, or a secret is missing.
        """
        if name not in self.channels:
            fix = suggest(name, self.channels) or f"add [channels.{name}]"
            raise ConfigError(f"there is no [channels.{name}]", where=self.path.name, fix=fix)
        where = f"{self.path.name} [channels.{name}]"
        return resolve_secrets(self.channels[name], where=where, environ=self.environ, folder=self.folder)

    def read_key(self) -> bytes:
        """Read the master key.

        Raises:
            ConfigError: it is missing, too short or unreadable.
        """
        where = f"{self.path.name} [omnibus] key"
        return read_key(self.omnibus.key, where=where, environ=self.environ, folder=self.folder)

    def shown(self) -> dict[str, Any]:
        """Give all values, defaults included, as they may be printed: secrets masked, references as written."""
        plain: dict[str, Any] = {name: getattr(self, name).model_dump() for name in SECTIONS}
        _put_back(plain, self.told)
        plain["channels"], plain["offers"] = self.told.get("channels", {}), self.told.get("offers", {})
        shown = {name: mask(name, table) for name, table in plain.items()}
        return {**shown, "offers": _plain(shown["offers"])}


def load(path: Path | str = "omnibus.toml", environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read the configuration.

    Args:
        path: the TOML file, or the folder it lies in.
        environ: instead of ``os.environ``.
        overrides: sections as tables (``policy={"quiet_hours": False}``), keys of ``[omnibus]`` (``store=…``), or
            nested names (``channels__sms__token=…``).

    Raises:
        ConfigError: anything wrong, with place and fix; all mistakes at once, one line each.
    """
    file = Path(path).absolute()
    file = file / "omnibus.toml" if file.is_dir() else file
    names = dict(os.environ if environ is None else environ)
    told: dict[str, Any] = {}
    origins: dict[str, str] = {}
    unread: list[str] = []
    for leaves in (from_file(file), from_environ(names, unread), from_secrets(names), from_arguments(overrides)):
        for keys, value, origin in leaves:
            put(told, origins, keys, value, origin)
    tables = _validated(told, origins, file, names)
    _check_budget(tables, file)
    _check_keep(tables, file)
    origins = {**{key: "default" for key in _defaults(tables) if not _given(key, origins)}, **origins}
    return Settings(
        path=file, omnibus=tables.omnibus, safety=tables.safety, policy=tables.policy, tracking=tables.tracking,
        keep=tables.keep, server=tables.server, channels=tables.channels, told=told, origins=dict(sorted(origins.items())),
        offers={name: table.offer(name) for name, table in tables.offers.items()}, unread=tuple(unread), environ=names,
    )  # fmt: skip


def _validated(told: dict[str, Any], origins: dict[str, str], file: Path, environ: dict[str, str]) -> Tables:
    core = told.get("omnibus", {})
    late = {key: core[key] for key in ("store", "public_url") if isinstance(core, dict) and key in core}
    where = f"{file.name} [omnibus]"
    early = resolve_secrets(late, where=where, environ=environ, folder=file.parent)
    ready = {**told, "omnibus": {**core, **early}} if isinstance(core, dict) else told
    ready = {**{key: {} for key in (*SECTIONS, *FREE)}, **ready}
    zone = core.get("zone") if isinstance(core, dict) else ""
    try:
        return Tables.model_validate(ready, context={"folder": file.parent, "zone": zone})
    except ValidationError as error:
        raise one_error(_error(each, file.name, origins) for each in describe(error, own=True)) from None


def _error(mistake: Mistake, file: str, origins: Mapping[str, str]) -> ConfigError:
    *before, key = mistake.loc
    if not before and mistake.unknown:
        return ConfigError(f"unknown section [{key}]", where=file, fix=suggest(key, (*SECTIONS, *FREE), marks="[]"))
    whole = before[:1] in (["offers"], ["channels"]) and len(before) == 1  # a table as such, not one of its keys
    section = ".".join(mistake.loc if whole or not before else before)
    origin = origins.get(".".join(mistake.loc), file)
    place = f"{file} [{section}]" if origin == file else f"argument [{section}]" if origin == "argument" else origin
    if mistake.unknown:
        return ConfigError(f"unknown key `{key}`", where=place, fix=suggest(key, _known(before)))
    if mistake.missing:
        return ConfigError(f"`{key}` is missing", where=place, fix=f"add `{key} = …`")
    what = mistake.what if whole or not before else f"`{key}` {mistake.what}"
    return ConfigError(what, where=place)


def _known(before: list[str]) -> list[str]:
    if before[0] == "offers":
        return list(OfferTable.model_fields)
    return list(SECTIONS[before[0]].model_fields) if len(before) == 1 else []


def _check_budget(tables: Tables, file: Path) -> None:
    """Refuse a cost that misspells an enabled channel; a channel that is not enabled may have one."""
    for name in tables.policy.budget.costs if tables.policy.budget else ():
        near = suggest(name, [*tables.channels, "window", "points"])
        if name not in tables.channels and near.startswith("did you mean"):
            raise ConfigError(f"unknown key `{name}`", where=f"{file.name} [policy.budget]", fix=near)


def _check_keep(tables: Tables, file: Path) -> None:
    """Refuse to prune what the contact budget still counts."""
    budget, kept = tables.policy.budget, tables.keep.deliveries
    if budget is not None and kept is not None and kept < budget.window:
        what = f"`deliveries` must stay as long as the budget's window, {write_duration(budget.window)}, or longer"
        raise ConfigError(what, where=f"{file.name} [keep]")


def _defaults(tables: Tables) -> list[str]:
    return [f"{section}.{key}" for section, model in SECTIONS.items() for key in model.model_fields]


def _given(key: str, origins: Mapping[str, str]) -> bool:
    return any(each == key or each.startswith(f"{key}.") for each in origins)


def _put_back(plain: dict[str, Any], told: Mapping[str, Any]) -> None:
    """Show what was written rather than what was made of it: references, relative paths, ``21:00-08:00``."""
    for section in SECTIONS:
        plain[section] = _plain({**plain[section], **told.get(section, {})})
    policy = plain["policy"]
    if isinstance(hours := policy["quiet_hours"], dict):
        policy["quiet_hours"] = f"{hours['begin'][:5]}-{hours['end'][:5]}"
    if isinstance(budget := policy["budget"], dict) and isinstance(budget.get("costs"), dict):
        policy["budget"] = {**{key: value for key, value in budget.items() if key != "costs"}, **budget["costs"]}


def _plain(table: Any) -> Any:
    """Make it JSON: paths and moments become text."""
    if isinstance(table, Mapping):
        return {key: _plain(each) for key, each in table.items()}
    if isinstance(table, list | tuple):
        return [_plain(each) for each in table]
    if isinstance(table, timedelta):
        return write_duration(table)
    return table if table is None or isinstance(table, str | int | float | bool) else str(table)
