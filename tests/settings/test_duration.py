"""Durations."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnibus.model.duration import read_duration, write_duration


@pytest.mark.parametrize(
    ("told", "length"),
    [
        ("3d", timedelta(days=3)), ("90m", timedelta(minutes=90)), ("1h30m", timedelta(minutes=90)),
        ("1h 30m", timedelta(minutes=90)), ("2w", timedelta(days=14)), ("0s", timedelta()),
        (timedelta(hours=1), timedelta(hours=1)),
    ],
)  # fmt: skip
def test_read(told, length):
    assert read_duration(told) == length


@pytest.mark.parametrize("told", ["", "3", 3, "d", "-1d", "3 days", "1.5h", "1h1h", None, True, "٣d", "1d\n2", []])
def test_what_is_none(told):
    with pytest.raises(ValueError, match=r"^must be a duration such as 3d, 90m or 1h30m$"):
        read_duration(told)


def test_too_long():
    with pytest.raises(ValueError, match=r"^must be a duration of at most ten years$"):
        read_duration("99999999999999999999d")


@settings(deadline=None)
@given(st.integers(0, 3_650 * 86_400))
def test_written_and_read_again(seconds):
    length = timedelta(seconds=seconds)
    assert read_duration(write_duration(length)) == length
