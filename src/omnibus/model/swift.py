"""Frozen values that are as quickly made as open ones.

A frozen dataclass sets each of its fields by ``object.__setattr__``: eight microseconds for a delivery's 27 fields, and a
message makes a dozen such values on its way. Here the new value is an open twin of the class (the same slots, so the same
layout) while its fields are set, and becomes the frozen class before anybody sees it: half a microsecond.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar

T = TypeVar("T")

_become = vars(object)["__class__"].__set__  # what `value.__class__ = …` calls, and what no class can forbid
_twins: dict[type[Any], type[Any]] = {}


def swift(kind: type[T]) -> type[T]:
    """Give a ``@dataclass(frozen=True, slots=True)`` a quick ``__init__``; nothing else about it changes.

    Raises:
        TypeError: the class has no slots of its own, a ``__post_init__``, or fields that this way of making does not know.
    """
    told: tuple[Field[Any], ...] = fields(kind)  # type: ignore[arg-type] # a dataclass, as stands above it
    known = all(each.init and not each.kw_only for each in told)
    if "__slots__" not in vars(kind) or hasattr(kind, "__post_init__") or not known:
        raise TypeError(f"{kind.__name__} cannot be made swiftly")
    twin = type(f"_{kind.__name__}InTheMaking", kind.__bases__, {"__slots__": vars(kind)["__slots__"]})
    _twins[kind] = twin
    names: dict[str, Any] = {"_twin": twin, "_kind": kind, "_become": _become, "_missing": MISSING}
    given, lines = ["self"], ["_become(self, _twin)"]
    for number, each in enumerate(told):
        name, default = each.name, f"_{number}"
        if each.default is not MISSING:
            names[default] = each.default
            given.append(f"{name}={default}")
            lines.append(f"self.{name} = {name}")
        elif each.default_factory is not MISSING:
            names[default] = each.default_factory
            given.append(f"{name}=_missing")
            lines.append(f"self.{name} = {default}() if {name} is _missing else {name}")
        else:
            given.append(name)
            lines.append(f"self.{name} = {name}")
    lines.append("self.__class__ = _kind")
    made = _function("__init__", given, lines, names)
    made.__qualname__, made.__doc__ = f"{kind.__qualname__}.__init__", "Set every field."
    made.__annotations__ = {each.name: each.type for each in told}
    kind.__init__ = made  # type: ignore[method-assign] # the same signature, made quicker
    return kind


def many(kind: type[T]) -> Callable[[Iterable[tuple[Any, ...]]], list[T]]:
    """Give a function that makes a value of each row, which holds every field in order: no call of ``__init__`` for each.

    Raises:
        KeyError: the class is not made swiftly.
    """
    told = [each.name for each in fields(kind)]  # type: ignore[arg-type] # a dataclass, as it stands among the twins
    names: dict[str, Any] = {"_twin": _twins[kind], "_kind": kind, "_new": object.__new__}
    lines = ["_made = []", f"for {', '.join(told)}, in _rows:", "    _value = _new(_twin)"]
    lines += [f"    _value.{name} = {name}" for name in told]
    lines += ["    _value.__class__ = _kind", "    _made.append(_value)", "return _made"]
    made: Callable[[Iterable[tuple[Any, ...]]], list[T]] = _function("_many", ["_rows"], lines, names)
    return made


def _function(name: str, given: list[str], lines: list[str], names: dict[str, Any]) -> Any:
    body = "\n    ".join(lines)
    exec(f"def {name}({', '.join(given)}):\n    {body}\n", names)  # noqa: S102 - as dataclasses does; the names are our own
    return names[name]
