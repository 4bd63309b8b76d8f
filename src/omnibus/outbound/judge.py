"""JUDGE: all policies per route; then choose among the routes that may go."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any

from omnibus.errors import FacetError
from omnibus.facets.engagement import Engagement
from omnibus.facets.profile import Profile
from omnibus.model.brand import Brand
from omnibus.model.context import Context
from omnibus.model.delivery import Delivery
from omnibus.model.message import URGENT
from omnibus.model.route import Route
from omnibus.model.swift import swift
from omnibus.model.verdict import SEND, Drop, Hold, Send, Verdict, strictest
from omnibus.outbound.resolve import Resolved
from omnibus.policy import Policy

MENDING = timedelta(minutes=15)  # until it is judged again by a facet that is not known


@swift
@dataclass(frozen=True, slots=True)
class Judged:
    """Hold one route with what every policy said of it; *verdict* is the strictest."""

    route: Route
    verdicts: tuple[tuple[str, Verdict], ...]
    verdict: Verdict


@swift
@dataclass(frozen=True, slots=True)
class Judgement:
    """Hold the answer for a delivery: the verdict, the route chosen, and all the reasons."""

    verdict: Verdict
    route: Route | None
    judged: tuple[Judged, ...]
    without: tuple[str, ...] = ()

    def text(self) -> str:
        """Write it as JSON, without addresses, for `why`."""
        routes = ", ".join([
            f'{{"route": {_quoted(each.route.name)}, "verdict": {_text(each.verdict)}, "policies": {{'
            + ", ".join([
                _minded_not(name) if verdict is SEND else f"{_quoted(name)}: {_text(verdict)}"
                for name, verdict in each.verdicts
            ])
            + "}}"
            for each in self.judged
        ])  # fmt: skip
        name = _quoted(self.route.name) if self.route else "null"
        without = ", ".join([_quoted(each) for each in self.without])
        return f'{{"verdict": {_text(self.verdict)}, "route": {name}, "routes": [{routes}], "without": [{without}]}}'

    def shown(self) -> dict[str, Any]:
        """Write it as JSON values."""
        shown: dict[str, Any] = json.loads(self.text())
        return shown


def judge(
    delivery: Delivery, resolved: Resolved, policies: Sequence[Policy], context: Context, brand: Brand, now: datetime
) -> Judgement:
    """Judge every route and choose; pure. Any Send wins over holds, the earliest Hold over drops."""
    person = not context.customer.public
    asked = tuple(policies)
    judged = tuple([
        _judged(delivery, route, _binding(asked, person, route.capabilities.ambient), context, brand, now)
        for route in resolved.routes
    ])  # fmt: skip
    free = [each.route for each in judged if type(each.verdict) is Send]
    if free:
        chosen = free[0] if len(free) == 1 else choose(free, delivery, context, now)
        return Judgement(SEND, chosen, judged, resolved.without)
    holds = [each.verdict for each in judged if isinstance(each.verdict, Hold)]
    if resolved.rests_until is not None:
        holds.append(Hold(resolved.rests_until, "every provider of a possible route rests"))
    if holds:
        return Judgement(min(holds, key=lambda hold: hold.until), None, judged, resolved.without)
    reasons = [f"{each.route.channel}: {each.verdict.reason}" for each in judged if isinstance(each.verdict, Drop)]
    return Judgement(Drop("; ".join([*reasons, *resolved.without]) or "no route"), None, judged, resolved.without)


def _judged(
    delivery: Delivery, route: Route, policies: Sequence[Policy], context: Context, brand: Brand, now: datetime
) -> Judged:
    try:
        verdicts = tuple([(policy.name, policy.judge(delivery, route, context, brand, now)) for policy in policies])
    except FacetError as error:  # nothing is guessed: it waits, unless another route may go
        verdicts = (("facets", Hold(now + MENDING, error.reason)),)
    return Judged(route, verdicts, strictest([verdict for _, verdict in verdicts]))


@lru_cache(maxsize=64)
def _binding(policies: tuple[Policy, ...], person: bool, ambient: bool) -> tuple[Policy, ...]:
    """List the policies that bind such a route."""
    return tuple(each for each in policies if (person or not each.persons_only) and (each.ambient or not ambient))


def choose(routes: Sequence[Route], delivery: Delivery, context: Context, now: datetime) -> Route:
    """Choose the stated preference; else what they answered, clicked or bought from in 180 days, smoothed by the order of `via`.

    Raises:
        FacetError: what they prefer is not known. What is urgent does not wait for that.
    """
    try:
        prefers = context[Profile].prefers
        for route in routes:
            if route.channel == prefers:
                return route
        answered = context[Engagement].answered(now)
    except FacetError:
        if delivery.purpose != URGENT:
            raise
        return routes[0]
    order = {name: place for place, name in enumerate(delivery.via)}
    return max(routes, key=lambda route: answered.get(route.channel, 0) + 1 / (1 + order[route.channel]))


@lru_cache(maxsize=256)
def _minded_not(name: str) -> str:
    """Write what most policies say of most messages."""
    return f"{_quoted(name)}: {_text(SEND)}"


def _text(verdict: Verdict) -> str:
    match verdict:
        case Send():
            return f'{{"send": {_quoted(verdict.because)}}}' if verdict.because else '{"send": true}'
        case Hold():
            return f'{{"hold": "{verdict.until.isoformat()}", "reason": {_quoted(verdict.reason)}}}'
        case Drop():
            return f'{{"drop": {_quoted(verdict.reason)}}}'
