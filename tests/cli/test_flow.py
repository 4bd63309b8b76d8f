"""From an empty folder to a delivery and its whole story, command by command."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from omnibus.cli import main
from omnibus.settings import load

from .conftest import CART, Shop


def test_init_writes_a_shop_and_leaves_it_alone_afterwards(tmp_path: Path):
    folder = tmp_path / "new"
    first = CliRunner().invoke(main, ["init", str(folder)])
    assert first.exit_code == 0
    assert "wrote" in first.stdout
    assert "omnibus doctor" in first.stdout
    assert (folder / "omnibus.key").stat().st_mode & 0o777 == 0o600
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {path.name for path in before} >= {"omnibus.toml", "brand.toml", "omnibus.key", "welcome.md"}
    (folder / "brand.toml").write_text("mine")
    second = CliRunner().invoke(main, ["init", str(folder)])
    assert second.exit_code == 0
    assert "nothing to write" in second.stdout
    assert (folder / "brand.toml").read_text() == "mine"
    assert (folder / "omnibus.key").read_bytes() == before[folder / "omnibus.key"]


def test_a_shop_with_the_channels_that_were_asked_for_is_right_at_once(tmp_path: Path):
    wrong = CliRunner().invoke(main, ["init", str(tmp_path / "new"), "--channel", "wbe"])
    assert (wrong.exit_code, (tmp_path / "new").exists()) == (2, False)
    assert "did you mean `web`?" in wrong.stderr
    made = CliRunner().invoke(main, ["init", str(tmp_path / "new"), "--channel", "web"])
    assert "Enabled: web." in made.stdout
    told = load(tmp_path / "new", environ={})
    assert (set(told.channels), set(told.offers)) == ({"web"}, {"launch", "comeback", "thank-you"})
    assert CliRunner().invoke(main, ["-c", str(tmp_path / "new"), "config", "check"]).exit_code == 0


def test_customers(shop: Shop, ada: str):
    (row,) = shop.json("customers", "list")
    assert row["id"] == ada
    assert [each["kind"] for each in row["identities"]] == ["email", "web"]
    assert set(row["identities"][0]) == {"kind", "ref", "verified", "evidence"}
    assert "ada@example.com" not in shop.say("customers", "list")
    assert "ada@example.com" not in shop.say("customers", "show", ada)
    told = shop.json("customers", "show", "email:ADA@example.com", "--addresses")
    assert told["identities"][0]["value"] == "ada@example.com"
    assert told["context"]["profile"]["name"] == "Ada"
    assert told["context"]["cart"]["open"] is True
    assert shop.json("customers", "add", "--web", "visitor-1", "--phone", "+442079460000")["id"] == ada
    kinds = [each["kind"] for each in shop.json("customers", "list")[0]["identities"]]
    assert kinds == ["email", "web", "phone"]


def test_track_twice_changes_nothing(shop: Shop, ada: str):
    assert shop.json("track", ada, "cart.updated", json.dumps(CART), "--id", "c1") == {"new": False}
    words = ("track", ada, "product.viewed", "-", "--id", "v1", "--at", "2026-11-01T10:00:00+01:00", "--source", "web")
    assert shop.run(*words, stdin='{"sku": "mug"}').stdout == "tracked\n"
    events = shop.json("timeline", ada)
    first = events[0]
    assert first == {
        "id": "v1", "source": "web", "type": "product.viewed", "time": "2026-11-01T09:00:00+00:00", "subject": ada,
        "data": {"sku": "mug"},
    }  # fmt: skip
    assert [each["type"] for each in events[1:]] == [
        "customer.identified", "customer.identified", "customer.updated", "consent.granted", "cart.updated",
    ]  # fmt: skip
    assert [each["id"] for each in shop.json("timeline", ada, "--last", "1")] == ["c1"]


def test_a_delivery_and_its_whole_story(shop: Shop, ada: str):
    deliveries = shop.json("send", "cart-reminder", ada, "--key", "k1")
    assert [each["via"] for each in deliveries] == [["email", "sms", "instagram"], ["web"], ["pos"]]
    assert [each["state"] for each in deliveries] == ["queued"] * 3
    assert [each["id"] for each in shop.json("send", "cart-reminder", ada, "--key", "k1")] == [
        x["id"] for x in deliveries
    ]
    waiting = shop.json("why", deliveries[1]["id"])
    assert (waiting["decisions"], waiting["attempts"]) == ([], [])
    assert "not judged yet" in shop.say("why", deliveries[1]["id"])

    shop.say("work", "--drain")

    states = {each["via"][0]: each for each in shop.json("deliveries", "--customer", ada)}
    assert {name: each["state"] for name, each in states.items()} == {"email": "dropped", "web": "sent", "pos": "sent"}
    assert "not enabled" in states["email"]["reason"]
    assert [x["id"] for x in shop.json("deliveries", "--state", "dropped")] == [deliveries[0]["id"]]
    assert [x["channel"] for x in shop.json("deliveries", "--channel", "web")] == ["web"]

    told = shop.json("why", deliveries[1]["id"])
    (decision,) = told["decisions"]
    assert decision["route"].startswith("web/site")
    assert decision["routes"][0]["policies"]["consent"]["send"].startswith("granted by cli ")
    assert [each["outcome"] for each in told["attempts"]] == ["accepted"]
    tree = shop.say("why", deliveries[1]["id"])
    for words in (
        "cart-reminder to",
        "went by web (site)",
        "(chosen): send",
        "consent: send: granted by cli",
        "attempt 1",
    ):
        assert words in tree
    assert "ada@example.com" not in tree

    books = shop.json("audit")
    assert (books["ok"], books["accepted"], books["final"], books["waiting"]) == (True, 3, 3, 0)
    assert "3 accepted = 3 final + 0 waiting" in shop.say("audit")
    assert shop.json("rebuild") == {"ok": True, "customers": 1, "differed": []}
    assert shop.json("rebuild", "email:ada@example.com")["customers"] == 1
    assert shop.json("dead") == {"deliveries": [], "facets": []}


def test_preview_writes_pictures_and_stores_nothing(shop: Shop, ada: str, tmp_path: Path):
    before = shop.counts()
    rows = shop.json("preview", "cart-reminder", ada, "--html", str(tmp_path / "seen"))
    by_name = {each["channel"]: each for each in rows}
    assert set(by_name) == {"email", "sms", "instagram", "web", "pos"}
    assert by_name["email"]["error"] == "not enabled"
    assert "£48.00" in by_name["web"]["text"]
    assert by_name["web"]["judgement"]["verdict"] == {"send": True}
    for name in ("web", "pos"):
        path = Path(by_name[name]["file"])
        assert path.parent == tmp_path / "seen"
        assert path.stat().st_size > 0
    assert sorted(each.name for each in (tmp_path / "seen").iterdir()) == sorted(
        Path(each["file"]).name for each in rows if each["file"]
    )
    text = shop.say("preview", "cart-reminder", ada)
    assert "cannot be said here: not enabled" in text
    assert shop.counts() == before


def test_merge_and_back(shop: Shop, ada: str):
    other = shop.json("customers", "add", "--loyalty", "L-1")["id"]
    assert shop.json("merge", "loyalty:L-1", "email:ada@example.com") == {"winner": ada, "loser": other}
    assert [each["id"] for each in shop.json("customers", "list")] == [ada]
    assert shop.json("unmerge", other) == {"winner": ada, "loser": other}
    assert sorted(each["id"] for each in shop.json("customers", "list")) == sorted([ada, other])


def test_one_basket_wins(shop: Shop, ada: str):
    won = shop.json("redeem", "HARBOUR15", "--basket", "b1", "--customer", ada)
    assert won == {"won": True, "offer": "launch", "basket": "b1", "reason": "", "percent": 15, "customer": ada}
    assert shop.json("redeem", "harbour15", "--basket", "b1", "--customer", ada) == won
    lost = shop.json("redeem", "HARBOUR15", "--basket", "b2", "--customer", ada, code=1)
    assert (lost["won"], lost["percent"], lost["basket"]) == (False, 0, "b1")
    assert shop.run("redeem", "NONE", "--basket", "b1").exit_code == 1


def test_handover_leads_to_the_customer(shop: Shop, ada: str):
    made = shop.json("handover", "web:visitor-1")
    assert set(made) == {"token", "short", "customer", "expires"}
    assert datetime.fromisoformat(made["expires"]).tzinfo is not None
    assert shop.json("handover", "--claim", made["short"]) == {"customer": ada}
    assert shop.json("handover", "--claim", made["token"]) == {"customer": ada}


def test_publishing_needs_a_channel_with_a_public(shop: Shop):
    result = shop.run("publish", "launch-post", "--via", "web")
    assert result.exit_code == 2
    assert "--via: unknown channel with a public `web`" in result.stderr
    assert shop.counts()["delivery"] == 0


def test_a_timeline_is_read_by_people(shop: Shop, ada: str):
    shop.say("send", "cart-reminder", ada)
    shop.say("work", "--drain")
    shown = shop.say("timeline", ada)
    assert "message cart-reminder, channel web" in shown
    assert "id cart-1, currency GBP, url https://shop.acme.example/cart, lines 1" in shown
    assert "provider_id" not in shown
    assert "{" not in shown


def test_on_a_narrow_terminal_ids_leave_room_for_what_they_are_about(
    shop: Shop, ada: str, monkeypatch: pytest.MonkeyPatch
):
    shop.say("send", "cart-reminder", ada)
    assert "  message    cart-reminder\n" not in shop.say("deliveries")
    monkeypatch.setattr("omnibus.cli.printing.WIDTH", 80)
    shown = shop.say("deliveries")
    assert "  message    cart-reminder\n" in shown
    assert f"  customer   {ada}\n" in shown


def test_what_strangers_wrote_does_not_steer_the_terminal(shop: Shop, ada: str):
    shop.say("track", ada, "conversation.received", json.dumps({"channel": "web", "text": "\x1b[2Jboo [red]x[/red]"}))
    shown = shop.say("timeline", ada)
    assert "\x1b" not in shown
    assert "[red]" in shown
    shop.say("track", ada, "customer.updated", json.dumps({"name": "\x1b[2JAda"}))
    assert "name: ·[2JAda" in shop.say("customers", "show", ada)
