"""The road out, with all that its stages are given."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from omnibus.model.context import Context
from omnibus.model.ids import Ids
from omnibus.offers.promises import Promises
from omnibus.outbound.compose import Composer
from omnibus.outbound.rates import Rates
from omnibus.outbound.resolve import Lines
from omnibus.outbound.road import Promised, Road
from omnibus.parts.notes import Notes
from omnibus.parts.policies import limits_of, window_of
from omnibus.parts.rates import make_rates
from omnibus.policies.offer import alive
from omnibus.policy import Policy
from omnibus.settings import Settings
from omnibus.timeline import Timeline
from omnibus.tokens import Sealer


def make_road(
    settings: Settings, timeline: Timeline, lines: Lines, policies: list[Policy], composer: Composer,
    promises: Promises, sealer: Sealer, ids: Ids, *, strict: bool = True,
) -> Road:  # fmt: skip
    """Put together what the stages of the road out are given.

    Raises:
        ConfigError: a rate is wrong; not when *strict* is off.
    """
    store = timeline.store
    return Road(
        store=store, timeline=timeline, lines=lines, policies=policies, composer=composer, brand=composer.brand,
        now=timeline.now, keep=lambda scope: Notes(store, scope, sealer), promise=_promising(promises),
        limits=limits_of(policies), window=window_of(policies), redirect=settings.safety.redirect_to,
        rates=Rates(store, make_rates(settings, strict=strict)), ids=ids,
    )  # fmt: skip


def _promising(promises: Promises) -> Callable[[str, Context, str, str, datetime], Promised | None]:
    def promise(name: str, context: Context, locale: str, zone: str, now: datetime) -> Promised | None:
        if not alive(promises.offer(name), context, now):
            return None
        terms, row, event = promises.promise(name, context, locale, zone, now)
        return Promised(terms, row, event)

    return promise
