"""Texts that only name values, as nearly all do: read once into pieces, then filled by looking the values up.

What Jinja does for a text on top of that (a generator, a context, an undefined object for what may be missing) costs ten
times as much as the looking up. Whatever is not as expected here raises, and Jinja renders the text and words the mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from jinja2 import nodes
from jinja2.filters import do_default

from omnibus.writing.filters import FILTERS
from omnibus.writing.sandbox import LIMIT, shown
from omnibus.writing.values import clean

Told = Mapping[str, Any]
Read = Callable[[Told], Any]
Filters = Mapping[str, Callable[..., Any]]

_OWN = frozenset({"self", "super", "caller", "loop"})  # names that mean something else to Jinja


class Rendered(NamedTuple):
    """Hold a text with slots, and the cleaned values that belong into them."""

    skeleton: str
    values: tuple[str, ...] = ()


class NotDirect(Exception):
    """Leave the text to Jinja."""


@dataclass(frozen=True, slots=True)
class Direct:
    """Hold a text cut where its values belong.

    Args:
        parts: what stands before, between and after the values.
        reads: how each value is found.
        skeleton: the text with a numbered slot for each value.
    """

    parts: tuple[str, ...]
    reads: tuple[Read, ...]
    skeleton: str

    def skeleton_of(self, told: Told) -> Rendered:
        """Give the text with slots, and the values that belong into them; an empty value has no slot.

        Raises:
            Exception: Jinja is to render it.
        """
        values = self._values(told)
        if all(values):
            return Rendered(self.skeleton, values)
        kept = iter([slot(number) for number in range(len(values))])
        text = self._filled([next(kept) if value else "" for value in values])
        return Rendered(text, tuple([each for each in values if each]))

    def plain(self, told: Told) -> str:
        """Give the text with its values in.

        Raises:
            Exception: Jinja is to render it.
        """
        return self._filled(self._values(told))

    def _values(self, told: Told) -> tuple[str, ...]:
        values, size = [], len(self.skeleton)
        for read in self.reads:
            value = read(told)
            text = clean(value if type(value) is str else shown(value))
            size += len(text)
            values.append(text)
        if size > LIMIT:
            raise NotDirect
        return tuple(values)

    def _filled(self, values: Sequence[str]) -> str:
        if len(values) == 1:
            return f"{self.parts[0]}{values[0]}{self.parts[1]}"
        out = [self.parts[0]]
        for value, part in zip(values, self.parts[1:], strict=True):
            out += (value, part)
        return "".join(out)


def slot(number: int) -> str:
    """Write the place of a value."""
    return f"\ue000{number}\ue001"


def direct(tree: nodes.Template, filters: Filters) -> Direct | None:
    """Cut a text where its values belong; None when it does more than to name them."""
    parts, reads = [""], list[Read]()
    try:
        for each in _pieces(tree):
            if isinstance(each, nodes.TemplateData):
                parts[-1] += each.data
            else:
                reads.append(_read(each, filters))
                parts.append("")
    except NotDirect:
        return None
    skeleton = "".join([parts[0], *(f"{slot(number)}{part}" for number, part in enumerate(parts[1:]))])
    return Direct(tuple(parts), tuple(reads), skeleton)


def _pieces(tree: nodes.Template) -> Iterator[nodes.Expr]:
    for each in tree.body:
        if not isinstance(each, nodes.Output):
            raise NotDirect
        yield from each.nodes


def _read(expression: nodes.Expr, filters: Filters) -> Read:
    """Prepare how a value is found."""
    match expression:
        case nodes.Const(value=constant):
            return lambda told: constant
        case nodes.Filter(node=nodes.Expr() as node, name=name, args=args, kwargs=[], dyn_args=None, dyn_kwargs=None):
            constants = [each.value for each in args if isinstance(each, nodes.Const)]
            if filters[name] is do_default and len(constants) == len(args) < 3:
                return _defaulted(_path(node), *constants)
            return _filtered(filters[name], [_read(each, filters) for each in (node, *args)])
    return _followed(_path(expression))


def _path(expression: nodes.Expr) -> tuple[str | int, ...]:
    """List the steps from the names to a value: keys and places."""
    match expression:
        case nodes.Name(name=name) if name not in _OWN:
            return (name,)
        case nodes.Getattr(node=node, attr=key):
            return (*_path(node), key)
        case nodes.Getitem(node=node, arg=nodes.Const(value=str() | int() as key)) if type(key) is not bool:
            return (*_path(node), key)
    raise NotDirect


def _followed(path: tuple[str | int, ...]) -> Read:
    """Follow a path; what is missing, or no plain table or list, raises."""
    if len(path) == 2:
        return _field(*path)

    def read(told: Told) -> Any:
        found: Any = told
        for step in path:
            kind = type(found)
            if kind is not dict and (kind is not list or type(step) is not int):
                raise NotDirect
            found = found[step]
        return found

    return read


def _field(name: Any, key: str | int) -> Read:
    """Read a field of what has a name: what most texts ask for, so without a loop."""

    def read(told: Told) -> Any:
        owner = told[name]
        if type(owner) is not dict:
            raise NotDirect
        return owner[key]

    return read


def _defaulted(path: tuple[str | int, ...], instead: Any = "", empty: Any = False) -> Read:
    """Follow a path whose end may be missing, or *empty*."""
    *way, last = path
    owner = _followed(tuple(way))

    def read(told: Told) -> Any:
        found = owner(told)
        if type(found) is not dict:
            raise NotDirect
        value = found.get(last, instead)
        return value if value or not empty else instead

    return read


def _filtered(filter_: Callable[..., Any], reads: Sequence[Read]) -> Read:
    """Apply a filter that needs nothing but what it is given; ours look at locale and zone, which stand among the names."""
    if filter_ in FILTERS.values():
        return lambda told: filter_(told, *[read(told) for read in reads])
    if hasattr(filter_, "jinja_pass_arg"):
        raise NotDirect
    return lambda told: filter_(*[read(told) for read in reads])
