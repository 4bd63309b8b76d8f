"""The front matter of a message: what it is for, when, by which channels; every key checked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from omnibus.errors import InputError, MessageError
from omnibus.model.duration import read_duration
from omnibus.model.message import CallToAction, Media, Purpose
from omnibus.settings.words import suggest
from omnibus.writing.marked import Marked, read_yaml

#: keys that hold words: a language file may give its own
WORDS = ("cta", "image", "preheader", "facts", "values", "data")
#: keys that hold rules: they stand in the plain file only
RULES = ("like", "purpose", "topic", "while", "offer", "via", "spread", "audience", "expires")
#: key → field of ``Message``, where they differ
FIELDS = {"while": "while_"}


#: what the reader itself keeps in ``Message.data``
TAKEN = frozenset({"facts", "lines", "values"})


@dataclass(frozen=True, slots=True)
class Known:
    """Hold what a message may name; None where nothing is to be checked."""

    channels: Collection[str] | None = None
    premises: Collection[str] | Callable[[str], bool] | None = None
    offers: Collection[str] | None = None

    def premise(self, name: str) -> bool:
        """Tell whether a premise exists."""
        if self.premises is None:
            return True
        return self.premises(name) if callable(self.premises) else name in self.premises


@dataclass(frozen=True, slots=True)
class Front:
    """Hold a front matter, read and checked.

    Args:
        fields: arguments of ``Message``.
        rest: the text below, and *rest_line*, where it begins.
    """

    marked: Marked
    rest: str
    rest_line: int
    fields: Mapping[str, Any] = field(default_factory=dict)
    media: tuple[Media, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def like(self) -> str:
        """Name the message whose front matter this one starts from; empty for none."""
        return _text(self.marked, "like")

    @property
    def source(self) -> str:
        """Name the file."""
        return self.marked.source

    @property
    def template_lines(self) -> dict[str, int]:
        """Give the lines of the texts that are templates."""
        told = self.marked.value
        lines = {key: self.marked.line(key) for key in ("image", "preheader") if key in told}
        for key in ("cta", "facts"):
            lines |= {f"{key}.{name}": self.marked.line(key, name) for name in told.get(key) or ()}
        return lines

    def wrong(self, what: str, *path: str | int, fix: str = "") -> InputError:
        """Make the error for a key."""
        return self.marked.wrong(what, *path, fix=fix)

    def over(self, base: Front, *, words_only: bool) -> Front:
        """Lay what this file says over another's; tables are joined key by key.

        Args:
            words_only: it is the same message in another language, so it may have no rules of its own.

        Raises:
            MessageError: it has rules all the same.
        """
        told = self.marked.value
        for key in RULES if words_only else ():
            if key in told:
                fix = f"remove it here: {base.source} says it for all languages"
                raise self.wrong(f"`{key}` is no matter of language", key, fix=fix)
        own = {FIELDS.get(key, key) for key in told}
        return Front(
            self.marked, self.rest, self.rest_line,
            {name: self.fields[name] if name in own else each for name, each in base.fields.items()},
            self.media if "image" in told else base.media,
            {**base.facts, **self.facts}, {**base.values, **self.values}, {**base.data, **self.data},
        )  # fmt: skip


def read_front(text: str, source: str, known: Known) -> Front:
    """Read what stands between the two ``---`` lines.

    Raises:
        MessageError: with line and fix.
    """
    rows = text.split("\n")
    if rows[0].rstrip() != "---":
        raise MessageError("the front matter is missing", where=f"{source}:1", fix="begin with ---, `purpose: …`, ---")
    end = next((index for index, row in enumerate(rows[1:], start=1) if row.rstrip() == "---"), 0)
    if not end:
        raise MessageError("the front matter does not end", where=f"{source}:1", fix="close it with a line ---")
    marked = read_yaml("\n".join(rows[1:end]), source, MessageError, first=2)
    marked.only(marked.value, (*RULES, *WORDS))
    _check_names(marked, known)
    fields = _fields(marked)
    facts = _texts(marked, "facts", ("price",))
    values, data = _table(marked, "values"), _table(marked, "data")
    if TAKEN & data.keys():
        key = min(TAKEN & data.keys())
        raise marked.wrong(f"`data` cannot hold `{key}`", "data", key, fix="the name is taken")
    return Front(marked, "\n".join(rows[end + 1 :]), end + 2, fields, _media(marked), facts, values, data)


def _fields(marked: Marked) -> dict[str, Any]:
    cta = _texts(marked, "cta", ("label", "url"))
    if cta and len(cta) < len(("label", "url")):
        raise marked.wrong("`cta` needs both label and url", "cta", fix='cta: { label: "…", url: "…" }')
    made = {
        "purpose": Purpose(_choice(marked, "purpose", [str(each) for each in Purpose], Purpose.MARKETING)),
        "topic": _text(marked, "topic") or "general",
        "while_": _words(marked, "while"),
        "offer": _text(marked, "offer"),
        "via": _words(marked, "via"),
        "spread": _choice(marked, "spread", ["one", "all"], "one"),
        "audience": _choice(marked, "audience", ["person", "public"], "person"),
        "preheader": _text(marked, "preheader"),
        "cta": CallToAction(**cta) if cta else None,
        "expires": None,
    }
    if "expires" in marked.value:
        try:
            made["expires"] = read_duration(marked.value["expires"])
        except ValueError as error:
            raise marked.wrong(f"`expires` {error}", "expires") from None
    return made


def _check_names(marked: Marked, known: Known) -> None:
    for index, name in enumerate(_words(marked, "via")):
        if known.channels is not None and name not in known.channels:
            fix = suggest(name, known.channels) or "no channel is enabled"
            raise marked.wrong(f"unknown channel `{name}`", "via", index, fix=fix)
    for index, name in enumerate(_words(marked, "while")):
        if not known.premise(name):
            fix = "" if callable(known.premises) or known.premises is None else suggest(name, known.premises)
            raise marked.wrong(f"unknown premise `{name}`", "while", index, fix=fix)
    offer = _text(marked, "offer")
    if offer and known.offers is not None and offer not in known.offers:
        fix = suggest(offer, known.offers) or f"add [offers.{offer}] to omnibus.toml"
        raise marked.wrong(f"unknown offer `{offer}`", "offer", fix=fix)


def _media(marked: Marked) -> tuple[Media, ...]:
    told = marked.value.get("image")
    out = []
    for each in told if isinstance(told, list) else [] if told is None else [told]:
        whole = {"url": each} if isinstance(each, str) else each
        fine = isinstance(whole, dict) and whole.keys() <= {"url", "alt"} and isinstance(whole.get("url"), str)
        if not fine or not isinstance(whole.get("alt", ""), str):
            raise marked.wrong("`image` must be a path or URL", "image", fix='or { url: "…", alt: "…" }')
        out.append(Media(whole["url"], whole.get("alt", "")))
    return tuple(out)


def _text(marked: Marked, key: str) -> str:
    told = marked.value.get(key)
    if told is None:
        return ""
    if not isinstance(told, str):
        raise marked.wrong(f"`{key}` must be text", key, fix="put it in quotes")
    return told


def _table(marked: Marked, key: str) -> dict[str, Any]:
    told = marked.value.get(key) or {}
    if not isinstance(told, dict):
        raise marked.wrong(f"`{key}` must be a table", key, fix="write `key: value` lines below it")
    return dict(told)


def _words(marked: Marked, key: str) -> tuple[str, ...]:
    told = marked.value.get(key)
    words = [told] if isinstance(told, str) else told or []
    if not isinstance(words, list) or not all(isinstance(each, str) for each in words):
        raise marked.wrong(f"`{key}` must be a list of words", key, fix=f"{key}: [one, two]")
    return tuple(words)


def _choice(marked: Marked, key: str, allowed: list[str], default: str) -> Any:
    told = marked.value.get(key, default)
    if told not in allowed:
        raise marked.wrong(f"`{key}` must be one of {', '.join(allowed)}", key, fix=_near(told, allowed))
    return told


def _near(told: object, allowed: list[str]) -> str:
    fix = suggest(str(told), allowed)
    return fix if fix.startswith("did you mean") else ""


def _texts(marked: Marked, key: str, names: tuple[str, ...]) -> dict[str, str]:
    told = _table(marked, key)
    marked.only(told, names, key)
    for name, each in told.items():
        if not isinstance(each, str):
            raise marked.wrong(f"`{key}.{name}` must be text", key, name, fix="put it in quotes")
    return told
