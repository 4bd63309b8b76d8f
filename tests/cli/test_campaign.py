"""`omnibus campaign`, command by command."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from omnibus.campaigns.launching import Clerk
from omnibus.cli import main

from .conftest import Shop


def people(shop: Shop, count: int) -> list[str]:
    made = [
        shop.json(
            "customers", "add", "--web", f"visitor-{number}", "--email", f"c{number}@example.com", "--consent", "web"
        )
        for number in range(count)
    ]
    return [each["id"] for each in made]


def test_a_campaign_from_start_to_end(shop: Shop):
    people(shop, 3)
    (shop.folder / "messages" / "news.md").write_text("---\nvia: [web]\ntopic: news\n---\n# News\n\nRead.\n")
    assert shop.json("campaign", "list") == []
    begun = shop.json("campaign", "start", "news", "--to", "all", "--name", "spring")
    assert (begun["standing"], begun["recipients"], begun["expanded"], begun["states"]) == ("running", 3, 0, {})
    assert shop.json("campaign", "pause", "spring")["standing"] == "paused"
    shop.say("work", "--drain")
    assert shop.json("campaign", "status", "spring")["expanded"] == 0
    assert shop.json("campaign", "resume", "spring")["standing"] == "running"
    shop.say("work", "--drain")
    done = shop.json("campaign", "status", "spring")
    assert (done["standing"], done["handed_over"], done["final"], done["waiting"], done["left"]) == ("done", 3, 3, 0, 0)
    assert shop.say("campaign", "status", "spring") == "spring: done; 3 of 3 recipients; deliveries: sent 3\n"
    watched = shop.run("campaign", "status", "spring", "--watch")
    assert watched.exit_code == 0
    assert watched.stderr == "spring: done; 3 of 3 recipients; deliveries: sent 3\n"
    assert [each["name"] for each in shop.json("campaign", "list")] == ["spring"]
    assert "spring" in shop.say("campaign", "list")
    shop.say("audit")


def test_a_file_with_bad_lines(shop: Shop):
    people(shop, 2)
    (shop.folder / "messages" / "news.md").write_text("---\nvia: [web]\n---\n# News\n")
    file = shop.folder / "list.csv"
    file.write_text("email\nc0@example.com\nnobody@example.com\n")
    begun = shop.json("campaign", "start", "news", "--to", str(file), "--name", "spring")
    assert (begun["recipients"], begun["rejected"], begun["rejects"]) == (1, 1, f"{file}.rejects.csv")
    assert (shop.folder / "list.csv.rejects.csv").read_text() == "line,reason\n3,no customer with this email\n"


def test_dropped_ones_are_told_by_reason(shop: Shop, ada: str):
    people(shop, 2)
    (shop.folder / "messages" / "news.md").write_text("---\nvia: [web]\nwhile: [cart.open]\n---\n# News\n")
    shop.say("campaign", "start", "news", "--to", ada, "--to", "email:c0@example.com", "--name", "spring")
    shop.say("work", "--drain")
    told = shop.json("campaign", "status", "spring")
    assert told["states"] == {"sent": 1, "dropped": 1}
    ((reason, count),) = told["reasons"]["dropped"].items()
    assert (count, "cart.open" in reason) == (1, True)
    assert f"sent 1, dropped 1 ({reason}: 1)" in shop.say("campaign", "status", "spring")


def test_wrong_input(shop: Shop):
    for words, said in (
        (("status", "spring"), "no campaign `spring`"),
        (("start", "newz", "--to", "all"), "there is no message `newz`"),
        (("start", "welcome", "--to", "all", "--to", "x"), "give either `all`, one file, or customers"),
        (("start", "welcome", "--to", "no.csv"), "there is no such file"),
    ):
        result = shop.run("campaign", *words)
        assert result.exit_code == 2
        assert said in result.stderr
    assert shop.json("campaign", "list") == []


def test_what_a_list_holds_besides_is_said_with_reasons(shop: Shop):
    """In the order of its lines, and without an address."""
    people(shop, 2)
    (shop.folder / "messages" / "news.md").write_text("---\nvia: [web]\n---\n# News\n")
    file = shop.folder / "list.csv"
    file.write_text("email\nnobody@example.com\nbad\nc0@example.com\nC0@example.com\nother@example.com\n")
    said = shop.say("campaign", "start", "news", "--to", str(file), "--name", "spring")
    assert "3 lines name nobody (no customer with this email: 2, not an email address: 1), see " in said
    assert "1 line names somebody again; nobody is told twice\n" in said
    assert "@" not in said
    assert (shop.folder / "list.csv.rejects.csv").read_text().splitlines() == [
        "line,reason", "2,no customer with this email", "3,not an email address", "6,no customer with this email",
    ]  # fmt: skip
    assert shop.json("campaign", "start", "news", "--to", str(file), "--name", "other")["twice"] == 1


def test_a_launch_that_names_nobody_takes_no_name(shop: Shop):
    """A word that is mistyped, a file of nothing but its header, one of strangers."""
    people(shop, 1)
    (shop.folder / "messages" / "news.md").write_text("---\nvia: [web]\n---\n# News\n")
    header, strangers = shop.folder / "header.csv", shop.folder / "strangers.csv"
    header.write_text("email\n")
    strangers.write_text("email\na@example.com\nb@example.com\n")
    for to, said in (
        ("alll", "no customer alll"),
        (str(header), "the list names nobody (no lines)"),
        (str(strangers), "the list names nobody (no customer with this email: 2)"),
    ):
        result = shop.run("campaign", "start", "news", "--to", to, "--name", "spring")
        assert (result.exit_code, said in result.stderr) == (2, True)
    assert shop.json("campaign", "list") == []
    assert shop.json("campaign", "start", "news", "--to", "all", "--name", "spring")["recipients"] == 1
    assert "did you mean `spring`?" in shop.run("campaign", "status", "sprng").stderr
    assert "did you mean `spring`?" in shop.run("campaign", "pause", "sprin").stderr


def test_status_says_when_nobody_works(shop: Shop):
    """While something is to be done: a worker is seen by the note that it leaves."""
    people(shop, 1)
    (shop.folder / "messages" / "news.md").write_text("---\nvia: [web]\n---\n# News\n")
    shop.say("campaign", "start", "news", "--to", "all", "--name", "spring")
    idle = "nobody works on this store now: `omnibus work` does\n"
    assert shop.say("campaign", "status", "spring").endswith(idle)
    assert shop.json("campaign", "status", "spring")["working"] is False
    note = "INSERT OR REPLACE INTO note (scope, name, value) VALUES ('work', 'seen', '{}')"
    shop.sql(note.format(datetime.now(UTC).isoformat()))
    assert shop.json("campaign", "status", "spring")["working"] is True
    assert idle not in shop.say("campaign", "status", "spring")
    shop.sql(note.format((datetime.now(UTC) - timedelta(minutes=2)).isoformat()))
    assert shop.say("campaign", "status", "spring").endswith(idle)
    shop.say("work", "--drain")
    done = shop.say("campaign", "status", "spring")
    assert (done.startswith("spring: done; "), idle in done) == (True, False)
    shop.say("campaign", "start", "news", "--to", "all", "--name", "summer")
    assert idle in shop.say("campaign", "status", "summer")
    shop.say("campaign", "pause", "summer")
    assert idle not in shop.say("campaign", "status", "summer")


def test_a_start_that_is_cut_short_says_what_stands(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    """Nothing was launched; the same command begins anew."""
    people(shop, 1)
    (shop.folder / "messages" / "news.md").write_text("---\nvia: [web]\n---\n# News\n")
    file = shop.folder / "list.csv"
    file.write_text("email\nc0@example.com\n")
    words = ("campaign", "start", "news", "--to", str(file), "--name", "spring")

    async def cut(*told: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Clerk, "_put", cut)
        result = CliRunner().invoke(main, ["-c", str(shop.folder / "omnibus.toml"), *words])
    assert result.exit_code == 1
    assert (
        "nothing was launched; where a list was cut short, the same `omnibus campaign start` begins anew"
        in result.stderr
    )
    told = shop.say("campaign", "status", "spring")
    assert told.startswith("spring: loading; ")
    assert "nobody gets anything before its list is read; where a list was cut short" in told
    assert shop.json(*words)["recipients"] == 1


def test_what_is_not_allowed_says_what_is(shop: Shop):
    """A campaign that is over, a name that is taken."""
    people(shop, 1)
    (shop.folder / "messages" / "news.md").write_text("---\nvia: [web]\n---\n# News\n")
    shop.say("campaign", "start", "news", "--to", "all", "--name", "spring")
    again = shop.run("campaign", "start", "welcome", "--to", "all", "--name", "spring")
    assert (again.exit_code, again.stderr.endswith("; give this one another name\n")) == (2, True)
    for _ in range(2):
        assert shop.json("campaign", "pause", "spring")["standing"] == "paused"
    for _ in range(2):
        assert shop.json("campaign", "stop", "spring")["standing"] == "stopped"
    for verb in ("resume", "pause"):
        refused = shop.run("campaign", verb, "spring")
        assert refused.exit_code == 2
        assert "is stopped; it cannot become" in refused.stderr
        assert "it is over for good; start another under its own name" in refused.stderr
