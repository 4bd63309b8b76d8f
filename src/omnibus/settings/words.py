"""What a validation error is called towards people: key, rule and fix; never a value, never pydantic's own words."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretBytes, SecretStr, ValidationError

from omnibus.errors import ConfigError

#: beginning of a pydantic error type → the rule in our words; the first that fits counts
RULES = {
    "bool": "must be true or false",
    "int": "must be a whole number",
    "float": "must be a number",
    "decimal": "must be a number",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "is not written as it must be",
    "string": "must be text",
    "bytes": "must be text",
    "list": "must be a list",
    "tuple": "must be a list",
    "set": "must be a list",
    "frozen_set": "must be a list",
    "dict": "must be a table",
    "mapping": "must be a table",
    "model": "must be a table",
    "dataclass": "must be a table",
    "url": "must be a URL",
    "path": "must be a path",
    "time": "must be a duration such as 3d, 90m or 1h30m",
    "date": "must be a date or time, e.g. 2026-11-30T23:59:59+01:00",
    "timezone": "needs an offset from UTC, e.g. 2026-11-30T23:59:59+01:00",
}

#: error type → rule with its bound
BOUNDS = {
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
}

SHORTEST_VALUE = 4  # characters; shorter inputs are found in any sentence by chance


@dataclass(frozen=True, slots=True)
class Mistake:
    """Hold one thing to mend: *loc* is the path of the key, *what* begins after it, *unknown* marks a key nobody knows."""

    loc: tuple[str, ...]
    what: str
    unknown: bool = False
    missing: bool = False


def suggest(word: str, known: Iterable[str], *, marks: str = "``") -> str:
    """Write the fix for an unknown word: the nearest known one, else all of them; empty when none is known."""
    names = sorted(known)
    left, right = marks[0], marks[1]
    near = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    if near:
        return f"did you mean {left}{near[0]}{right}?"
    return f"known are {', '.join(names)}" if names else ""


def describe(error: ValidationError, *, own: bool = False) -> list[Mistake]:
    """Take a validation error apart into mistakes, in the order of the file's keys.

    Args:
        own: the validators are Omnibus' own, so their texts are known to repeat no value.
    """
    return [_mistake(each, own=own) for each in error.errors(include_url=False)]


def _mistake(each: Mapping[str, Any], *, own: bool) -> Mistake:
    kind, loc = str(each["type"]), tuple(str(part) for part in each["loc"])
    if kind == "extra_forbidden":
        return Mistake(loc, "is unknown", unknown=True)
    if kind == "missing":
        return Mistake(loc, "is missing", missing=True)
    if kind in BOUNDS:
        return Mistake(loc, BOUNDS[kind].format(**each.get("ctx", {})).replace("'", '"'))
    if kind in {"value_error", "assertion_error"}:
        return Mistake(loc, _own_words(each, own=own))
    rule = next((rule for begin, rule in RULES.items() if kind.startswith(begin)), "does not fit")
    return Mistake(loc, rule)


def _own_words(each: Mapping[str, Any], *, own: bool) -> str:
    """Use a validator's own text, unless it repeats something that was typed in."""
    text = str(each.get("ctx", {}).get("error", "")) or "does not fit"
    if not own and any(value in text for value in _texts(each.get("input")) if len(value) >= SHORTEST_VALUE):
        return "does not fit"
    return text


def _texts(told: Any) -> Iterator[str]:
    if isinstance(told, Mapping):
        for value in told.values():
            yield from _texts(value)
    elif isinstance(told, list | tuple):
        for value in told:
            yield from _texts(value)
    elif isinstance(told, SecretStr | SecretBytes):
        yield from _texts(told.get_secret_value())
    elif isinstance(told, bytes):
        yield told.decode("utf-8", "replace")
    elif told is not None:
        yield str(told)


def describe_channel_errors(channel: str, error: ValidationError, known_fields: Collection[str]) -> ConfigError:
    """Word the errors of a plugin's Settings: ``unknown key `tokn` in [channels.sms]; did you mean `token`?``.

    Args:
        known_fields: every key the channel's and the provider's Settings take (aliases as they stand in TOML).
    """
    return one_error(_channel_error(f"[channels.{channel}]", mistake, known_fields) for mistake in describe(error))


def _channel_error(section: str, mistake: Mistake, known: Collection[str]) -> ConfigError:
    key = ".".join(mistake.loc)
    if mistake.unknown:
        return ConfigError(f"unknown key `{key}` in {section}", fix=suggest(key, known))
    if mistake.missing:
        return ConfigError(f"`{key}` is missing in {section}", fix=f"add `{key} = …` there")
    return ConfigError(f"`{key}` in {section} {mistake.what}" if key else f"{section} {mistake.what}")


def one_error(errors: Iterable[ConfigError]) -> ConfigError:
    """Make one error of several, one line each, so that all can be mended at once."""
    found = list(errors)
    return found[0] if len(found) == 1 else ConfigError("\n".join(str(each) for each in found))
