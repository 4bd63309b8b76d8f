"""The sandbox that values pass through: a person's data are values, never templates, markup, links or calls.

Two forms of one template. *plain* puts cleaned values in. *skeleton* puts a numbered slot where each value belongs, so
that Markdown is read once for all people and a value cannot change how it is read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, Undefined, meta, nodes, pass_context
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.runtime import Context as Names
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from omnibus.settings.words import suggest
from omnibus.writing.filters import FILTERS, FilterMistake

LIMIT = 65_536  # characters of one rendered text
SLOT = re.compile("\ue000(\\d+)\ue001")
#: Jinja's own filters that only reckon with values; out: attr format center map xmlattr safe …
ALLOWED = (
    "abs", "capitalize", "count", "d", "default", "first", "float", "int", "join", "last", "length", "list", "lower",
    "max", "min", "reject", "rejectattr", "replace", "reverse", "round", "select", "selectattr", "sort", "sum", "title",
    "trim", "truncate", "unique", "upper", "urlencode",
)  # fmt: skip
#: what a message may not do: load, define, call or capture
FORBIDDEN: Mapping[type[nodes.Node], str] = {
    nodes.Call: "calls", nodes.CallBlock: "calls", nodes.Macro: "macros", nodes.Include: "includes",
    nodes.Import: "imports", nodes.FromImport: "imports", nodes.Extends: "extends", nodes.Block: "blocks",
    nodes.AssignBlock: "block assignments", nodes.FilterBlock: "filter blocks",
}  # fmt: skip

Form = Literal["plain", "skeleton"]

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
#: overrides and isolates turn the reading direction of what follows; marks for single words stay
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_TOP = "top:"
_STATE = "slots of this rendering"  # no template can name it


class TemplateMistake(Exception):
    """Say what is wrong in a template; *line* counts from 1 within it, None where it has none."""

    def __init__(self, what: str, *, line: int | None = None, fix: str = "") -> None:
        self.what, self.line, self.fix = what, line, fix
        super().__init__(what)


class _Missing(StrictUndefined):
    """Name what is missing in words; raised wherever it is used."""

    @property
    def _undefined_message(self) -> str:
        name, owner = self._undefined_name, self._undefined_obj
        if self._undefined_hint:
            return self._undefined_hint
        if owner is missing:
            return f"`{name}` is missing\0{_TOP}{name}"
        if not isinstance(owner, Mapping):
            return f"`{name}` is missing" if isinstance(name, str) else f"entry {name} is missing"
        return f"`{name}` is missing\0{suggest(str(name), map(str, owner))}"


class MessageEnvironment(ImmutableSandboxedEnvironment):
    """Reach data only: keys of mappings, places of lists, the loop; never attributes of objects, never a call."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Take a key, so that ``cart.items`` is the data's and not the dict's."""
        if isinstance(obj, Mapping):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        if isinstance(obj, LoopContext):
            return super().getattr(obj, attribute)
        if isinstance(obj, Undefined):
            return str(obj)  # raises, naming what is missing first
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Take a key or a place."""
        if isinstance(obj, Mapping):
            return obj[argument] if argument in obj else self.undefined(obj=obj, name=argument)
        if isinstance(obj, Sequence) and isinstance(argument, slice):
            return obj[argument]
        if isinstance(obj, Sequence) and isinstance(argument, int) and -len(obj) <= argument < len(obj):
            return obj[argument]
        if isinstance(obj, Undefined):
            return str(obj)
        return self.undefined(obj=obj, name=argument)

    def is_safe_callable(self, obj: Any) -> bool:
        """Refuse every call."""
        return False

    def call_binop(self, context: Names, operator: str, left: Any, right: Any) -> Any:
        """Refuse powers, and texts made long by multiplication."""
        if operator == "**" or isinstance(left, Sequence) or isinstance(right, Sequence):
            raise SecurityError(f"`{operator}` is not allowed here")
        return super().call_binop(context, operator, left, right)


@dataclass(slots=True)
class _Slots:
    form: Form
    values: list[str] = field(default_factory=list)
    size: int = 0

    def grow(self, by: int) -> None:
        self.size += by
        if self.size > LIMIT:
            raise TemplateMistake(f"the text is longer than {LIMIT} characters", fix="shorten it")


@dataclass(frozen=True, slots=True)
class Rendered:
    """Hold a text with slots, and the cleaned values that belong into them."""

    skeleton: str
    values: tuple[str, ...] = ()

    def plain(self, text: str) -> str:
        """Put the values into a piece of plain text."""
        return SLOT.sub(lambda found: self.values[int(found[1])], text)

    @property
    def markdown(self) -> str:
        """Put the values in so that no Markdown reader takes them for markup."""
        return SLOT.sub(lambda found: escaped(self.values[int(found[1])]), self.skeleton)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """Hold a template, the names it asks for, and its text when it asks for none."""

    template: Template
    wants: frozenset[str]
    fixed: Rendered | None


class Templates:
    """Check, compile once and render; *filters* are added to the built-in ``money`` and ``date``."""

    def __init__(self, filters: Mapping[str, Callable[..., Any]] | None = None) -> None:
        self._env = MessageEnvironment(undefined=_Missing, finalize=_finalize, lstrip_blocks=True)
        self._env.globals.clear()
        own = {**FILTERS, **(filters or {})}
        self._env.filters = {**{name: self._env.filters[name] for name in ALLOWED}, **own}
        self._compiled: dict[str, _Compiled] = {}

    def check(self, source: str) -> None:
        """Find what is wrong without rendering.

        Raises:
            TemplateMistake: syntax, unknown filter, or something that is not allowed here.
        """
        try:
            tree = self._env.parse(source)
        except TemplateSyntaxError as error:
            what = str(error.message).rstrip(".").replace("'", "`")
            raise TemplateMistake(f"the template cannot be read: {what}", line=error.lineno) from None
        for node in tree.find_all(nodes.Node):
            word = FORBIDDEN.get(type(node))
            if word:
                fix = "values stand as {{ name }} or {{ name | filter }}"
                raise TemplateMistake(f"{word} are not allowed in a message", line=node.lineno, fix=fix)
            for kind, known in ((nodes.Filter, self._env.filters), (nodes.Test, self._env.tests)):
                if isinstance(node, kind) and node.name not in known:
                    name = node.name
                    what = f"unknown {kind.__name__.lower()} `{name}`"
                    raise TemplateMistake(what, line=node.lineno, fix=suggest(name, known))

    def render(self, source: str, names: Mapping[str, Any], form: Form) -> Rendered:
        """Render one text.

        Raises:
            TemplateMistake: a name is missing, a value cannot be shown, the text grows too long.
        """
        made = self._compiled.get(source)
        if made is not None and made.fixed is not None:
            return made.fixed
        try:
            if made is not None:
                return self._at_once(made, names, form)
        except Exception:  # noqa: BLE001, S110 - the long way below finds it again, and the line it stands in
            pass
        slots = _Slots(form)
        try:
            made = self._template(source)
            pieces = made.template.generate({**names, _STATE: slots})
            return Rendered("".join(_bounded(pieces, slots)), tuple(slots.values))
        except TemplateMistake as error:
            raise TemplateMistake(error.what, line=error.line or _line(error), fix=error.fix) from None
        except Exception as error:  # noqa: BLE001 - a filter may raise anything; all of it is the template's mistake
            what, _, fix = _words(error).partition("\0")
            raise TemplateMistake(what, line=_line(error), fix=_fix(fix, names)) from None

    def wants(self, source: str) -> frozenset[str]:
        """List the names that a text asks for.

        Raises:
            TemplateMistake: as ``check``.
        """
        return self._template(source).wants

    def _at_once(self, made: _Compiled, names: Mapping[str, Any], form: Form) -> Rendered:
        """Render without what Jinja does for templates that call, include and report mistakes."""
        slots = _Slots(form)
        pieces = []
        for piece in made.template.root_render_func(Names(self._env, {**names, _STATE: slots}, None, {})):
            slots.grow(len(piece))
            pieces.append(piece)
        return Rendered("".join(pieces), tuple(slots.values))

    def _template(self, source: str) -> _Compiled:
        made = self._compiled.get(source)
        if made is None:
            self.check(source)
            template, wants = self._env.from_string(source), meta.find_undeclared_variables(self._env.parse(source))
            fixed = None
            if not any(sign in source for sign in ("{{", "{%", "{#")):
                slots = _Slots("plain")
                fixed = Rendered("".join(_bounded(template.generate({_STATE: slots}), slots)))
            made = self._compiled[source] = _Compiled(template, frozenset(wants), fixed)
        return made


def _words(error: Exception) -> str:
    text = str(error)
    if isinstance(error, SecurityError | UndefinedError | FilterMistake):
        return text
    return f"the template fails ({type(error).__name__})"


def _fix(fix: str, names: Mapping[str, Any]) -> str:
    """Suggest a name where a top-level one is missing: only here are all of them known."""
    return suggest(fix.removeprefix(_TOP), names) if fix.startswith(_TOP) else fix


def _bounded(pieces: Iterator[str], slots: _Slots) -> Iterator[str]:
    for piece in pieces:
        slots.grow(len(piece))
        yield piece


def _line(error: BaseException) -> int | None:
    """Find the template's line: Jinja writes frames of a file called ``<template>`` into the traceback."""
    line, at = None, error.__traceback__
    while at is not None:
        if at.tb_frame.f_code.co_filename == "<template>":
            line = at.tb_lineno
        at = at.tb_next
    return line


@pass_context
def _finalize(context: Names, value: Any) -> str:
    """Turn every ``{{ … }}`` into a clean text, or into the slot that will hold it."""
    if isinstance(value, Undefined):
        return str(value)
    if value is None:
        raise TemplateMistake("a value is empty", fix='give one, or write {{ … | default("…", true) }}')
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        what = "a table or list" if isinstance(value, Mapping | Sequence) else "no text or number"
        raise TemplateMistake(f"a value is {what}", fix="name one of its fields, or join it")
    text, slots = clean(str(value)), context[_STATE]
    if slots.form == "plain" or not text:
        return text
    slots.grow(len(text))
    slots.values.append(text)
    return f"\ue000{len(slots.values) - 1}\ue001"


def clean(text: str) -> str:
    """Make a value one line: white space folded; controls, direction overrides and private characters dropped."""
    if text.isprintable():  # then there is nothing to drop: what we drop is not printable either
        return " ".join(text.split())
    kept = "".join(each for each in text if each.isspace() or _is_text(each))
    return " ".join(kept.split())


def _is_text(each: str) -> bool:
    return each not in _BIDI and unicodedata.category(each) not in {"Cc", "Cs", "Co", "Cn"}


def escaped(text: str) -> str:
    """Write a value so that Markdown shows it letter by letter."""
    return _PUNCTUATION.sub(r"\\\1", text)
