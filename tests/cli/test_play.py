"""What whoever plays the demo is shown: journeys that do not take a day, news of each delivery, files worth opening."""

from dataclasses import replace
from datetime import UTC, datetime

from omnibus.cli.demo.play import SOON, hurried, news
from omnibus.cli.demo.report import WIDE, cut, opened
from omnibus.cli.starter import starter_folder
from omnibus.model.delivery import Delivery, State
from omnibus.model.duration import read_duration

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def test_no_journey_of_the_example_takes_longer_than_minutes():
    for journey in (starter_folder() / "journeys").glob("*.yaml"):
        text = hurried(journey.read_text("utf-8"))
        assert [each for each in SOON if f": {each}\n" in text or f": {each} " in text] == []
    assert max(read_duration(each).total_seconds() for each in SOON.values()) <= 180


def test_a_state_is_news_once():
    seen: dict[str, str] = {}
    waiting = Delivery("d1", "c1", "c1", "welcome", "service", "Acme", ("email", "sms"), State.QUEUED, NOW, NOW)
    assert news(seen, [waiting]) == []
    sent = replace(waiting, state=State.SENT, channel="sms", reason="accepted")
    assert [line.split() for line in news(seen, [sent])] == [["welcome", "sms", "sent", "accepted"]]
    assert news(seen, [sent]) == []
    (line,) = news(seen, [replace(sent, state=State.FAILED, reason="\x1b[2J" + "long " * 50)])
    assert "\x1b" not in line
    assert line.endswith("…")


def test_what_is_cut_says_so():
    assert cut("x" * WIDE) == "x" * WIDE
    assert (len(cut("x" * (WIDE + 1))), cut("x" * (WIDE + 1))[-1]) == (WIDE, "…")


def test_each_thing_is_opened_in_its_best_form():
    paths = ["m/Q1.eml", "m/Q1.html", "r/1.svg", "r/1.txt", "t/last-id", "t/media/2.png", "n/2.txt"]
    assert opened(paths) == ["m/Q1.html", "n/2.txt", "r/1.svg"]
