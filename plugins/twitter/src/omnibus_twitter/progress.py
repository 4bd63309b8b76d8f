"""Write down what is being posted before it leaves, so that a lost answer can be looked up and a thread goes on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime

from omnibus import Attempt, Keep


@dataclass(frozen=True, slots=True)
class Progress:
    """Hold how far one delivery has come.

    Args:
        texts: what is to be posted, in order.
        kind: ``post`` or ``direct``.
        ids: X's ids of those that surely were.
        since: when the first call of the next text began (ISO 8601), empty before; nothing older can be ours.
        open: a call left and its answer is not known.
        after: highest id that X had given us on this timeline before; ours is higher.
    """

    texts: tuple[str, ...] = field(default=(), repr=False)
    kind: str = "post"
    ids: tuple[str, ...] = ()
    since: str = ""
    open: bool = False
    after: str = "0"

    @property
    def next(self) -> str | None:
        """Give the text to post next; None when all are out."""
        return self.texts[len(self.ids)] if len(self.ids) < len(self.texts) else None

    @property
    def begun(self) -> datetime:
        """Give *since* as a time."""
        return datetime.fromisoformat(self.since)

    def opened(self, at: datetime) -> Progress:
        """Mark that a call leaves now; an earlier call of the same text keeps its time."""
        return replace(self, open=True, since=self.since or at.isoformat())

    def closed(self) -> Progress:
        """Mark that the call surely did nothing, as far as X lets us see."""
        return replace(self, open=False)

    def done(self, id_: str) -> Progress:
        """Mark that the next text is out under *id_*."""
        return replace(self, ids=(*self.ids, id_), open=False, since="", after=max(self.after, id_, key=int))

    def retold(self, texts: tuple[str, ...]) -> Progress:
        """Take over texts composed anew, as long as nothing of the old ones is out or may be."""
        if self.ids or self.open or texts == self.texts:
            return self
        return replace(self, texts=texts, since="")


async def read(keep: Keep, attempt: Attempt) -> Progress | None:
    """Read the progress of this attempt's delivery; None when nothing ever left."""
    note = await keep.get(_name(attempt))
    if not note:
        return None
    told = json.loads(note)
    return Progress(**{**told, "texts": tuple(told["texts"]), "ids": tuple(told["ids"])})


async def write(keep: Keep, attempt: Attempt, progress: Progress) -> Progress:
    """Write it durably; returns it."""
    await keep.set(_name(attempt), json.dumps(asdict(progress)))
    if progress.ids:
        await keep.set(_last(attempt, progress.kind), progress.after)
    if len(progress.ids) > 1:
        await keep.set(f"thread {progress.ids[0]}", json.dumps(progress.ids))
    return progress


async def begin(keep: Keep, attempt: Attempt, texts: tuple[str, ...], kind: str) -> Progress:
    """Go on where the delivery stands, or start it."""
    known = await read(keep, attempt)
    if known is not None:
        return known.retold(texts)
    return Progress(texts, kind, after=await keep.get(_last(attempt, kind)) or "0")


async def thread(keep: Keep, first: str) -> list[str]:
    """List the posts of the thread that begins with *first*; a single post is a thread of one."""
    return list(json.loads(await keep.get(f"thread {first}") or "[]")) or [first]


def _name(attempt: Attempt) -> str:
    return f"progress {attempt.delivery}"


def _last(attempt: Attempt, kind: str) -> str:
    return f"last {kind} {attempt.customer}"


class Scoped(Keep):
    """Keep the notes of one account apart from another's of the same provider."""

    def __init__(self, keep: Keep, account: str) -> None:
        self._keep, self._account = keep, account

    async def get(self, name: str) -> str | None:
        """Read a note of this account."""
        return await self._keep.get(f"{self._account} {name}")

    async def set(self, name: str, value: str) -> None:
        """Write a note of this account."""
        await self._keep.set(f"{self._account} {name}", value)
