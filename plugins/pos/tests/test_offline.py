import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from omnibus import Event, Forged, Orders
from omnibus.testing import sample_context
from omnibus_pos import Passes, Pos
from omnibus_pos.passes import Pass, public, read, seed_of, sign

from .test_till import LINES, opened, refused

SEED = bytes(range(32))
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
PASS = Pass("c1", "comeback", "ADA7", 15, int(NOON.timestamp()), int(NOON.timestamp()) + 60, "A••", "EUR",
            (("S1", "Trail Boots", 1, "39.00"),))  # fmt: skip


def test_a_pass_is_read_with_the_public_key_alone():
    token = sign(PASS, SEED)
    assert read(token, public(SEED), NOON) == PASS
    assert "ADA7" not in repr(PASS)
    # Source: RFC 8032 §7.1 test 1 for the key pair
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    assert seed_of(public(seed)).hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


def test_what_is_no_pass_is_forged():
    token, key = sign(PASS, SEED), public(SEED)
    head, body, signature = token.split(".")
    for wrong in ("", "OB1", token[:-2], f"{head}.{body}", f"OB2.{body}.{signature}", f"{head}.{body[:-1]}.{signature}",
                  f"{head}.{signature}.{body}", token + "é", "x" * 9999):  # fmt: skip
        with pytest.raises(Forged):
            read(wrong, key, NOON)
    for late in (60, 3600):
        with pytest.raises(Forged, match="expired"):
            read(token, key, NOON + timedelta(seconds=late))
    with pytest.raises(Forged):
        read(token, public(bytes(32)), NOON)
    with pytest.raises(ValueError, match="2300"):
        sign(Pass("c", "o", "k" * 2000, 1, 1, 2), SEED)


def test_the_key_is_checked_when_it_is_configured():
    for good in ("00" * 32, public(SEED)):
        assert Pos.Settings(pass_key=good)
    for wrong in ("00", "zz" * 32, "é"):
        with pytest.raises(ValidationError) as caught:
            Pos.Settings(pass_key=wrong)
        assert wrong not in str(caught.value)


def claim(basket, minute, kind="pass.claimed"):
    data = {"offer": "comeback", "basket": basket}
    return Event(f"{kind}:{basket}", "pos", kind, NOON + timedelta(minutes=minute), "c1", data)


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 3), st.booleans()), min_size=1, max_size=5))
def test_whatever_the_order_the_same_wins(told):
    events = [claim(basket, minute, "code.redeemed" if online else "pass.claimed") for basket, minute, online in told]
    winners = set()
    for order in itertools.islice(itertools.permutations(events), 24):
        facet = Passes()
        for event in order:
            facet = facet.after(event)
        winners.add(facet.winner("comeback"))
    assert winners == {min((minute, basket) for basket, minute, _ in told)[1]}
    assert Passes().winner("comeback") == ""


async def test_two_offline_tills_reconcile_to_the_earlier_sale(tmp_path):
    for number, first_to_tell in enumerate(("early", "late")):
        async with opened(tmp_path / str(number)) as store:
            terms = await store.desk.issue(store.ada.id, "comeback")
            token = (await store.till.call("POST", "/pass", {"customer": store.ada.id}))["pass"]
            await store.till.learn_key()
            await store.other.learn_key()
            store.world.public_url = "http://127.0.0.1:1"  # the network is gone
            shown = store.till.read_offline(token)
            assert (shown.customer, shown.code, shown.percent, shown.name) == (store.ada.id, terms.code, 15, "A•• B••")
            assert shown.cart == (("S1", "Trail Boots", 1, "39.00"), ("S2", "Laces", 2, "1.75"))
            assert store.other.read_offline(token) == shown
            store.world.public_url = store.desk.public_url
            begun = store.desk.now()
            store.desk.clock.advance(timedelta(hours=1))
            early = (store.till, token, "B-1", begun + timedelta(minutes=5), LINES, "EUR")
            late = (store.other, token, "B-2", begun + timedelta(minutes=9), LINES, "EUR")
            for till, *told in (early, late) if first_to_tell == "early" else (late, early):
                await till.tell_late(*told)
            for _ in range(2):  # told again, the answer is the same
                answers = [await till.tell_late(*told) for till, *told in (late, early)]
                assert [(each["won"], each["winner"], each["reason"]) for each in answers] == [
                    (False, "B-1", "redeemed"), (True, "B-1", ""),
                ]  # fmt: skip
                assert [each["due"] for each in answers] == ["36.13", "36.13"]
            orders = (await store.desk.context(store.ada.id))[Orders]
            assert [(each.id, each.at) for each in orders.recent] == [("B-1", early[3]), ("B-2", late[3])]
            assert not (await store.till.redeem(terms.code, "B-3", store.ada.id))["won"]


async def test_a_late_claim_outside_the_pass_or_forged_wins_nothing(tmp_path):
    async with opened(tmp_path / "world") as store:
        terms = await store.desk.issue(store.ada.id, "comeback")
        token = (await store.till.call("POST", "/pass", {"customer": store.ada.id}))["pass"]
        before = store.desk.now() - timedelta(minutes=1)
        told = await store.till.tell_late(token, "B-1", before, LINES, "EUR")
        assert (told["won"], told["reason"], told["due"]) == (False, "expired", "42.50")
        status, answer = await refused(store.till.tell_late(token[:-3] + "AAA", "B-2", before, LINES, "EUR"))
        assert (status, answer["where"]) == (400, "pass")
        assert (await store.till.redeem(terms.code, "B-3", store.ada.id))["won"]


async def test_without_an_offer_or_a_key_there_is_no_pass(tmp_path):
    async with opened(tmp_path / "world") as store:
        assert (await refused(store.till.call("POST", "/pass", {"customer": store.ada.id})))[1]["where"] == "customer"
        store.desk.settings = Pos.Settings(terminals=store.desk.settings.terminals)
        assert (await refused(store.till.learn_key()))[1]["where"] == "[channels.pos] pass_key"


async def test_goods_are_exchanged_once(tmp_path):
    async with opened(tmp_path / "world") as store:
        await store.till.sell("B-1", LINES, "EUR", customer=store.ada.id)
        bigger = [{"sku": "S3", "name": "Bigger Boots", "quantity": 1, "price": "45.00"}]
        told = ("R-1", "B-1", store.ada.id, LINES[:1], "B-2", bigger, "EUR")
        first = await store.till.exchange(*told)
        assert (first["difference"], first["back"]["repeated"], first["sold"]["order"]) == ("6.00", False, "B-2")
        again = await store.till.exchange(*told)
        assert (again["back"]["repeated"], again["sold"]["repeated"]) == (True, True)
        events = [each for each in await store.desk.timeline(store.ada.id) if each.type == "order.returned"]
        assert [each.data["exchange"] for each in events] == ["B-2"]
        wrong = ("R-2", "B-1", store.ada.id, [{"sku": "S9", "price": "1"}], "B-3", bigger, "EUR")
        assert (await refused(store.till.exchange(*wrong)))[0] == 400
        orders = (await store.desk.context(store.ada.id))[Orders]
        assert (orders.count, orders.returns) == (2, 1)


def test_facets_survive_a_round_trip():
    facet = sample_context([Passes], [claim("A", 1)])[Passes]
    assert Passes.decode(facet.encode()) == facet
