"""Lines: every configured channel with who carries it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from omnibus.channel import Channel
from omnibus.errors import ConfigError
from omnibus.outbound.resolve import ChannelLine
from omnibus.parts.now import Now
from omnibus.parts.tables import OWN, providers_of, scheme_of
from omnibus.plugins import Plugins, Registry
from omnibus.provider import Provider, read_dsn
from omnibus.settings import Settings, describe_channel_errors, suggest

#: channels that come with another one's distribution
SHIPPED_WITH = {"receipt": "pos", "display": "pos", "push": "web"}


def make_lines(
    settings: Settings, plugins: Plugins, now: Now, *, strict: bool = True
) -> dict[tuple[str, str], ChannelLine]:
    """Make every configured channel with its providers.

    Raises:
        ConfigError: its plugin is missing or broken, or a key is wrong; not when *strict* is off, then it is left out.
    """
    lines: dict[tuple[str, str], ChannelLine] = {}
    for name in settings.channels:
        try:
            lines.update(_line(name, settings, plugins, now))
        except ConfigError:
            if strict:
                raise
    return lines


def _line(name: str, settings: Settings, plugins: Plugins, now: Now) -> dict[tuple[str, str], ChannelLine]:
    registry, where = plugins.registry, f"{settings.path.name} [channels.{name}]"
    kinds, table = _kinds(name, plugins, where), settings.channel(name)
    told = _told(name, table, registry, where)
    classes = [_provider_class(name, dsn, registry, where) for dsn in told]
    shapes: list[type[BaseModel]] = [*(kind.Settings for kind in kinds), *(kind.Settings for kind in classes)]
    known = {each for shape in shapes for each in _fields(shape)}
    rest = _rest(table, known, where)
    hook = f"{settings.omnibus.public_url}/hooks/{name}" if settings.omnibus.public_url else ""
    providers = [_provider(kind, dsn, rest, name, now, hook, known) for kind, dsn in zip(classes, told, strict=True)]
    costs = settings.policy.budget.costs if settings.policy.budget else {}
    made: dict[tuple[str, str], ChannelLine] = {}
    for kind in kinds:
        channel = kind(_validated(kind.Settings, _pick(kind.Settings, rest), name, known))
        mine = tuple(each for each in providers if _carries(each, kind))
        if mine:
            made[(name, kind.audience)] = ChannelLine(channel, mine, costs.get(name, kind.capabilities.points))
    return made


def _kinds(name: str, plugins: Plugins, where: str) -> list[type[Channel]]:
    kinds = [kind for (channel, _), kind in plugins.registry.channels.items() if channel == name]
    if kinds:
        return kinds
    broken = plugins.loaded.get(name)
    if broken is not None and broken.error:
        what, fix = f"its plugin cannot be used: {broken.error}", "`omnibus plugins` tells more"
    else:
        what, fix = "no installed plugin brings this channel", f"`pip install omnibus-{SHIPPED_WITH.get(name, name)}`"
    raise ConfigError(what, where=where, fix=fix)


def _told(name: str, table: Mapping[str, Any], registry: Registry, where: str) -> list[str]:
    told = providers_of(table)
    if told and all(isinstance(each, str) and each for each in told):
        return told
    schemes = sorted(scheme for channel, scheme in registry.providers if channel == name)
    fix = f'write provider = "{schemes[0]}"' if schemes else ""
    raise ConfigError("`provider` must be a text or a list of texts", where=where, fix=fix)


def _rest(table: Mapping[str, Any], known: set[str], where: str) -> dict[str, Any]:
    rest = {key: value for key, value in table.items() if key not in OWN}
    for key in rest:
        if key not in known:
            raise ConfigError(f"unknown key `{key}`", where=where, fix=suggest(key, {*known, *OWN}))
    return rest


def _carries(provider: Provider, kind: type[Channel]) -> bool:
    channels = provider.channel if isinstance(provider.channel, tuple) else (provider.channel,)
    return any((each.name, each.audience) == (kind.name, kind.audience) for each in channels)


def _provider_class(name: str, dsn: str, registry: Registry, where: str) -> type[Provider]:
    scheme = scheme_of(dsn)
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
