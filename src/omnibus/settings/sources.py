"""The four sources, leaf by leaf, each leaf with its origin.

Own merge and not pydantic-settings': that one cannot tell the origin of a value, reads ``os.environ`` only, puts
secret files below the environment and ignores misspelt names.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omnibus.errors import ConfigError
from omnibus.settings.sections import FREE, SECTIONS, Core
from omnibus.settings.words import suggest

PREFIX = "OMNIBUS_"
SECRETS_DIR = "/run/secrets"  # where container platforms mount secret files; OMNIBUS_SECRETS_DIR names another
#: names with our prefix that are read elsewhere
ELSEWHERE = frozenset({"OMNIBUS_SECRETS_DIR", "OMNIBUS_CONFIG"})

Leaf = tuple[tuple[str, ...], Any, str]


def from_file(file: Path) -> Iterator[Leaf]:
    """Read the leaves of ``omnibus.toml``.

    Raises:
        ConfigError: it is not there, or no TOML.
    """
    try:
        told = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        fix = "`omnibus init` makes one"
        raise ConfigError(f"there is no {file.name} in {file.parent.name or '/'}", fix=fix) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        reason = str(error) if isinstance(error, tomllib.TOMLDecodeError) else type(error).__name__
        raise ConfigError(f"not readable as TOML: {reason}", where=file.name) from None
    yield from _leaves(_long_form(told), (), file.name)


def from_environ(environ: Mapping[str, str], unread: list[str]) -> Iterator[Leaf]:
    """Read ``OMNIBUS_*``; names that lead nowhere are added to *unread*."""
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in ELSEWHERE:
            continue
        keys = _route(name)
        if keys is None:
            unread.append(name)
        else:
            yield keys, _from_text(environ[name]), name


def from_secrets(environ: Mapping[str, str]) -> Iterator[Leaf]:
    """Read files named like the environment's names; their trailing line break is dropped."""
    folder = Path(environ.get("OMNIBUS_SECRETS_DIR", SECRETS_DIR))
    if not folder.is_dir():
        return
    for file in sorted(folder.iterdir()):
        keys = _route(file.name.upper()) if file.name.upper().startswith(PREFIX) else None
        if keys is not None and file.is_file():
            yield keys, file.read_text("utf-8").rstrip("\r\n"), str(file)


def from_arguments(overrides: Mapping[str, Any]) -> Iterator[Leaf]:
    """Read keyword arguments.

    Raises:
        ConfigError: a name that leads nowhere.
    """
    for name, value in overrides.items():
        keys = _keys(name.split("__"))
        if keys is None:
            known = (*SECTIONS, *FREE, *Core.model_fields)
            raise ConfigError(f"unknown key `{name}`", where="argument", fix=suggest(name, known))
        yield from _leaves(value, keys, "argument")


def _route(name: str) -> tuple[str, ...] | None:
    keys = _keys(name.removeprefix(PREFIX).lower().split("__"))
    return None if keys is None or len(keys) == 1 else keys


def _keys(parts: list[str]) -> tuple[str, ...] | None:
    """Find the section: a first name that is none is a key of ``[omnibus]``."""
    if parts[0] in SECTIONS or parts[0] in FREE:
        return tuple(parts)
    return ("omnibus", *parts) if len(parts) == 1 and parts[0] in Core.model_fields else None


def _from_text(text: str) -> Any:
    """Read a list from JSON (several providers); everything else stays text, so that no token is misread."""
    if text.startswith("["):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _long_form(told: dict[str, Any]) -> dict[str, Any]:
    """Let ``sms = "twilio://…"`` in ``[channels]`` stand for a table with that provider."""
    channels = told.get("channels")
    if isinstance(channels, dict):
        short = {name: {"provider": each} for name, each in channels.items() if isinstance(each, str | list)}
        return {**told, "channels": {**channels, **short}}
    return told


def _leaves(told: Any, keys: tuple[str, ...], origin: str) -> Iterator[Leaf]:
    if isinstance(told, Mapping) and told:
        for key, value in told.items():
            yield from _leaves(value, (*keys, str(key)), origin)
    elif keys:
        yield keys, told, origin


def put(told: dict[str, Any], origins: dict[str, str], keys: tuple[str, ...], value: Any, origin: str) -> None:
    """Set one leaf; environment names find keys with hyphens (``my-fax`` by ``MY_FAX``)."""
    at, path = told, []
    for key in keys[:-1]:
        name = _spelt(key, at)
        path.append(name)
        if not isinstance(at.get(name), dict):
            origins.pop(".".join(path), None)
            at[name] = {}
        at = at[name]
    last = _spelt(keys[-1], at)
    dotted = ".".join((*path, last))
    if value == {} and isinstance(at.get(last), dict):
        return
    for key in [each for each in origins if each.startswith(f"{dotted}.")]:
        del origins[key]
    at[last], origins[dotted] = value, origin


def _spelt(key: str, at: Mapping[str, Any]) -> str:
    return next((each for each in at if each.lower().replace("-", "_") == key.lower().replace("-", "_")), key)
