"""What SQLite writes of a batch without looking first, held to what it writes after a look at each row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest

from omnibus.model.delivery import State
from omnibus.model.event import Event
from omnibus.store import Change, Grant, Limit, Move, Outcome, Settlement, Wish
from omnibus.stores.sqlite import Sqlite, alike, batch, straight
from omnibus.testing.contracts.store import NOW, attempt, delivery, event, settled

LATER = NOW + timedelta(minutes=1)
WHO = ("ada", "bob", "cat", "dan")
#: what a hand-over before this one left behind
EARLIER = (
    "UPDATE delivery SET identity='email:b', provider_id='p-0', channel='post', provider='two', attempts=4",
    "UPDATE attempt SET provider_id='p-0', details='[0]'",
)
TABLES = {
    "event": "source, id, type, time, subject, data, heard", "context": "*", "attempt": "*", "decision": "delivery, at, body",
    "delivery": "id, customer, state, reason, due, channel, provider, identity, provider_id, tried, attempts, faults, flagged, withdraw,"
    " watched, lease",
    "lane": "customer, due, urgent, lease", "code": "*",
}  # fmt: skip


async def shop(path: Path) -> Sqlite:
    """Open a store with four customers who were heard of, and one who was not; each waits for something."""
    store = Sqlite(path, lambda: LATER)
    await store.open()
    await store.create([(each, []) for each in (*WHO, "eve")], NOW)
    first = [event(f"first-{each}", each) for each in WHO]
    assert all(await store.put([Change(each.subject, 0, (each,), {"x": b"0"}, each.order) for each in first]))
    waiting = [delivery(f"d-{each}", each, premises=("cart.open",) if each != "bob" else ()) for each in (*WHO, "eve")]
    await store.accept([Wish("", "", (each,)) for each in waiting])
    await store.accept([Wish("", "", (delivery("d2-dan", "dan", purpose="transactional", due=LATER),))])
    return store


@pytest.fixture
def blank(tmp_path: Path, blank_store: Path) -> Callable[[str], Path]:
    """Give paths of stores with nothing in them yet."""

    def made(name: str) -> Path:
        path = tmp_path / name
        path.write_bytes(blank_store.read_bytes())
        return path

    return made


def dump(path: Path) -> dict[str, list[Any]]:
    """Read all rows but for machine time."""
    db = apsw.Connection(str(path))
    rows = {name: list(db.execute(f"SELECT {what} FROM {name} ORDER BY 1, 2, 3")) for name, what in TABLES.items()}
    db.close()
    return rows


def sent(who: str, version: int = 1, *, state: State = State.SENT, events: Sequence[Event] = ()) -> Settlement:
    """Settle with an event and a context."""
    told = event(f"sent-{who}", who, type_="message.sent", at=LATER)
    outcome = Outcome(f"a-{who}", "accepted", "", f"p-{who}", details="{}")
    change = Change(who, version, (told, *events), {"x": b"1", "y": b"2"}, told.order)
    return settled(
        f"d-{who}", who, state, outcome=outcome, change=change, channel="mail", provider="one", identity="email:a",
        provider_id=f"p-{who}", attempts=1, watched=who == "ada", decision='{"v":2}' if who == "cat" else "",
    )  # fmt: skip


def strange(settlements: list[Settlement], mishap: str) -> list[Settlement]:
    """Let one of them, or all, say something else."""
    if mishap == "known":
        settlements[1] = sent("bob", events=[event("first-bob", "bob")])
    elif mishap == "stale":
        settlements[2] = sent("cat", 7)
    elif mishap == "held":
        settlements[0] = replace(settlements[0], state=State.HELD, due=LATER, outcome=None)
    elif mishap == "ended":
        settlements[2] = replace(settlements[2], state=State.FAILED)
    elif mishap == "unlike":
        settlements[1] = replace(
            settlements[1], identity="email:another", provider="two", outcome=Outcome("a-bob", "refused")
        )
    elif mishap == "kept":  # what is not told stays as it was
        same = dict.fromkeys(("channel", "provider", "identity", "provider_id", "attempts"))
        more = {
            "tried": ("mail/one/a",),
            "faults": 2,
            "flagged": True,
            "withdraw": True,
            "reason": "lost",
            "due": LATER,
        }
        lost = {**same, **more, "watched": False, "decision": '{"v":3}'}
        return [
            replace(each, **lost, outcome=Outcome(f"a-{each.customer}", "unknown", "lost", counts=False))
            for each in settlements
        ]
    elif mishap == "unwatched":
        return [replace(each, watched=True) for each in settlements]
    elif mishap == "gone":
        return [replace(each, lease="other", watched=False) for each in settlements]
    elif mishap == "bare":
        return [replace(each, change=None, watched=False) for each in settlements]
    elif mishap == "lost":
        settlements[1] = replace(settlements[1], lease="other")
    return settlements


async def play(path: Path, mishap: str) -> tuple[list[Any], dict[str, list[Any]]]:
    """Claim, attempt and settle a batch to which something happens; gives every answer and all rows after it."""
    store = await shop(path)
    stranger = mishap == "stranger"
    claimed = await store.claim(NOW, limit=100, lease="w", term=60)
    assert len(claimed) == len(WHO) + 1
    who = [*WHO, "eve"] if stranger else list(WHO)
    limits = (Limit("", NOW - timedelta(days=7), 0 if mishap == "over" else 5),)
    tries = [
        attempt(f"a-{each}", f"d-{each}", each, int(each != "eve"), decision='{"v":1}', limits=limits) for each in who
    ]
    if mishap == "moved":
        one = event("moved", "bob")
        await store.put([Change("bob", 1, (one,), {"x": b"9"}, one.order)])
    elif mishap == "zombie":
        tries[1] = replace(tries[1], lease="other")
    elif mishap == "dead":
        tries = [replace(each, lease="other") for each in tries]
    elif mishap == "unlike":
        tries[1] = replace(tries[1], channel="post")
    elif mishap == "paused":
        await store.pause("mail/one", LATER, "429")
    elif mishap in {"merged", "bare"}:
        assert await store.merge("bob", "cat", [Change("cat", 1)])
    answers: list[Any] = list(await store.attempt(tries))
    settlements = [sent(each, int(each != "eve")) for each in who]
    if mishap == "kept":
        await store.engine.write(lambda db: [db.execute(each) for each in EARLIER] and None)
    if mishap == "overtaken":
        await store.put([Change("bob", 1, moves=(Move("d-bob", State.DELIVERED, attempt="a-bob"),), now=NOW)])
    answers += await store.settle(strange(settlements, mishap))
    await store.aclose()
    return answers, dump(path)


@pytest.mark.parametrize(
    "mishap",
    ["none", "stranger", "over", "moved", "zombie", "dead", "paused", "merged", "overtaken", "known", "stale", "held", "ended", "unlike", "kept", "unwatched", "gone", "bare",
     "lost"],
)  # fmt: skip
async def test_both_ways_write_the_same(
    blank: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, mishap: str
) -> None:
    """Whatever happened to one of them meanwhile; the others go on."""
    quickly = await play(blank("quick.db"), mishap)
    monkeypatch.setattr(straight, "attempt", lambda *_: False)
    monkeypatch.setattr(straight, "settle", lambda *_: False)
    monkeypatch.setattr(alike, "FEW", 1_000)
    assert await play(blank("slow.db"), mishap) == quickly


async def test_what_is_usual_is_not_looked_up(blank: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def look(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(batch, "_standings", look)
    answers, rows = await play(blank("store.db"), "none")
    assert answers == ["granted"] * len(WHO) + [True] * len(WHO)
    assert [row[2] for row in rows["delivery"]] == ["sent", "sent", "sent", "sent", "sending", "queued"]
    assert [row[3] for row in rows["lane"]] == [None, None, None, None, "w"]
    assert len(rows["decision"]) == len(WHO) + 1


async def test_rows_that_are_alike_are_one_statement(
    blank: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that would be a statement a row are not even prepared."""
    expected = await play(blank("usual.db"), "none")
    for name in ("ATTEMPT", "CLOSED", "_SETTLED"):
        monkeypatch.setattr(straight, name, "no statement")
    assert await play(blank("store.db"), "none") == expected


def test_what_a_list_would_cut_off_is_no_list(blank: Callable[[str], Path]) -> None:
    """A text that holds a NUL is left to a statement of its own."""
    db = apsw.Connection(str(blank("store.db")))
    rows = [("d-1", 1, '{"v":1}'), ("d-2", 1, '{"v":"\0"}'), ("d-3", 1, "{}")]
    assert not alike.decisions(db, rows)
    assert alike.decisions(db, [*rows[::2], rows[0]])
    assert [row[0] for row in db.execute("SELECT delivery FROM decision ORDER BY seq")] == ["d-1", "d-3", "d-1"]
    db.close()


async def test_a_batch_leaves_the_prepared_statements_of_the_next_where_they_are(blank: Callable[[str], Path]) -> None:
    """Fifty a round, as the dispatcher has slots: from the second round on nothing is parsed anew."""
    store = Sqlite(blank("store.db"), lambda: LATER)
    await store.open()
    who = [f"c{n:02}" for n in range(50)]
    await store.create([(each, []) for each in who], NOW)
    first = [event(f"first-{each}", each) for each in who]
    assert all(await store.put([Change(each.subject, 0, (each,), {"x": b"0"}, each.order) for each in first]))
    misses = []
    for version in (1, 2, 3):
        ids = {each: f"d{version}-{each}" for each in who}
        await store.accept([Wish("", "", tuple([delivery(ids[each], each) for each in who]))])
        claimed = await store.claim(NOW, limit=50, lease="w", term=60)
        assert len(claimed) == len(who)
        asked = [attempt(f"a{version}-{each}", ids[each], each, version, decision='{"v":1}') for each in who]
        assert set(await store.attempt(asked)) == {Grant.GRANTED}
        done = []
        for each in who:
            told = event(f"sent{version}-{each}", each, type_="message.sent", at=LATER)
            change = Change(each, version, (told,), {"x": b"1"}, told.order)
            outcome = Outcome(f"a{version}-{each}", "accepted")
            done.append(settled(ids[each], each, outcome=outcome, change=change))
        assert all(await store.settle(done))
        misses.append(await store.engine.write(lambda db: db.cache_stats()["misses"]))
    await store.aclose()
    assert misses[1] == misses[2]


async def test_a_free_lane_whose_head_is_in_hand_is_set_right(blank: Callable[[str], Path]) -> None:
    """It is held as long as that one is, and nothing of it is claimed twice."""
    store = await shop(blank("store.db"))
    await store.claim(NOW, limit=100, lease="w", term=60)
    await store.engine.write(lambda db: db.execute("UPDATE lane SET lease=NULL, lease_until=NULL") and None)
    assert await store.claim(NOW, limit=100, lease="v", term=60) == []
    await store.aclose()
    assert {row[3] for row in dump(store.path)["lane"]} == {"w"}


def test_the_hot_statements_find_their_rows_by_keys(blank: Callable[[str], Path]) -> None:
    """No statement of the road reads a whole table."""
    db = apsw.Connection(str(blank("store.db")))
    hot = [batch._URGENT, batch._DUE, batch._TAKEN, batch.LEASED, batch._STANDING, batch._SPENT, straight._GUARDED]
    hot += [straight._CONTEXT, straight._SETTLED, straight._WATCHED, straight._FREED, straight.CLOSED]
    hot += [alike.ATTEMPTS, alike.DECISIONS, alike.CLOSED, alike.SETTLED, alike.WATCHED]
    for statement in hot:
        count = statement.count("?") if "?1" not in statement else 17
        rows = db.execute(f"EXPLAIN QUERY PLAN {statement}", tuple([None] * _bound(statement, count)))
        plan = [row[3] for row in rows]
        assert not [step for step in plan if step.startswith("SCAN") and "VIRTUAL TABLE" not in step], statement
    heads = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {batch._DUE}", (None, None))]
    assert "SEARCH h USING COVERING INDEX delivery_due (customer=? AND due<?)" in heads


def _bound(statement: str, most: int) -> int:
    """Count what a statement binds."""
    numbered = [number for number in range(1, most + 1) if f"?{number}" in statement]
    return max(numbered, default=most)
