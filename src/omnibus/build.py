"""BUILD: settings → plugins → a bus. The only place that knows how everything fits together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from omnibus.bell import Bell
from omnibus.bus import Bus, Parts
from omnibus.campaigns.campaigns import Campaigns
from omnibus.channel import Channel
from omnibus.customers.identities import Recogniser
from omnibus.customers.register import Customers
from omnibus.errors import ConfigError, Forged
from omnibus.facets import BUILT_IN as FACETS
from omnibus.inbound.advance import Journeys
from omnibus.inbound.inbox import Inbox
from omnibus.model.context import Context
from omnibus.model.delivery import Delivery
from omnibus.model.ids import Ids
from omnibus.model.message import Message
from omnibus.model.rate import Rate, read_rate
from omnibus.offers.promises import Promises
from omnibus.outbound import outbox
from omnibus.outbound.compose import Composer
from omnibus.outbound.dispatch import Dispatcher
from omnibus.outbound.pruning import Pruner
from omnibus.outbound.rates import Rates
from omnibus.outbound.resolve import Line
from omnibus.outbound.road import Promised, Road, fact
from omnibus.outbound.wishing import Wishes
from omnibus.plugins import Plugins, Registry
from omnibus.policies import BUILT_IN as POLICIES
from omnibus.policies import Budget, OfferAlive, QuietHours, Safety
from omnibus.policies.offer import alive
from omnibus.policy import Policy
from omnibus.provider import Provider, read_dsn
from omnibus.roll import Roll
from omnibus.settings import Settings, describe_channel_errors, load, suggest
from omnibus.store import Store
from omnibus.stores.sqlite import Sqlite
from omnibus.timeline import Timeline, knows
from omnibus.tokens import Sealer, Tokens
from omnibus.tracking.links import Links
from omnibus.writing.brand import read_brand
from omnibus.writing.drafts import Writer, terms_for
from omnibus.writing.journeys import read_journeys
from omnibus.writing.messages import Messages, read_messages

Now = Callable[[], datetime]

#: keys of a channel's table that no plugin reads
OWN = ("provider", "rate")
#: channels that come with another one's distribution
SHIPPED_WITH = {"receipt": "pos", "display": "pos", "push": "web"}


def system_now() -> datetime:
    """Tell the time of this machine, aware UTC."""
    return datetime.now(UTC)


def load_plugins(settings: Settings, objects: Iterable[Any] = ()) -> Plugins:
    """Load what the configuration enables, and nothing else."""
    plugins = Plugins((*FACETS, *POLICIES))
    schemes = {_scheme(each) for table in settings.channels.values() for each in _providers(table)}
    names = {*settings.channels, *schemes, *settings.omnibus.plugin_names}
    plugins.load(names, settings.omnibus.plugin_files, objects)
    return plugins


def build(
    settings: Settings, *, now: Now = system_now, plugins: Iterable[Any] = (), slots: int = 50, strict: bool = True
) -> Bus:
    """Put a bus together; nothing is opened yet.

    Args:
        now: business time; virtual in tests and in the simulator.
        plugins: plugin objects handed in, beside those that the configuration enables.
        strict: a broken channel stops the start; `doctor` looks at the rest without.

    Raises:
        ConfigError: a wrong key or value, a channel that no installed plugin brings.
        MessageError, JourneyError: a wrong file.
    """
    loaded = load_plugins(settings, plugins)
    key, brand = settings.read_key(), read_brand(settings.omnibus.brand)
    if settings.omnibus.zone and brand.zone == "UTC":
        brand = replace(brand, zone=settings.omnibus.zone)
    ids, bell, registry = Ids(), Bell(), loaded.registry
    lines = make_lines(settings, loaded, now, strict=strict)
    messages = _messages(settings, registry)
    store = make_store(settings.omnibus.store, now)
    timeline = Timeline(store, registry.facets, now)
    recogniser, tokens, sealer = Recogniser(key), Tokens(key, now), Sealer(key, "notes")
    links = Links(tokens, settings.omnibus.public_url, brand.senders.get("unsubscribe", ""))
    promises = Promises(settings.offers, key, store, timeline, terms_for, tokens, brand.zone)
    policies = make_policies(settings, registry)
    road = Road(
        store=store, timeline=timeline, lines=lines, policies=policies,
        composer=Composer(
            Writer(brand), brand, _picker(messages), links.opt_out, links.tracked if settings.tracking.clicks else None
        ), brand=brand, now=now,
        keep=lambda scope: Notes(store, scope, sealer), promise=_promising(promises),
        limits=_limits(policies), window=_window(policies), redirect=settings.safety.redirect_to, ids=ids,
    )  # fmt: skip
    road.rates = Rates(store, make_rates(settings, strict=strict))
    types = frozenset(each for facet in registry.facets.values() for each in facet.hears if not each.endswith("*"))
    inbox = Inbox(timeline, ids, recogniser.identity, types)

    wishes = Wishes(messages.pick, lines, ids, brand.name, now)
    known = _premises(registry)
    stories = read_journeys(settings.omnibus.journeys, messages=messages.names, premises=known)
    journeys = Journeys(timeline, ids, stories, wishes.of_journey, wishes.publication, brand.zone)

    campaigns = Campaigns(
        store if isinstance(store, Roll) else None, timeline, ids, recogniser.identity, wishes.of_campaign,
        lambda delivery, at, why: fact("message.dropped", delivery, at, f"{delivery.id}:dropped", {"reason": why}),
    )  # fmt: skip
    return Bus(
        Parts(
            settings, loaded, store, timeline, Customers(timeline, recogniser, ids), inbox, journeys, campaigns, road,
            Dispatcher(road, slots=slots), promises, messages, wishes, brand, tokens, links, bell, ids,
            Pruner(store, now, settings.keep),
        )
    )  # fmt: skip


def open_bus(
    path: Path | str = "omnibus.toml", *, now: Now = system_now, plugins: Iterable[Any] = (), **overrides: Any
) -> Bus:
    """Read a configuration and build its bus: ``async with omnibus.open("omnibus.toml") as bus``."""
    return build(load(path, **overrides), now=now, plugins=plugins)


# ---- pieces


def make_store(url: str, now: Now) -> Store:
    """Make the store of a URL; nothing is opened.

    Raises:
        ConfigError: an engine that is not there.
    """
    kind, _, rest = url.partition(":")
    if kind == "sqlite":
        return Sqlite(Path(rest), now)
    if kind in {"postgresql", "postgres"}:
        try:
            from omnibus.stores.postgres import Postgres  # noqa: PLC0415 - only who uses it needs its driver
        except ModuleNotFoundError as error:
            what = f"the PostgreSQL store needs {error.name}"
            raise ConfigError(what, where="[omnibus] store", fix="`pip install 'omnibus-bus[postgres]'`") from None
        return Postgres(url, now)
    fix = "use sqlite:omnibus.db or postgresql://…"
    raise ConfigError(f"no store of kind `{kind}`", where="[omnibus] store", fix=fix)


def make_policies(settings: Settings, registry: Registry) -> list[Policy]:
    """Make every policy that is switched on: the built-in ones with their settings, then the plugins'."""
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


def _limits(policies: list[Policy]) -> Callable[..., Any]:
    budgets = [each for each in policies if isinstance(each, Budget)]
    return lambda delivery, route, now: tuple(x for each in budgets for x in each.limits(delivery, route, now))


def _window(policies: list[Policy]) -> timedelta:
    return max((each.window for each in policies if isinstance(each, Budget)), default=timedelta(days=7))


def make_lines(settings: Settings, plugins: Plugins, now: Now, *, strict: bool = True) -> dict[tuple[str, str], Line]:
    """Make every configured channel with its providers.

    Raises:
        ConfigError: its plugin is missing or broken, or a key is wrong; not when *strict* is off, then it is left out.
    """
    lines: dict[tuple[str, str], Line] = {}
    for name in settings.channels:
        try:
            lines.update(_line(name, settings, plugins, now))
        except ConfigError:
            if strict:
                raise
    return lines


def make_rates(settings: Settings, *, strict: bool = True) -> dict[str, Rate]:
    """Read what each provider allows, named as its pauses are: ``rate`` of a channel's table, a text or one by scheme.

    Raises:
        ConfigError: it is no rate, or names a provider that the channel does not use; not when *strict* is off.
    """
    rates: dict[str, Rate] = {}
    for name, raw in settings.channels.items():
        if "rate" in raw:
            try:
                rates.update(_rates(name, settings))
            except ConfigError:
                if strict:
                    raise
    return rates


def _rates(name: str, settings: Settings) -> dict[str, Rate]:
    table, where = settings.channel(name), f"{settings.path.name} [channels.{name}] rate"
    told, schemes = table["rate"], [_scheme(each) for each in _providers(table)]
    for scheme in told if isinstance(told, Mapping) else ():
        if scheme not in schemes:
            fix = suggest(scheme, schemes)
            raise ConfigError(f"`{scheme}` is no provider of this channel", where=where, fix=fix)
    by_scheme = told if isinstance(told, Mapping) else dict.fromkeys(schemes, told)
    return {f"{name}/{scheme}": _rate(text, where) for scheme, text in by_scheme.items()}


def _rate(told: Any, where: str) -> Rate:
    try:
        return read_rate(told)
    except ValueError as error:
        raise ConfigError(f"it {error}", where=where) from None


def _line(name: str, settings: Settings, plugins: Plugins, now: Now) -> dict[tuple[str, str], Line]:
    registry, where = plugins.registry, f"{settings.path.name} [channels.{name}]"
    kinds = [kind for (channel, _), kind in registry.channels.items() if channel == name]
    if not kinds:
        broken = plugins.loaded.get(name)
        if broken is not None and broken.error:
            raise ConfigError(
                f"its plugin cannot be used: {broken.error}", where=where, fix="`omnibus plugins` tells more"
            )
        raise ConfigError(
            "no installed plugin brings this channel",
            where=where,
            fix=f"`pip install omnibus-{SHIPPED_WITH.get(name, name)}`",
        )
    table = settings.channel(name)
    told = _providers(table)
    if not told or not all(isinstance(each, str) and each for each in told):
        schemes = sorted(scheme for channel, scheme in registry.providers if channel == name)
        fix = f'write provider = "{schemes[0]}"' if schemes else ""
        raise ConfigError("`provider` must be a text or a list of texts", where=where, fix=fix)
    rest = {key: value for key, value in table.items() if key not in OWN}
    classes = [_provider_class(name, dsn, registry, where) for dsn in told]
    shapes: list[type[BaseModel]] = [*(kind.Settings for kind in kinds), *(kind.Settings for kind in classes)]
    known = {each for shape in shapes for each in _fields(shape)}
    for key in rest:
        if key not in known:
            raise ConfigError(f"unknown key `{key}`", where=where, fix=suggest(key, {*known, *OWN}))
    hook = f"{settings.omnibus.public_url}/hooks/{name}" if settings.omnibus.public_url else ""
    providers = tuple(
        _provider(kind, dsn, rest, name, now, hook, known) for kind, dsn in zip(classes, told, strict=True)
    )
    budget = settings.policy.budget
    made: dict[tuple[str, str], Line] = {}
    for kind in kinds:
        channel = kind(_validated(kind.Settings, _pick(kind.Settings, rest), name, known))
        points = (budget.costs if budget else {}).get(name, kind.capabilities.points)
        mine = tuple(each for each in providers if _carries(each, kind))
        if mine:
            made[(name, kind.audience)] = Line(channel, mine, points)
    return made


def _carries(provider: Provider, kind: type[Channel]) -> bool:
    channels = provider.channel if isinstance(provider.channel, tuple) else (provider.channel,)
    return any((each.name, each.audience) == (kind.name, kind.audience) for each in channels)


def _providers(table: Mapping[str, Any]) -> list[str]:
    told = table.get("provider", ())
    return list(told) if isinstance(told, list | tuple) else [told]


def _scheme(dsn: str) -> str:
    return str(dsn).partition("://")[0]  # what is no text is refused when its channel is made


def _provider_class(name: str, dsn: str, registry: Registry, where: str) -> type[Provider]:
    scheme = _scheme(dsn)
    found = registry.providers.get((name, scheme))
    if found is None:
        known = sorted(each for channel, each in registry.providers if channel == name)
        fix = suggest(scheme, known) or f"known: {', '.join(known) or 'none'}"
        raise ConfigError(f"no provider `{scheme}` for this channel", where=where, fix=fix)
    return found


def _provider(
    kind: type[Provider], dsn: str, rest: Mapping[str, Any], name: str, now: Now, hook: str, known: set[str]
) -> Provider:
    try:
        fields = read_dsn(dsn)[1] if "://" in dsn else {}
    except ValueError:  # urllib's texts quote the address, which may hold a secret
        fix = "write it as scheme://user@host:port; percent-encode what is special"
        raise ConfigError(
            "the provider's address cannot be read", where=f"[channels.{name}] provider", fix=fix
        ) from None
    settings = _validated(kind.Settings, {**fields, **_pick(kind.Settings, rest)}, name, known)
    return kind(settings, now=now, hook_url=f"{hook}/{kind.scheme}" if hook else "")


def _validated(kind: type[BaseModel], table: Mapping[str, Any], name: str, known: set[str]) -> BaseModel:
    try:
        return kind.model_validate(dict(table))
    except ValidationError as error:
        raise describe_channel_errors(name, error, known) from None


def _fields(kind: type[BaseModel]) -> set[str]:
    return {field.alias or key for key, field in kind.model_fields.items()}


def _pick(kind: type[BaseModel], table: Mapping[str, Any]) -> dict[str, Any]:
    known = _fields(kind)
    return {key: value for key, value in table.items() if key in known}


def _messages(settings: Settings, registry: Registry) -> Messages:
    return read_messages(
        settings.omnibus.messages, premises=lambda name: knows(registry.facets, name), offers=set(settings.offers)
    )


def _premises(registry: Registry) -> set[str]:
    own = {f"{name}.{claim}" for name, facet in registry.facets.items() for claim in facet.premises()}
    return own | {
        f"{name.removesuffix('s')}.{claim}" for name, facet in registry.facets.items() for claim in facet.premises()
    }


def _picker(messages: Messages) -> Callable[[Delivery, str], Message]:
    read = lru_cache(maxsize=256)(outbox.read_inline)  # a message handed in whole goes to many

    def pick(delivery: Delivery, locale: str) -> Message:
        return read(delivery.inline) if delivery.inline else messages.pick(delivery.message, locale)

    return pick


def _promising(promises: Promises) -> Callable[[str, Context, str, str, datetime], Promised | None]:
    def promise(name: str, context: Context, locale: str, zone: str, now: datetime) -> Promised | None:
        if not alive(promises.offer(name), context, now):
            return None
        terms, row, event = promises.promise(name, context, locale, zone, now)
        return Promised(terms, row, event)

    return promise


class Notes:
    """Keep a provider's notes in the store, encrypted."""

    def __init__(self, store: Store, scope: str, sealer: Sealer) -> None:
        self._store, self._scope, self._sealer = store, scope, sealer

    async def get(self, name: str) -> str | None:
        """Read a note; one that does not open with this key counts as missing."""
        sealed = await self._store.note(self._scope, name)
        if not sealed:
            return None
        try:
            return self._sealer.open(sealed, f"{self._scope}/{name}")
        except Forged:
            return None

    async def set(self, name: str, value: str) -> None:
        """Write a note."""
        await self._store.note(self._scope, name, self._sealer.close(value, f"{self._scope}/{name}"))
