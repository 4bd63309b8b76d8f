"""Premises: what must still hold at the moment of sending, asked of a context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from omnibus.errors import FacetError
from omnibus.facet import Facet
from omnibus.model.context import Context
from omnibus.model.delivery import SHOWN, WAITING, Delivery, State


def premise_values(delivery: Delivery) -> dict[str, Any]:
    """Give a premise what it may need besides the context."""
    return {**delivery.values, "offer": delivery.offer}


def holds(premise: str, context: Context, values: dict[str, Any], now: datetime) -> bool:
    """Tell whether ``facet.claim`` is true in *context*; ``offer.…`` asks the facet ``offers``.

    Raises:
        KeyError: no such facet or claim (found when the message is loaded).
        FacetError: the facet could not be folded, or cannot answer.
    """
    name, claim = _read(premise, context.names)
    facet = context.named(name)
    try:
        return bool(facet.holds(claim, values, now))
    except Exception as error:  # a facet may be anybody's; what it cannot answer is not guessed
        if isinstance(error, KeyError) and claim not in facet.premises():
            raise
        raise FacetError(name, context.customer.id, type(error).__name__) from error


def facet_of(premise: str, context: Context) -> str:
    """Name the facet that judges a premise."""
    return _read(premise, context.names)[0]


@lru_cache(maxsize=1024)
def _read(premise: str, names: tuple[str, ...]) -> tuple[str, str]:
    """Split a premise into facet and claim; few are made, and each is asked for every message."""
    facet, _, claim = premise.partition(".")
    return facet if facet in names else f"{facet}s", claim


def knows(facets: Mapping[str, type[Facet]], premise: str) -> bool:
    """Tell whether a premise can be judged."""
    facet, _, claim = premise.partition(".")
    found = facets.get(facet) or facets.get(f"{facet}s")
    return found is not None and claim in found.premises()


def concerned(delivery: Delivery, context: Context) -> bool:
    """Tell whether the last events changed a facet that one of its premises is about."""
    touched = context.touched
    return bool(touched) and any(facet_of(premise, context) in touched for premise in delivery.premises)


def stands(delivery: Delivery, context: Context, now: datetime) -> bool:
    """Tell whether no reason of a delivery is known to be gone; one that is not known is asked again where it counts: when judged."""
    values = premise_values(delivery)
    return not any(_gone(premise, context, values, now) for premise in delivery.premises)


def _gone(premise: str, context: Context, values: dict[str, Any], now: datetime) -> bool:
    try:
        return not holds(premise, context, values, now)
    except FacetError:
        return False


def broken(live: Sequence[Delivery], context: Context, now: datetime) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """List which waiting deliveries must be judged at once, and which shown ones taken off, because a premise broke."""
    wake, withdraw = [], []
    for each in live:
        if stands(each, context, now):
            continue
        if each.state in SHOWN:
            withdraw.append(each.id)
        elif each.state in WAITING and each.state not in {State.SENDING, State.UNKNOWN}:
            wake.append(each.id)
    return tuple(wake), tuple(withdraw)
