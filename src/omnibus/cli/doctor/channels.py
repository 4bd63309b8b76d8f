"""Every channel: plugin, settings, one harmless call to its provider, its webhook."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from omnibus.cli.doctor.finding import Finding
from omnibus.cli.lines import Tried, idle, takes_webhooks, try_lines
from omnibus.errors import DeliveryError, OmnibusError
from omnibus.parts import load_plugins, system_now

if TYPE_CHECKING:
    from omnibus.plugins import Plugins
    from omnibus.provider import Provider
    from omnibus.settings import Settings


async def examine_channels(settings: Settings, deadline: float) -> list[Finding]:
    """Examine plugins and channels.

    Args:
        deadline: seconds for each provider's check; 0 asks none.
    """
    plugins = load_plugins(settings)
    found = list(_plugins(plugins))
    for each in try_lines(settings, plugins, system_now):
        found += [finding async for finding in _channel(each, deadline)]
    if not settings.channels:
        found.append(
            Finding("channels", "broken", "none is enabled", "`omnibus channels` shows the lines that enable one")
        )
    for other in idle(settings):
        fix = "`omnibus channels` shows the lines that enable it"
        found.append(Finding(f"channel {other.name}", "note", "installed, not enabled", fix))
    return found


def _plugins(plugins: Plugins) -> Iterator[Finding]:
    for each in plugins.loaded.values():
        if each.error:
            yield Finding(f"plugin {each.name}", "broken", each.error, f"mend or reinstall {each.distribution}")
        else:
            yield Finding(f"plugin {each.name}", "ok", f"{each.distribution} {each.version}".strip())


async def _channel(tried: Tried, deadline: float) -> AsyncIterator[Finding]:
    about = f"channel {tried.name}"
    if tried.error:
        yield Finding(about, "broken", tried.error)
        return
    providers = list(dict.fromkeys(each for line in tried.lines.values() for each in line.providers))
    audiences = ", ".join(audience for _, audience in tried.lines)
    if not providers:
        yield Finding(about, "broken", "no provider carries it", "name one by `provider = …`")
        return
    yield Finding(about, "ok", f"settings are valid ({audiences})")
    for each in providers:
        yield await _asked(f"{about} by {each.scheme}", each, deadline)
        if takes_webhooks(each):
            yield _webhook(f"{about} by {each.scheme}", each)
        await each.aclose()


async def _asked(about: str, provider: Provider, deadline: float) -> Finding:
    if not deadline:
        return Finding(about, "note", f"{provider}: not asked")
    try:
        async with asyncio.timeout(deadline):
            await provider.check()
    except TimeoutError:
        return Finding(about, "broken", f"{provider}: no answer within {deadline:g} s")
    except DeliveryError as error:
        return Finding(about, "broken", f"{provider}: {type(error).__name__}: {error.reason}", _advice(error))
    except OmnibusError as error:
        return Finding(about, "broken", f"{provider}: {error}")
    except Exception as error:  # noqa: BLE001 - a plugin's fault is a finding, and its text may hold an address
        return Finding(about, "broken", f"{provider}: its check failed with {type(error).__name__}")
    return Finding(about, "ok", f"{provider}: it answers")


def _advice(error: DeliveryError) -> str:
    return "the account is to blame: credentials, credit or reputation" if error.account else ""


def _webhook(about: str, provider: Provider) -> Finding:
    if provider.hook_url:
        return Finding(about, "note", f"its webhooks come to {provider.hook_url}")
    return Finding(about, "warning", "its webhooks cannot come: no public_url", "set `public_url` in [omnibus]")
