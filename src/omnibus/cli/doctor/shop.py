"""The configuration, its key, what it points to, and the store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from omnibus.cli.books import FAULTS, faults
from omnibus.cli.doctor.finding import Finding
from omnibus.cli.setup import Setup
from omnibus.errors import InputError, OmnibusError

if TYPE_CHECKING:
    from omnibus.settings import Settings


def examine_settings(setup: Setup) -> tuple[Settings | None, list[Finding]]:
    """Read the configuration; None with the reason when it cannot be read."""
    try:
        settings = setup.settings()
    except InputError as error:
        return None, [Finding("configuration", "broken", str(error))]
    return settings, [Finding("configuration", "ok", settings.path.name), *_content(settings), *_hints(settings)]


def _content(settings: Settings) -> Iterator[Finding]:
    from omnibus.cli.config import content_mistakes

    try:
        settings.read_key()
    except InputError as error:
        yield Finding("key", "broken", str(error))
        return
    yield Finding("key", "ok", "present")
    wrong = [Finding("brand, messages, journeys", "broken", str(each)) for each in content_mistakes(settings)]
    yield from wrong or [Finding("brand, messages, journeys", "ok", "readable")]


def _hints(settings: Settings) -> Iterator[Finding]:
    url = settings.omnibus.public_url
    if url:
        yield Finding("public_url", "ok", url)
    else:
        what = "not set: no webhooks from outside, no tracking links, unsubscribe by mail only"
        yield Finding("public_url", "warning", what, 'set `public_url = "https://…"` in [omnibus]')
    for name in settings.unread:
        yield Finding("environment", "warning", f"{name} is read by nobody", "mend its name, or unset it")
    if settings.safety.only_to or settings.safety.redirect_to:
        yield Finding("safety", "note", "only some people are reached: see [safety]")


async def examine_store(settings: Settings) -> list[Finding]:
    """Open the store and look at its books."""
    from omnibus.build import build
    from omnibus.cli.setup import opened

    kind = settings.omnibus.store.partition(":")[0]
    try:
        bus = build(settings, strict=False)
    except InputError:
        return [Finding("store", "note", "not opened: mend the above first")]
    try:
        async with opened(bus):
            counts = await bus.audit()
    except OmnibusError as error:
        return [Finding("store", "broken", str(error))]
    wrong = faults(counts)
    if wrong:
        text = "; ".join(f"{name} {count} ({FAULTS[name]})" for name, count in wrong.items())
        fix = "start `omnibus work`" if set(wrong) == {"stuck"} else "`omnibus audit` tells more"
        return [Finding("store", "ok", f"{kind} opens"), Finding("books", "broken", text, fix)]
    books = f"{counts['accepted']} accepted = {counts['final']} final + {counts['waiting']} waiting"
    return [Finding("store", "ok", f"{kind} opens"), Finding("books", "ok", books)]
