"""A value made swiftly is the same value: frozen, with the same fields, defaults, equality and repr."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from inspect import signature
from typing import Any

import pytest

from omnibus.model.swift import swift


@dataclass(frozen=True, slots=True)
class Plain:
    """Be what dataclasses make."""

    id: str
    tags: tuple[str, ...] = ()
    data: dict[str, Any] = field(default_factory=dict, repr=False)


@swift
@dataclass(frozen=True, slots=True)
class Swift:
    """Be the same, made swiftly."""

    id: str
    tags: tuple[str, ...] = ()
    data: dict[str, Any] = field(default_factory=dict, repr=False)


def test_it_takes_the_same_arguments() -> None:
    ours = [(each.name, each.kind) for each in signature(Swift).parameters.values()]
    assert ours == [(each.name, each.kind) for each in signature(Plain).parameters.values()]
    assert [each.name for each in fields(Swift)] == ["id", "tags", "data"]
    with pytest.raises(TypeError, match="id"):
        Swift()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="colour"):
        Swift("a", colour=1)  # type: ignore[call-arg]


def test_it_is_frozen_equal_hashed_copied_and_shown_as_before() -> None:
    made = Swift("a", ("x",))
    assert type(made) is Swift
    with pytest.raises(FrozenInstanceError):
        made.id = "b"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del made.id
    assert made == Swift("a", ("x",)) != Swift("b", ("x",))
    assert replace(made, id="b") == Swift("b", ("x",), {})
    assert copy.deepcopy(made) == pickle.loads(pickle.dumps(made)) == made
    assert repr(Swift("a", data={"secret": 1})) == "Swift(id='a', tags=())"
    assert not hasattr(made, "__dict__")


def test_each_gets_its_own_default() -> None:
    first, second = Swift("a"), Swift("a")
    first.data["x"] = 1
    assert second.data == {}


def test_what_it_cannot_make_is_refused_when_the_class_is_made() -> None:
    @dataclass(frozen=True)
    class Open:
        id: str

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Named:
        id: str

    for each in (Open, Named):
        with pytest.raises(TypeError, match="cannot be made swiftly"):
            swift(each)
