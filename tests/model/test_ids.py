"""Ids: UUIDv7, strictly rising in one process, one by one and many at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

from omnibus.model.ids import Ids

NOW = datetime(2026, 11, 21, 12, 0, 0, 123_000, tzinfo=UTC)


def test_they_are_of_version_7_and_bear_their_time() -> None:
    ids = Ids()
    for each in (*ids.several(NOW, 20), ids.new(NOW)):
        made = UUID(each)
        assert (made.version, made.variant, str(made)) == (7, RFC_4122, each)
        assert made.int >> 80 == int(NOW.timestamp() * 1000)


def test_they_rise_however_they_are_asked_for() -> None:
    """Beyond the 4,096 of one millisecond, and when the clock goes back, too."""
    ids = Ids()
    made = [ids.new(NOW), *ids.several(NOW, 5000), ids.new(NOW - timedelta(hours=1))]
    made += [*ids.several(NOW - timedelta(hours=1), 3), *ids.several(NOW + timedelta(seconds=9), 2), ids.new(NOW)]
    assert made == sorted(set(made))
    assert len(made) == 5008


def test_their_ends_are_drawn() -> None:
    ids = Ids()
    ends = {each[20:] for each in (*ids.several(NOW, 600), *(ids.new(NOW) for _ in range(600)))}
    assert len(ends) == 1200


def test_none_is_none() -> None:
    assert Ids().several(NOW, 0) == []
