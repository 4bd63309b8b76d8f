"""JUDGE: all policies per route; then choose among the routes that may go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from omnibus.facets.engagement import Engagement
from omnibus.facets.profile import Profile
from omnibus.model.brand import Brand
from omnibus.model.context import Context
from omnibus.model.delivery import Delivery
from omnibus.model.route import Route
from omnibus.model.verdict import Drop, Hold, Send, Verdict, strictest
from omnibus.outbound.resolve import Resolved
from omnibus.policy import Policy


@dataclass(frozen=True, slots=True)
class Judged:
    """Hold one route with what every policy said of it."""

    route: Route
    verdicts: tuple[tuple[str, Verdict], ...]

    @property
    def verdict(self) -> Verdict:
        """Give the strictest."""
        return strictest([verdict for _, verdict in self.verdicts])


@dataclass(frozen=True, slots=True)
class Judgement:
    """Hold the answer for a delivery: the verdict, the route chosen, and all the reasons."""

    verdict: Verdict
    route: Route | None
    judged: tuple[Judged, ...]
    without: tuple[str, ...] = ()

    def shown(self) -> dict[str, Any]:
        """Write it as JSON values, without addresses, for `why`."""
        return {
            "verdict": _shown(self.verdict),
            "route": self.route.name if self.route else None,
            "routes": [
                {"route": each.route.name, "verdict": _shown(each.verdict),
                 "policies": {name: _shown(verdict) for name, verdict in each.verdicts}}
                for each in self.judged
            ],
            "without": list(self.without),
        }  # fmt: skip


def judge(
    delivery: Delivery, resolved: Resolved, policies: Sequence[Policy], context: Context, brand: Brand, now: datetime
) -> Judgement:
    """Judge every route and choose; pure. Any Send wins over holds, the earliest Hold over drops."""
    person = not context.customer.public
    judged = tuple(
        Judged(
            route,
            tuple(
                (policy.name, policy.judge(delivery, route, context, brand, now))
                for policy in policies
                if (person or not policy.persons_only) and (policy.ambient or not route.capabilities.ambient)
            ),
        )
        for route in resolved.routes
    )
    free = [each for each in judged if isinstance(each.verdict, Send)]
    if free:
        chosen = choose([each.route for each in free], delivery, context, now)
        return Judgement(Send(), chosen, judged, resolved.without)
    holds = [each.verdict for each in judged if isinstance(each.verdict, Hold)]
    if resolved.rests_until is not None:
        holds.append(Hold(resolved.rests_until, "every provider of a possible route rests"))
    if holds:
        return Judgement(min(holds, key=lambda hold: hold.until), None, judged, resolved.without)
    reasons = [f"{each.route.channel}: {each.verdict.reason}" for each in judged if isinstance(each.verdict, Drop)]
    return Judgement(Drop("; ".join([*reasons, *resolved.without]) or "no route"), None, judged, resolved.without)


def choose(routes: Sequence[Route], delivery: Delivery, context: Context, now: datetime) -> Route:
    """Choose the stated preference; else what they answered, clicked or bought from in 180 days, smoothed by the order of `via`."""
    prefers = context[Profile].prefers
    for route in routes:
        if route.channel == prefers:
            return route
    answered = context[Engagement].answered(now)
    order = {name: place for place, name in enumerate(delivery.via)}
    return max(routes, key=lambda route: answered.get(route.channel, 0) + 1 / (1 + order[route.channel]))


def _shown(verdict: Verdict) -> dict[str, Any]:
    match verdict:
        case Send():
            return {"send": verdict.because or True}
        case Hold():
            return {"hold": verdict.until.isoformat(), "reason": verdict.reason}
        case Drop():
            return {"drop": verdict.reason}
