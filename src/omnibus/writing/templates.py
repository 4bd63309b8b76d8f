"""The sandbox that values pass through: a person's data are values, never templates, markup, links or calls.

Two forms of one template. *plain* puts cleaned values in. *skeleton* puts a numbered slot where each value belongs, so
that Markdown is read once for all people and a value cannot change how it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Template, TemplateSyntaxError, meta, nodes
from jinja2.exceptions import SecurityError, UndefinedError

from omnibus.settings.words import suggest
from omnibus.writing.direct import Direct, Rendered, direct
from omnibus.writing.filters import FILTERS, FilterMistake
from omnibus.writing.sandbox import LIMIT, STATE, TOP, Form, MessageEnvironment, Names, Slots, TemplateMistake

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


@dataclass(frozen=True, slots=True)
class _Compiled:
    """Hold a template, the names it asks for, its text when it asks for none, and the quick way where there is one."""

    template: Template
    wants: frozenset[str]
    fixed: Rendered | None
    direct: Direct | None


class Templates:
    """Check, compile once and render; *filters* are added to the built-in ``money`` and ``date``."""

    def __init__(self, filters: Mapping[str, Callable[..., Any]] | None = None) -> None:
        self._env = MessageEnvironment()
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

    def render(self, source: str, told: dict[str, Any], form: Form) -> Rendered:
        """Render one text.

        Raises:
            TemplateMistake: a name is missing, a value cannot be shown, the text grows too long.
        """
        made = self._compiled.get(source)
        if made is not None:
            if made.fixed is not None:
                return made.fixed
            try:
                if made.direct is None:
                    return _at_once(made, Names(self._env, told), form)
                if form == "skeleton":
                    return made.direct.skeleton_of(told)
                return Rendered(made.direct.plain(told))
            except Exception:  # noqa: BLE001, S110 - the long way below finds it again, and the line it stands in
                pass
        slots = Slots(form)
        try:
            made = self._template(source)
            pieces = made.template.generate({**told, STATE: slots})
            return Rendered("".join(_bounded(pieces, slots)), tuple(slots.values))
        except TemplateMistake as error:
            raise TemplateMistake(error.what, line=error.line or _line(error), fix=error.fix) from None
        except Exception as error:  # noqa: BLE001 - a filter may raise anything; all of it is the template's mistake
            what, _, fix = _words(error).partition("\0")
            raise TemplateMistake(what, line=_line(error), fix=_fix(fix, told)) from None

    def wants(self, source: str) -> frozenset[str]:
        """List the names that a text asks for.

        Raises:
            TemplateMistake: as ``check``.
        """
        return self._template(source).wants

    def _template(self, source: str) -> _Compiled:
        made = self._compiled.get(source)
        if made is None:
            self.check(source)
            tree = self._env.parse(source)
            template, wants = self._env.from_string(source), meta.find_undeclared_variables(tree)
            fixed = None
            if not any(sign in source for sign in ("{{", "{%", "{#")):
                slots = Slots("plain")
                fixed = Rendered("".join(_bounded(template.generate({STATE: slots}), slots)))
            quick = direct(tree, self._env.filters) if fixed is None else None
            made = self._compiled[source] = _Compiled(template, frozenset(wants), fixed, quick)
        return made


def _at_once(made: _Compiled, names: Names, form: Form) -> Rendered:
    """Render without what Jinja does for templates that call, include and report mistakes."""
    slots, size, pieces = names.afresh(form), 0, []
    for piece in made.template.root_render_func(names):
        size += len(piece)
        if size + slots.size > LIMIT:
            slots.grow(size)
        pieces.append(piece)
    return Rendered("".join(pieces), tuple(slots.values))


def _words(error: Exception) -> str:
    text = str(error)
    if isinstance(error, SecurityError | UndefinedError | FilterMistake):
        return text
    return f"the template fails ({type(error).__name__})"


def _fix(fix: str, names: Mapping[str, Any]) -> str:
    """Suggest a name where a top-level one is missing: only here are all of them known."""
    return suggest(fix.removeprefix(TOP), names) if fix.startswith(TOP) else fix


def _bounded(pieces: Iterator[str], slots: Slots) -> Iterator[str]:
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
