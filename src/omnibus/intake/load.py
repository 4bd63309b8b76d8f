"""The import itself: chunk by chunk, one commit each; what was done is skipped, what is wrong goes into a rejects file.

It starts no journeys and sends nothing unless told to be live. Repeating it has no effect: events bear stable ids.
A run that was cut short goes on after its last committed line.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from omnibus.bus import Bus
from omnibus.errors import InputError
from omnibus.intake.convert import Converted, Reject, Skip, convert
from omnibus.intake.mapping import Mapping_
from omnibus.intake.rows import read_rows
from omnibus.model.customer import Identity
from omnibus.model.event import Event

CHUNK = 500  # facts in one commit
KNOWN = 50_000  # customers that are remembered from chunk to chunk


@dataclass(slots=True)
class Imported:
    """Count what came of a file; *reasons* counts the rejects by why."""

    lines: int = 0
    facts: int = 0
    new: int = 0
    skipped: int = 0
    rejected: int = 0
    resumed_after: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def reject(self, reject: Reject, aside: _Rejects) -> None:
        """Count a row that became nothing, and write it down."""
        self.rejected += 1
        self.reasons[reject.reason] += 1
        aside.write(reject)

    def shown(self) -> dict[str, Any]:
        """Give JSON values."""
        return {
            "lines": self.lines, "facts": self.facts, "new": self.new, "known": self.facts - self.new,
            "skipped": self.skipped, "rejected": self.rejected, "resumed_after": self.resumed_after,
            "reasons": dict(self.reasons.most_common()),
        }  # fmt: skip


async def load_file(
    bus: Bus, path: Path, mapping: Mapping_, *, rejects: Path | None = None, live: bool = False,
    told: Callable[[Imported], None] = lambda so_far: None,
) -> Imported:  # fmt: skip
    """Import one file into an open bus.

    Args:
        rejects: CSV of line, reason and the row as read; written only when there is one.
        live: journeys hear the events; else they are told to nobody.
        told: called after every chunk.

    Raises:
        InputError: the file or an event type is unknown; nothing of the current chunk is stored.
    """
    if not mapping.rules:
        raise InputError(
            "this mapping has no [[event]] to import by", where=mapping.name, fix="use `omnibus demo --events` with it"
        )
    name = _mark(path, mapping)
    store = bus.parts.store
    after = int(await store.note("import", name) or 0)
    so_far = Imported(resumed_after=after)
    chunk: list[Converted] = []
    who: dict[str, str] = {}
    with _Rejects(rejects) as aside:
        for each in convert(_read(path, so_far), mapping):
            if each.line <= after:
                continue
            if isinstance(each, Reject):
                so_far.reject(each, aside)
            elif isinstance(each, Skip):
                so_far.skipped += 1
            else:
                chunk.append(each)
            if len(chunk) >= CHUNK:
                await _store(bus, chunk, who, so_far, name, aside, live=live)
                chunk = []
                told(so_far)
        await _store(bus, chunk, who, so_far, name, aside, live=live)
    await store.note("import", name, "0")
    told(so_far)
    return so_far


def _read(path: Path, so_far: Imported) -> Iterator[Any]:
    for row in read_rows(path):
        so_far.lines += 1
        yield row


async def _store(
    bus: Bus, chunk: list[Converted], who: dict[str, str], so_far: Imported, name: str, aside: _Rejects, *, live: bool
) -> None:
    if not chunk:
        return
    parts = bus.parts
    await _meet(bus, chunk, who)
    events = []
    for fact in chunk:
        each = fact.event
        events.append(Event(each.id, each.source, each.type, each.time, who[_key(fact)], each.data))
    try:
        so_far.new += await parts.inbox.put(events, quiet=not live)
    except InputError:  # of one of them, and the others are for themselves
        await _store_each(bus, chunk, events, so_far, aside, live=live)
    so_far.facts += len(chunk)
    await parts.store.note("import", name, str(chunk[-1].line))


async def _store_each(
    bus: Bus, chunk: list[Converted], events: list[Event], so_far: Imported, aside: _Rejects, *, live: bool
) -> None:
    for fact, answer in zip(chunk, await bus.parts.inbox.put_each(events, quiet=not live), strict=True):
        if isinstance(answer, InputError) and fact.event.type in bus.parts.inbox.types:
            so_far.facts -= 1
            for row in fact.rows:
                so_far.reject(Reject(row.line, answer.what, row), aside)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            so_far.new += answer


async def _meet(bus: Bus, chunk: list[Converted], who: dict[str, str]) -> None:
    """Find or make the customers of a chunk; those of the last chunks are known already."""
    if len(who) > KNOWN:
        who.clear()
    wanted: dict[str, tuple[str, list[Identity]]] = {}
    for fact in chunk:
        key = _key(fact)
        if key not in who and key not in wanted:
            id_ = fact.customer or bus.parts.ids.new(bus.now())
            wanted[key] = (id_, [_identity(bus, fact, kind) for kind in fact.identities])
    if wanted:
        who.update(zip(wanted, await bus.parts.store.create(list(wanted.values()), bus.now()), strict=True))


def _key(fact: Converted) -> str:
    return fact.customer or "|".join(fact.identities.values())


def _identity(bus: Bus, fact: Converted, kind: str) -> Identity:
    try:
        return bus.customers.recogniser.identity(kind, fact.identities[kind], evidence="import")
    except InputError as error:
        raise InputError(error.what, where=f"line {fact.line} {kind}", fix=error.fix) from None


def _mark(path: Path, mapping: Mapping_) -> str:
    """Name the cursor of this file under this mapping's source."""
    digest = hashlib.blake2b(f"{path.name}:{path.stat().st_size if path.exists() else 0}".encode(), digest_size=8)
    return f"{mapping.name}:{digest.hexdigest()}"


class _Rejects:
    """Write rejects as CSV; cells that a spreadsheet would run are quoted with an apostrophe."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._opened: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._opened is not None:
            self._opened.close()

    def write(self, reject: Reject) -> None:
        """Append one."""
        if self._path is None:
            return
        if self._opened is None:
            self._opened = self._path.open("w", encoding="utf-8", newline="")
            csv.writer(self._opened).writerow(["line", "reason", "row"])
        row = reject.row.raw or ",".join(reject.row.values.values())
        csv.writer(self._opened).writerow([reject.line, reject.reason, f"'{row}" if row[:1] in "=+-@" else row])
