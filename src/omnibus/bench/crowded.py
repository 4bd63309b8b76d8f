"""A store that is full of the past, or of what is due later, beside an empty one."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from omnibus.bench.alone import enqueue
from omnibus.bench.goals import GOALS
from omnibus.bench.rounds import Contender, Scene, Trial, Unbalanced, rate_over
from omnibus.bench.scenes import NOW, PLAIN, Bench
from omnibus.stores.schema import to_micros

MODELS = 100  # deliveries that went the real way, and are copied
EACH = 10  # rows of the past for each customer of the past
MONTH = timedelta(days=30)


class Crowded:
    """Make the scene."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def scene(self) -> Scene:
        """Make it."""
        past = f"{self.bench.size.past:,}"
        finished, delayed, empty = f"beside {past} finished", f"beside {past} delayed", "empty store"
        return Scene(
            "full-store", "messages",
            (
                Contender(empty, self.empty, "FULL"), Contender(finished, self.finished, "FULL"), Contender(delayed, self.delayed, "FULL"),
            ),
            (rate_over(finished, empty, GOALS["12a"]), rate_over(delayed, empty, GOALS["12b"])),
        )  # fmt: skip

    async def empty(self) -> Trial:
        """Run the pipeline in a store that holds nothing else."""
        return await self._trial(await self.bench.filled(PLAIN, self.bench.size.people), {})

    async def finished(self) -> Trial:
        """Run it beside deliveries that were sent a month ago, with their attempts, events and decisions."""
        return await self._trial(
            self.bench.copied(await self._model("finished"), PLAIN), {"sent": self.bench.size.past}
        )

    async def delayed(self) -> Trial:
        """Run it beside deliveries that are due in a month."""
        return await self._trial(
            self.bench.copied(await self._model("delayed"), PLAIN), {"queued": self.bench.size.past}
        )

    async def _trial(self, folder: Path, there: Mapping[str, int]) -> Trial:
        people = self.bench.size.people
        await self.bench.clear()
        bus = await self.bench.opened(PLAIN, folder)
        await enqueue(bus, self.bench.names(people))

        async def run() -> int:
            await bus.parts.dispatcher.drain()
            return people

        async def check() -> None:
            audit = await bus.audit()
            wanted = {"sent": there.get("sent", 0) + people, "queued": there.get("queued", 0)}
            if (
                any(audit[name] != count for name, count in wanted.items())
                or audit["unbalanced"]
                or audit["lost_lanes"]
            ):
                raise Unbalanced(f"the books do not balance: {wanted} asked for, {audit}")

        return Trial(run, check)

    async def _model(self, kind: str) -> Path:
        """Make the full store once: some rows go the real way, and are copied by SQL for other customers."""
        model = self.bench.folder / f"full-{kind}"
        if model.exists():
            return model
        people = self.bench.size.people
        folder = await self.bench.filled(PLAIN, people)
        names = self.bench.names(MODELS)
        async with PLAIN.open(folder) as bus:
            if kind == "finished":
                await enqueue(bus, names)
                await bus.parts.dispatcher.drain()
            else:
                for each in names:
                    await bus.send("news", each, at=NOW + MONTH)
        _crowd(folder / "omnibus.db", self.bench.size.past, finished=kind == "finished")
        folder.rename(model)
        return model


def _crowd(path: Path, count: int, *, finished: bool) -> None:
    """Turn the model rows into *count* rows of customers that are not written to, and take the model rows away."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous=OFF")  # made once, and synced when it is copied
    db.execute("PRAGMA cache_size=-262144")
    shift = to_micros(NOW) - to_micros(NOW - MONTH) if finished else 0
    db.execute("BEGIN")
    db.execute("CREATE TEMP TABLE copies (n INTEGER PRIMARY KEY, who TEXT)")
    db.executemany(
        "INSERT INTO copies VALUES (?, ?)", ((n, f"x{n * MODELS // EACH:09d}") for n in range(count // MODELS))
    )
    # x…: a copy of the hundred rows belongs to ten customers, each with ten rows
    who = f"copies.who || '-' || (m.place / {EACH})"
    db.execute(
        "CREATE TEMP TABLE m AS SELECT rowid AS row, id, row_number() OVER (ORDER BY id) - 1 AS place FROM delivery"
    )
    name = "printf('00-%09d-%s', copies.n, substr(m.id, -12))"
    moved = {"accepted": shift, "expires": shift, "due": 0}
    _copy(db, "delivery", "t.id=m.id", {"id": name, "customer": who, "subject": who}, moved)
    _copy(db, "attempt", "t.delivery=m.id", {"id": f"{name} || 'a'", "delivery": name, "customer": who, "provider_id": f"{name} || 'p'"},
          {"started": shift, "ended": shift})  # fmt: skip
    _copy(db, "decision", "t.delivery=m.id", {"delivery": name}, {"at": shift}, leave=("seq",))
    _copy(db, "event", "t.subject=(SELECT customer FROM delivery d WHERE d.id=m.id) AND t.type LIKE 'message.%'",
          {"id": f"{name} || t.type", "subject": who}, {"time": shift}, leave=("seq",))  # fmt: skip
    for table, key in (("customer", "id"), ("context", "customer"), ("lane", "customer")):
        owner = "(SELECT customer FROM delivery d WHERE d.id=m.id)"
        first = f"m.place % {EACH}=0 AND t.{key}={owner}"
        _copy(db, table, first, {key: who}, {})
    _clear(db)
    db.execute("UPDATE tally SET count=? WHERE name='accepted'", (count // MODELS * MODELS,))
    db.execute("COMMIT")
    db.execute("ANALYZE")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    found = db.execute("SELECT count(*) FROM delivery").fetchone()[0]
    db.close()
    if found != count:
        raise Unbalanced(f"{found} rows of the past instead of {count}")


def _copy(
    db: sqlite3.Connection, table: str, match: str, fresh: Mapping[str, str], moved: Mapping[str, int],
    leave: Sequence[str] = (),
) -> None:  # fmt: skip
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[1] not in leave]
    values = [
        fresh.get(each) or (f't."{each}" - {moved[each]}' if moved.get(each) else f't."{each}"') for each in columns
    ]
    names = ", ".join(f'"{each}"' for each in columns)
    db.execute(
        f"INSERT INTO {table} ({names}) SELECT {', '.join(values)} FROM copies, m JOIN {table} t ON {match}"  # noqa: S608 - our names
    )


def _clear(db: sqlite3.Connection) -> None:
    """Take the model rows away, so that their customers are as those of the empty store; their contexts stay as they are."""
    for table, column in (("attempt", "delivery"), ("decision", "delivery"), ("delivery", "id")):
        db.execute(f"DELETE FROM {table} WHERE {column} IN (SELECT id FROM m)")  # noqa: S608 - our names
    db.execute("DELETE FROM lane WHERE customer LIKE 'c%'")
