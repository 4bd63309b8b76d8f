"""Hot statements are planned once a connection, perhaps while the tables are empty: no plan may depend on that."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from omnibus.stores.postgres import Postgres, beside, dropping, ear, loading, outbox, plain, telling
from omnibus.stores.postgres import statements as sql
from omnibus.stores.postgres.connections import PIN, UNPIN

LISTED = '["c1", "c2"]'
HOT: dict[str, tuple[str, Any]] = {
    "due": (outbox.DUE, {"now": 1}),
    "take_lanes": (sql.TAKE_LANES, {"now": 1, "limit": 50, "whole": 50}),
    "take_heads": (sql.TAKE_HEADS, {"now": 1, "lease": "w", "term": 1}),
    "people beside": (beside.PEOPLE, (1,)),
    "people": (loading.READ_PEOPLE, (LISTED,)),
    "spenders": (loading.READ_SPENDERS, (1, LISTED)),
    "walkers": (loading.READ_WALKERS, (LISTED,)),
    "known": (sql.KNOWN, ("[]",)),
    "entered": (sql.READ_ENTRIES, ("[]",)),
    "unheard": (ear.TAKE, (2000, 200)),
    "still": (ear.STILL, ("{1,2}",)),
    "woken": (ear.DUE, (1, 200)),
    "busy": (ear.BUSY, {"now": 1}),
    "told": (telling.TELL, ("[]",)),
    "told to": (telling.LOCK, (LISTED,)),
    "heard": (telling.HEARD, ("[]",)),
    "lock": (plain.LOCK, ("[]", LISTED, LISTED)),
    "attempt": (plain.ATTEMPT, ("[]", "[]")),
    "settle": (plain.SETTLE, ("[]", 1, 1)),
    "undone": (dropping.UNDONE, {"origin": "campaign:spring", "limit": 300}),
    "undone last": (dropping.UNDONE_LAST, {"origin": "campaign:spring", "limit": 300}),
    "drop": (dropping.DROP, ("[]",)),
    "refresh": (sql.REFRESH_LANES, (LISTED,)),
}
#: a look at what is free to go through from end to end: what is due first stands first
IN_ORDER = {"lane_due", "lane_urgent", "run_due"}
#: an index of nothing but what is looked for
WHOLE = {"event_unheard"}
SMALL = {"pause"}


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


def faults(plan: dict[str, Any]) -> list[str]:
    """List what would be slow in a full table: rows that are gone through, and not looked up."""
    found = []
    for each in nodes(plan):
        kind, table = each["Node Type"], each.get("Relation Name", "")
        by_key = "Index Cond" in each or "TID Cond" in each or each.get("Index Name") in WHOLE
        if table and "Scan" in kind and not by_key and table not in SMALL:
            found.append(f"{kind} of {table}")
        if kind in {"Hash Join", "Merge Join"}:
            found.append(kind)
        if kind == "Sort" and each.get("Plans", [{}])[0].get("Index Name") in IN_ORDER:
            found.append("what is due is sorted")
    return found


async def plan_of(db: Any, statement: str, given: Any) -> dict[str, Any]:
    """Give the plan that is kept for a statement."""
    names = list(given) if isinstance(given, dict) else []
    marks = iter(range(1, 100))
    text = re.sub(
        r"%\((\w+)\)s|%s", lambda found: f"${names.index(found[1]) + 1 if found[1] else next(marks)}", statement
    )
    values = list(given.values()) if isinstance(given, dict) else list(given)
    await db.execute(f"PREPARE hot AS {text}")
    asked = f"({', '.join(_literal(each) for each in values)})" if values else ""
    row = await (await db.execute(f"EXPLAIN (FORMAT JSON, COSTS OFF) EXECUTE hot {asked}")).fetchone()
    await db.execute("DEALLOCATE hot")
    told = row[0] if not isinstance(row[0], str) else json.loads(row[0])
    return dict(told[0]["Plan"])


def _literal(value: Any) -> str:
    return str(value) if isinstance(value, int) else "'" + value + "'"


@pytest.mark.parametrize("looked_at", [False, True], ids=["never looked at", "known to be empty"])
async def test_a_plan_made_for_an_empty_store_is_one_for_a_full_one(
    store: Postgres, connect: Callable[[], Any], looked_at: bool
) -> None:
    db = await connect()
    if looked_at:
        await db.execute("VACUUM ANALYZE")
    async with db.transaction():
        await db.execute(PIN)
        found = {name: faults(await plan_of(db, *told)) for name, told in HOT.items()}
    assert found == {name: [] for name in HOT}


async def test_the_look_at_a_plan_can_fail(store: Postgres, connect: Callable[[], Any]) -> None:
    """Unpinned, an empty table is simply gone through."""
    db = await connect()
    await db.execute("VACUUM ANALYZE")
    async with db.transaction():
        await db.execute(PIN)
        await db.execute(UNPIN)
        assert faults(await plan_of(db, *HOT["spenders"]))
        assert faults(await plan_of(db, "SELECT body FROM context c JOIN customer o ON o.id = c.customer", ()))
        shown = await (await db.execute("SHOW plan_cache_mode")).fetchone()
    assert shown[0] == "force_custom_plan"
