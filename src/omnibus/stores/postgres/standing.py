"""The part of a delivery's row that changes, and rows as one text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from omnibus.model.delivery import State, may_move
from omnibus.store import Change, Settlement, encode_bodies
from omnibus.stores.postgres.engine import Connection
from omnibus.stores.postgres.statements import key
from omnibus.stores.rows import Row, dump, micros
from omnibus.stores.schema import to_micros
from omnibus.stores.texts import refuse, without_nul


@dataclass(slots=True)
class DeliveryStanding:
    """Hold the columns of a delivery that may change, in the order of ``statements.STANDING``."""

    id: str
    customer: str
    state: str
    reason: str
    due: int | None
    channel: str
    provider: str
    identity: str
    provider_id: str
    tried: str
    attempts: int
    faults: int
    flagged: int
    withdraw: int
    watched: int
    reported: str
    lease: str | None

    def row(self) -> Row:
        """Give the columns."""
        return tuple(getattr(self, each) for each in self.__slots__)

    def fill(self, each: Settlement) -> None:
        """Take over what a settlement says; what it leaves open stays."""
        self.state, self.reason, self.due = each.state.value, without_nul(each.reason), micros(each.due)
        self.watched, self.reported, self.lease = int(each.watched), "", None
        for name in ("channel", "provider", "identity", "provider_id", "attempts", "faults"):
            told = getattr(each, name)
            if told is not None:
                setattr(self, name, without_nul(told) if isinstance(told, str) else told)
        self.tried = self.tried if each.tried is None else dump(each.tried)
        self.flagged = self.flagged if each.flagged is None else int(each.flagged)
        self.withdraw = self.withdraw if each.withdraw is None else int(each.withdraw)


def reaches(old: State, new: State) -> bool:
    """Tell whether the drawing leads from *old* to *new*; a bounce leads on to the next route."""
    return may_move(old, new) or (new is State.QUEUED and may_move(old, State.BOUNCED))


def context_row(change: Change) -> Row:
    """Write a change's context as its columns."""
    time, id_, source = (to_micros(change.through[0]), *change.through[1:]) if change.through else (None, None, None)
    return change.customer, change.version + 1, time, id_, source, body_of(change)


async def batch(db: Connection, statement: str, rows: Iterable[Row]) -> Any:
    """Run one statement for many rows; no rows, no statement."""
    told = list(rows)
    return await db.execute(statement, (packed(told),)) if told else None


def packed(rows: Iterable[Row]) -> str:
    """Write rows as the one JSON text that ``statements.rows`` reads.

    As JSON because the driver writes arrays element by element in Python: that was a third of a worker's CPU.

    Raises:
        InputError: a text holds a NUL.
    """
    told = keyed(rows)
    text = dump(told)
    if ESCAPED in text:  # a NUL, or what somebody said of one in a text of its own
        refuse(*_texts(told))
    return text


def keyed(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Write rows as ``packed`` does, within a row of another batch."""
    return [dict(zip(_KEYS, row, strict=False)) for row in rows]


def _texts(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        for each in row.values():
            if isinstance(each, str):
                yield each
            elif isinstance(each, list):
                yield from _texts(each)


def listed(texts: Sequence[str]) -> str:
    """Write texts as the one JSON text that ``statements.listed`` reads; raises as ``packed``."""
    text = dump(texts)
    if ESCAPED in text:
        refuse(*texts)
    return text


def body_of(change: Change) -> str:
    """Write a context's facets as the text of its bytes."""
    return f"\\x{encode_bodies(change.bodies or {}).hex()}"


ESCAPED = r"\u0000"
_KEYS = [key(number) for number in range(100)]
