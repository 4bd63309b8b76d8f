"""How an answer is read: its JSON, and when to come back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from omnibus.http import Answer


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": [1, 2.5, null, true], "b": "\\u00e9"}',
        b'\xef\xbb\xbf{"a": 1}',
        '{"a": "é"}'.encode("utf-16"),
        b'{"a": "\\ud83d"}',
        b'{"a": 1, "a": 2}',
        b"123456789012345678901234567890",
        b"1e400",
        b" 0.1 ",
        b"NaN",
    ],
)
def test_json_is_read_as_the_standard_library_reads_it(body: bytes) -> None:
    told, wanted = Answer(200, {}, body).json(), json.loads(body)
    assert (repr(told), type(told)) == (repr(wanted), type(wanted))


def test_retry_after_is_read_in_all_its_forms_and_capped() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    cases = {"7": 7, "0.5": 0.5, " 7 ": 7, "-3": 0, "1e99": 86_400, "inf": 86_400, "": None, "soon": None, "nan": None}
    cases |= {"Wed, 21 Oct 2015 07:28:00 GMT": 0, "Fri, 31 Dec 9999 23:59:59 GMT": 86_400, "Wed, 99 Oct": None}
    for value, seconds in cases.items():
        assert Answer(429, {"retry-after": value}).retry_after == seconds, value
    assert 90 < (Answer(429, {"retry-after": soon}).retry_after or 0) <= 100
    assert Answer(429).retry_after is None
