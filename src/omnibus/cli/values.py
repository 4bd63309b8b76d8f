"""Values for a message's templates, as every command takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from omnibus.cli.reading import read_object, read_pairs

F = TypeVar("F", bound=Callable[..., Any])


def value_options(command: F) -> F:
    """Give a command ``--set`` and ``--values``, which ``read_values`` reads as *pairs* and *values*."""
    one = click.option(
        "--set", "pairs", multiple=True, metavar="NAME=VALUE", help="A value for the message's templates."
    )
    all_ = click.option("--values", metavar="JSON", help="Values for the templates as a JSON object; - for stdin.")
    return one(all_(command))


def read_values(pairs: tuple[str, ...], values: str | None) -> dict[str, Any]:
    """Read ``--set`` and ``--values``.

    Raises:
        InputError: malformed, or a name that the bus itself uses.
    """
    from omnibus.errors import InputError

    told = {**read_object(values, "--values"), **read_pairs(pairs, "--set")}
    taken = {"message", "to", "key", "at", "origin", "connection", "via", "self"} & set(told)
    if taken:
        raise InputError(f"the name `{min(taken)}` is taken", where="--set", fix="choose another name for the value")
    return told
