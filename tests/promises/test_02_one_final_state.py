"""Promise 2: every delivery ends in exactly one state with a reason, and the accounts show anything else."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any

import apsw
import pytest

from omnibus import State
from omnibus.model.delivery import FINAL, MOVES, SHOWN, WAITING, may_move
from omnibus.store import Change, Move

pytestmark = pytest.mark.promise

#: the drawing of DESIGN §3, as pairs, written out once more by hand
DRAWN = {
    "queued": "sending expired dropped", "held": "sending expired dropped",
    "sending": "sent queued held failed unknown dropped expired",
    "unknown": "sending sent queued failed delivered opened clicked replied",
    "sent": "delivered opened clicked replied bounced withdrawn queued",
    "delivered": "opened clicked replied bounced withdrawn", "opened": "clicked replied withdrawn",
    "clicked": "replied withdrawn", "replied": "withdrawn", "bounced": "queued",
    "failed": "sent delivered opened clicked replied", "withdrawn": "", "dropped": "", "expired": "",
}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), list(itertools.product(State, State)))
def test_the_table_is_the_drawing(old: State, new: State) -> None:
    assert may_move(old, new) == (new.value in DRAWN[old.value].split())


def test_waiting_and_final_part_the_states() -> None:
    assert {each.value for each in WAITING} == {"queued", "held", "sending", "unknown"}
    assert frozenset(State) == WAITING | FINAL
    assert not WAITING & FINAL
    assert SHOWN < FINAL
    assert set(MOVES) == set(State)


#: what a report may ask for
REPORTED = (State.DELIVERED, State.OPENED, State.CLICKED, State.REPLIED, State.BOUNCED)


def expected(old: State, reason: str, new: State) -> State:
    """Say, apart from the code, where a report that names the last attempt leads."""
    if old is State.SENDING:
        return State.SENDING  # kept for the settlement
    if old is State.FAILED and reason != "answer_lost":
        return old
    if old is State.UNKNOWN and new is State.BOUNCED:
        return State.FAILED
    return new if new.value in DRAWN[old.value].split() else old


@pytest.mark.parametrize("reason", ["answer_lost", "refused"])
async def test_every_report_in_every_state(shop: Any, reason: str) -> None:
    shop.channel("mail")
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    ada = await shop.ada()
    store = bus.parts.store
    for old, new in itertools.product(State, REPORTED):
        (one,) = await bus.send("hello", ada)

        def plant(db: apsw.Connection, id_: str = one.id, state: State = old) -> None:
            db.execute("UPDATE delivery SET state=?, reason=? WHERE id=?", (state.value, reason, id_))

        await store.engine.write(plant)
        version = (await store.load([ada.id]))[ada.id].version
        assert await store.put([Change(ada.id, version, moves=(Move(one.id, new, "told"),))]) == [True]
        assert await shop.state(one) is expected(old, reason, new), (old, new)


async def test_each_way_out_has_one_reason(shop: Any) -> None:
    shop.channel("mail")
    shop.channel("fax", identity="fax")
    for name, front in {
        "sent": {}, "dropped": {"while_": ["cart.open"]}, "nowhere": {"via": ["fax"]}, "expired": {"expires": "1h"},
    }.items():  # fmt: skip
        shop.message(name, **{"via": ["mail"], **front})
    bus = await shop.open()
    ada = await shop.ada()
    made = {name: (await bus.send(name, ada))[0] for name in ("sent", "dropped", "nowhere")}
    made["expired"] = (await bus.send("expired", ada, at=shop.clock.now() + timedelta(hours=1)))[0]
    await bus.drain()
    await shop.until(timedelta(hours=3))
    rows = {name: await shop.row(each) for name, each in made.items()}
    assert {name: (each.state.value, each.reason) for name, each in rows.items()} == {
        "sent": ("sent", "accepted"),
        "dropped": ("dropped", "mail: premise cart.open no longer holds"),
        "nowhere": ("dropped", "fax: no fax known"),
        "expired": ("sent", "accepted"),
    }
    await shop.balanced()


async def test_a_deadline_that_passed_expires(shop: Any) -> None:
    shop.channel("mail")
    shop.message("soon", via=["mail"], expires="1h")
    bus = await shop.open()
    (one,) = await bus.send("soon", await shop.ada())
    shop.clock.advance(timedelta(hours=1))
    await bus.drain()
    assert replace(await shop.row(one), lease="").state is State.EXPIRED
    assert await shop.types(one.customer, "message") == ["message.expired"]
    assert shop.wire("mail").handed == []


@pytest.mark.parametrize(
    ("planted", "figure"),
    [
        ("DELETE FROM delivery WHERE id=?", "unbalanced"),
        ("UPDATE delivery SET reason='' WHERE id=?", "silent"),
        ("UPDATE attempt SET outcome='unknown' WHERE delivery=?", "unproven"),
        ("UPDATE delivery SET state='queued', due=1 WHERE id=?", "stuck"),
        ("UPDATE delivery SET state='queued', due=NULL WHERE id=?", "stuck"),
        ("UPDATE delivery SET state='unknown', due=NULL WHERE id=?", "stuck"),
        ("UPDATE delivery SET state='queued', due=1 WHERE id=?", "lost_lanes"),
    ],
)
async def test_the_audit_finds_what_is_planted(shop: Any, planted: str, figure: str) -> None:
    shop.channel("mail")
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    (one,) = await bus.send("hello", await shop.ada())
    await bus.drain()
    await shop.balanced()
    await bus.parts.store.engine.write(lambda db: db.execute(planted, (one.id,)) and None)
    assert (await bus.audit())[figure] == 1
