"""Promise 7: one code, one basket: two tills and the web at once, in one process and in two."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

pytestmark = pytest.mark.promise

OFFERS = """
[offers.comeback]
percent = 15
valid = "3d"
[offers.launch]
kind = "shared"
percent = 10
code = "LAUNCH10"
limit = 5
"""

RACER = """
import asyncio, json, sys
from omnibus.build import open_bus

async def main():
    async with open_bus(sys.argv[1]) as bus:
        sys.stdin.readline()
        answers = [await bus.redeem(sys.argv[2], basket=f"{sys.argv[3]}-{n}", source=sys.argv[3]) for n in range(10)]
        print(json.dumps([each.basket for each in answers if each.won]))

asyncio.run(main())
"""


async def shop_with(shop: Any) -> Any:
    shop.offers = OFFERS
    shop.channel("mail")
    return await shop.open()


async def test_a_personal_code_at_two_tills_and_on_the_web(shop: Any) -> None:
    bus = await shop_with(shop)
    ada = await shop.ada()
    code = (await bus.parts.promises.issue("comeback", ada.id)).code
    baskets = [f"{place}-{n}" for n in range(8) for place in ("till-1", "till-2", "web")]
    answers = await asyncio.gather(*(bus.redeem(code, basket=each, source=each) for each in baskets))
    (won,) = [each for each in answers if each.won]
    assert won.percent == 15
    assert won.customer == ada.id
    assert {each.basket for each in answers} == {won.basket}, "everybody learns who won"
    again = await bus.redeem(code, basket=won.basket, source=won.basket)
    assert (again.won, again.percent) == (True, 15), "the same basket gets its answer again"
    assert await shop.types(ada, "code") == ["code.issued", "code.redeemed"]
    shop.clock.advance(timedelta(days=30))
    assert (await bus.redeem(code, basket=won.basket, source=won.basket)).won, "however late it asks again"


async def test_a_shared_code_is_limited_in_total_and_once_a_person(shop: Any) -> None:
    bus = await shop_with(shop)
    people = [await shop.ada(email=f"p{n}@example.com") for n in range(8)]
    told = [(each.id, f"b{n}-{each.id}") for each in people for n in range(2)]
    answers = await asyncio.gather(
        *(bus.redeem("launch 10", basket=basket, customer=who, source="web") for who, basket in told)
    )
    winners = [each.customer for each in answers if each.won]
    assert len(winners) == 5
    assert len(set(winners)) == 5
    assert {each.reason for each in answers if not each.won} <= {"already redeemed", "limit reached"}


async def test_two_processes_on_one_file(shop: Any) -> None:
    shop.offers = OFFERS.replace('valid = "3d"', "")  # the racers live in machine time
    shop.channel("mail")
    bus = await shop.open()
    code = (await bus.parts.promises.issue("comeback", (await shop.ada()).id)).code
    await bus.aclose()
    toml = shop.folder / "omnibus.toml"
    toml.write_text(shop.core + OFFERS.replace('valid = "3d"', ""))
    racers = [
        subprocess.Popen(  # noqa: ASYNC220 - two real processes are the point
            [sys.executable, "-c", RACER, str(toml), code, place],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for place in ("till-1", "till-2")
    ]
    for each in racers:
        each.stdin.write("go\n")  # type: ignore[union-attr]
        each.stdin.flush()  # type: ignore[union-attr]
    won = [basket for each in racers for basket in json.loads(each.communicate(timeout=60)[0])]
    assert len(won) == 1


@pytest.mark.parametrize("typed", ["", "XXXX", "LAUNCH1O", "2222-2222-2222-22"])
async def test_what_is_no_code_is_refused_without_saying_more(shop: Any, typed: str) -> None:
    bus = await shop_with(shop)
    answer = await bus.redeem(typed, basket="b1", source="till")
    assert (answer.won, answer.reason, answer.offer) == (False, "unknown code", "")


async def test_a_code_ends_at_its_deadline(shop: Any) -> None:
    bus = await shop_with(shop)
    ada = await shop.ada()
    code = (await bus.parts.promises.issue("comeback", ada.id)).code
    shop.clock.advance(timedelta(days=3, seconds=1))
    answer = await bus.redeem(code, basket="b1", source="till")
    assert (answer.won, answer.reason) == (False, "expired")


async def test_the_code_in_a_message_survives_a_merge(shop: Any) -> None:
    """A visitor's code, carried by a mail, is still theirs when the till recognises them."""
    bus = await shop_with(shop)
    visitor = await bus.customers.upsert(web="v-1")
    known = await shop.ada()
    code = (await bus.parts.promises.issue("comeback", visitor.id)).code
    other = (await bus.parts.promises.issue("comeback", known.id)).code
    assert code != other
    await bus.customers.merge(visitor.id, known.id)
    first = await bus.redeem(code, basket="b1", source="till")
    assert (first.won, first.customer) == (True, known.id)
    second = await bus.redeem(other, basket="b2", source="till")
    assert (second.won, second.reason) == (False, "already redeemed"), "one person, one offer, once"


async def test_the_code_goes_back_with_an_unmerge(shop: Any) -> None:
    bus = await shop_with(shop)
    visitor = await bus.customers.upsert(web="v-1")
    code = (await bus.parts.promises.issue("comeback", visitor.id)).code
    await bus.customers.merge(visitor.id, (await shop.ada()).id)
    await bus.customers.unmerge(visitor.id)
    answer = await bus.redeem(code, basket="b1", source="till")
    assert (answer.won, answer.customer) == (True, visitor.id)
