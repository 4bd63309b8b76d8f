"""Policies: the built-in ones with their settings, then the plugins'."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from omnibus.errors import ConfigError
from omnibus.model.delivery import Delivery
from omnibus.model.route import Route
from omnibus.plugins import Registry
from omnibus.policies import Budget, OfferAlive, QuietHours, Safety
from omnibus.policy import Policy
from omnibus.settings import Settings, suggest
from omnibus.store import Limit


def make_policies(settings: Settings, registry: Registry) -> list[Policy]:
    """Make every policy that is switched on: the built-in ones with their settings, then the plugins'.

    Raises:
        ConfigError: one is switched off that there is not.
    """
    policy = settings.policy
    made: list[Policy] = []
    for name, kind in registry.policies.items():
        if name in policy.off:
            continue
        if kind is Safety:
            made.append(Safety(settings.safety.only_to))
        elif kind is OfferAlive:
            made.append(OfferAlive(settings.offers))
        elif kind is QuietHours:
            if policy.quiet_hours is not None:
                made.append(QuietHours(policy.quiet_hours.begin, policy.quiet_hours.end))
        elif kind is Budget:
            if policy.budget is not None:
                made.append(Budget(policy.budget.window, policy.budget.points))
        else:
            made.append(kind())
    unknown = [each for each in policy.off if each not in registry.policies]
    if unknown:
        where = f"{settings.path.name} [policy] off"
        raise ConfigError(f"unknown policy `{unknown[0]}`", where=where, fix=suggest(unknown[0], registry.policies))
    return made


def limits_of(policies: list[Policy]) -> Callable[[Delivery, Route, datetime], tuple[Limit, ...]]:
    """Give what bounds a hand-over by a route, over all budgets."""
    budgets = [each for each in policies if isinstance(each, Budget)]
    if len(budgets) == 1:
        return budgets[0].limits
    return lambda delivery, route, now: tuple(x for each in budgets for x in each.limits(delivery, route, now))


def window_of(policies: list[Policy]) -> timedelta:
    """Tell how far back hand-overs count; a week where there is no budget."""
    return max((each.window for each in policies if isinstance(each, Budget)), default=timedelta(days=7))
