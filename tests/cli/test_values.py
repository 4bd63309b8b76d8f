"""Values for templates that are given on the command line never take the place of what the bus itself is told."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from omnibus import Bus, InputError
from omnibus.cli.values import read_values

METHODS = (Bus.send, Bus.publish, Bus.preview)
NAMES = sorted(
    {
        each.name
        for method in METHODS
        for each in inspect.signature(method).parameters.values()
        if each.kind is not inspect.Parameter.VAR_KEYWORD
    }
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("told", [lambda name: ((f"{name}=x",), None), lambda name: ((), f'{{"{name}": "x"}}')])
def test_a_name_that_the_bus_uses_is_taken(name: str, told: Any) -> None:
    with pytest.raises(InputError, match=f"the name `{name}` is taken") as error:
        read_values(*told(name))
    assert error.value.where == "--set"


def test_all_other_names_are_free() -> None:
    assert read_values(("name=Ada", "price=5"), '{"rejects": 1, "name": "Eve"}') == {
        "name": "Ada",
        "price": "5",
        "rejects": 1,
    }
    assert "connection" in NAMES
