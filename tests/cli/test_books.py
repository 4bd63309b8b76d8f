"""What audit, rebuild and dead say when something is amiss."""

from __future__ import annotations

from .conftest import Shop


def test_a_lost_delivery_does_not_balance(shop: Shop, ada: str):
    sent = shop.json("send", "cart-reminder", ada)
    shop.sql(f"DELETE FROM delivery WHERE id='{sent[0]['id']}'")
    told = shop.json("audit", code=1)
    assert (told["ok"], told["unbalanced"]) == (False, 1)
    result = shop.run("audit")
    assert result.exit_code == 1
    assert result.stderr == "error: unbalanced: 1 (accepted deliveries that are neither final nor waiting)\n"


def test_a_silent_end_is_found(shop: Shop, ada: str):
    shop.json("send", "cart-reminder", ada)
    shop.say("work", "--drain")
    shop.sql("UPDATE delivery SET reason='' WHERE state='dropped'")
    assert shop.json("audit", code=1)["silent"] == 1


def test_a_context_that_differs_is_named_and_mended(shop: Shop, ada: str):
    shop.sql("UPDATE context SET body = CAST(replace(CAST(body AS TEXT), 'Harbour', 'Sunken') AS BLOB)")
    assert "Sunken" in shop.say("customers", "show", ada)
    assert shop.json("rebuild", code=1) == {"ok": False, "customers": 1, "differed": [ada]}
    assert "Sunken" not in shop.say("customers", "show", ada)
    assert shop.json("rebuild") == {"ok": True, "customers": 1, "differed": []}


def test_dead_lists_what_was_parked_and_nothing_else(shop: Shop, ada: str):
    sent = shop.json("send", "cart-reminder", ada)
    for each, reason in zip(sent, ("poison: fault:KeyError", "refused", "poisonous"), strict=True):
        shop.sql(f"UPDATE delivery SET state='failed', due=NULL, reason='{reason}' WHERE id='{each['id']}'")
    told = shop.json("dead")
    assert ([each["id"] for each in told["deliveries"]], told["facets"]) == ([sent[0]["id"]], [])
    assert "poison: fault:KeyError" in shop.say("dead")


def test_dead_lists_facets_that_cannot_be_folded(shop: Shop, ada: str):
    fault = b'!\t{"cart":["KeyError","cart-1","app"]}\n'.hex()
    shop.sql(f"UPDATE context SET body = CAST(X'{fault}' || body AS BLOB)")
    told = {"customer": ada, "facet": "cart", "error": "KeyError", "event": "cart-1", "source": "app"}
    assert shop.json("dead") == {"deliveries": [], "facets": [told]}
    assert "KeyError" in shop.say("dead")
    assert shop.json("rebuild", code=1)["differed"] == [ada]
    assert shop.json("dead") == {"deliveries": [], "facets": []}


def test_prune_removes_what_is_old_and_the_books_balance(shop: Shop, ada: str):
    shop.json("send", "cart-reminder", ada, "--key", "k")
    shop.say("work", "--drain")
    assert shop.json("prune") == {"deliveries": 0, "keys": 0, "recipients": 0}
    before = shop.json("audit")
    shop.sql("UPDATE delivery SET accepted=0, expires=1, due=NULL, watched=0 WHERE state NOT IN ('queued','held')")
    shop.sql("UPDATE attempt SET started=0")
    shop.sql("UPDATE decision SET at=0")
    told = shop.json("prune")
    assert told["deliveries"] == before["final"] > 0
    assert told["keys"] == 1
    after = shop.json("audit")
    assert after["pruned"] == before["final"]
    assert {**after, "pruned": 0} == before
    assert shop.say("prune") == "0 finished deliveries, 0 send keys and 0 places on lists pruned\n"
