"""Quiet hours by the wall clock: every zone, gaps and folds of daylight saving."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnibus.policies.quiet_hours import morning, zone_of

ZONES = (
    "UTC", "Europe/London", "Europe/Berlin", "America/New_York", "America/Los_Angeles", "America/St_Johns", "America/Sao_Paulo",
    "Asia/Kolkata", "Asia/Kathmandu", "Asia/Tokyo", "Australia/Lord_Howe", "Australia/Adelaide", "Pacific/Apia",
    "Pacific/Kiritimati", "Pacific/Chatham", "Africa/Cairo", "Africa/Casablanca", "America/Havana", "Asia/Tehran", "Antarctica/Troll",
)  # fmt: skip
NIGHT, EIGHT = time(21), time(8)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_there_are_twenty() -> None:
    assert len(set(ZONES)) == 20


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-11-21T20:59:59", None),
        ("2026-11-21T21:00:00", "2026-11-22T08:00:00"),
        ("2026-11-21T23:59:59", "2026-11-22T08:00:00"),
        ("2026-11-22T00:00:00", "2026-11-22T08:00:00"),
        ("2026-11-22T07:59:59", "2026-11-22T08:00:00"),
        ("2026-11-22T08:00:00", None),
    ],
)
def test_the_edges_of_a_night(now: str, until: str | None) -> None:
    assert morning(at(now), ZoneInfo("UTC"), NIGHT, EIGHT) == (at(until) if until else None)


@pytest.mark.parametrize(
    ("zone", "begins", "ends", "now", "until"),
    [
        # Berlin, 29 March 2026: 02:00 to 03:00 does not exist; an end of 02:30 is the moment after the gap
        ("Europe/Berlin", "21:00", "08:00", "2026-03-28T22:00", "2026-03-29T06:00"),
        ("Europe/Berlin", "21:00", "02:30", "2026-03-28T22:00", "2026-03-29T01:30"),
        # Berlin, 25 October 2026: 02:00 to 03:00 happens twice
        ("Europe/Berlin", "21:00", "08:00", "2026-10-24T20:00", "2026-10-25T07:00"),
        ("Europe/Berlin", "21:00", "02:30", "2026-10-24T20:00", "2026-10-25T00:30"),
        ("Europe/Berlin", "02:00", "02:30", "2026-10-25T01:15", "2026-10-25T01:30"),  # the second pass is quiet, too
        ("Europe/Berlin", "13:00", "15:00", "2026-07-01T12:00", "2026-07-01T13:00"),  # a siesta within a day
        ("Europe/Berlin", "13:00", "15:00", "2026-07-01T13:00", None),
        ("Australia/Lord_Howe", "21:00", "08:00", "2026-10-03T12:00", "2026-10-03T21:00"),  # half an hour of saving
        ("Asia/Kathmandu", "21:00", "08:00", "2026-11-21T15:15", "2026-11-22T02:15"),  # +05:45
        ("Pacific/Kiritimati", "21:00", "08:00", "2026-11-21T07:00", "2026-11-21T18:00"),  # +14
    ],
)
def test_gaps_folds_and_odd_zones(zone: str, begins: str, ends: str, now: str, until: str | None) -> None:
    found = morning(at(now), ZoneInfo(zone), time.fromisoformat(begins), time.fromisoformat(ends))
    assert found == (at(until) if until else None)


def test_never_quiet() -> None:
    assert morning(at("2026-11-21T03:00"), ZoneInfo("UTC"), EIGHT, EIGHT) is None


def quiet(now: datetime, zone: ZoneInfo, begins: time, ends: time) -> bool:
    wall = now.astimezone(zone).time()
    return (wall >= begins or wall < ends) if begins > ends else begins <= wall < ends


YEAR = st.integers(0, 366 * 24 * 60).map(lambda minutes: at("2026-01-01T00:00") + timedelta(minutes=minutes))


@given(
    st.sampled_from(ZONES),
    YEAR,
    st.sampled_from([(NIGHT, EIGHT), (time(22, 30), time(2, 30)), (time(1), time(3)), (time(13), time(15))]),
)
@settings(max_examples=600, deadline=None)
def test_held_is_never_quiet_hours_and_never_long(name: str, now: datetime, hours: tuple[time, time]) -> None:
    zone, (begins, ends) = ZoneInfo(name), hours
    until = morning(now, zone, begins, ends)
    if until is None:
        wall = now.astimezone(zone)
        assert (
            not quiet(now, zone, begins, ends)
            or wall.fold == 1
            or wall.utcoffset() != (now + timedelta(hours=2)).astimezone(zone).utcoffset()
        )
        return
    assert quiet(now, zone, begins, ends), "nobody is held by day"
    assert now < until <= now + timedelta(hours=13)
    assert until.tzinfo is UTC
    again = morning(until, zone, begins, ends)
    assert again is None or again - until <= timedelta(hours=1), "at most the fold's second pass is held once more"


@pytest.mark.parametrize("name", ["", "Nowhere/Land", "../etc/passwd", "America", "\0"])
def test_an_unknown_zone_counts_as_utc(name: str) -> None:
    assert zone_of(name).key == "UTC"
