"""Every row of the table, and how long a limit makes us wait."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from omnibus import Refused, TryLater, Unknown, Unreachable
from omnibus.http import Answer
from omnibus_twitter.answers import TABLE, error_of, exhausted

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def answer(status: int, body: object = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, json.dumps(body).encode() if body is not None else b"")


@pytest.mark.parametrize(
    ("status", "body", "error", "reason", "account"),
    [
        (400, {"title": "Invalid Request"}, Refused, "invalid_request", False),
        (401, {"title": "Unauthorized"}, TryLater, "unauthorized", True),
        (402, {"title": "CreditsDepleted", "type": "https://api.x.com/2/problems/credits"}, TryLater, "credits_depleted", True),
        (403, {"detail": "You are not allowed to create a Tweet with duplicate content."}, Refused, "duplicate", False),
        (403, {"errors": [{"code": 187, "message": "Status is a duplicate."}]}, Refused, "duplicate", False),
        (403, {"detail": "You do not have permission to DM one or more participants."}, Unreachable, "messages_closed", False),
        (403, {"errors": [{"code": 349}]}, Unreachable, "messages_closed", False),
        (403, {"errors": [{"code": 150}]}, Unreachable, "messages_closed", False),
        (403, {"errors": [{"code": 136}]}, Unreachable, "blocked", False),
        (403, {"detail": "Your account is suspended and is not permitted to access this feature."}, TryLater, "suspended", True),
        (403, {"errors": [{"code": 64}]}, TryLater, "suspended", True),
        (403, {"errors": [{"code": 326}]}, TryLater, "locked", True),
        (403, {"errors": [{"code": 226}]}, TryLater, "looks_automated", True),
        (403, {"reason": "client-not-enrolled"}, TryLater, "client_not_enrolled", True),
        (403, {"type": "https://api.x.com/2/problems/unsupported-authentication"}, TryLater, "unsupported_authentication", True),
        (403, {"type": "https://api.x.com/2/problems/oauth1-permissions"}, TryLater, "app_permissions", True),
        (403, {"errors": [{"code": 261}]}, TryLater, "app_permissions", True),
        (403, {"type": "https://api.x.com/2/problems/client-forbidden"}, Refused, "client_forbidden", True),
        (403, {"detail": "You are not permitted to reply to this conversation."}, Refused, "reply_not_summoned", False),
        (403, {"detail": "This operation is not permitted."}, Refused, "not_permitted", False),
        (404, {"title": "Not Found Error"}, Refused, "not_found", False),
        (413, None, Refused, "too_large", False),
        (500, {"title": "Internal"}, Unknown, "http_500", False),
        (503, None, Unknown, "http_503", False),
        (422, None, Refused, "http_422", False),
        (403, [1], Refused, "not_permitted", False),
        (403, {"errors": "x", "detail": None}, Refused, "not_permitted", False),
    ],
)  # fmt: skip
def test_each_answer_has_its_error(status: int, body: object, error: type, reason: str, account: bool) -> None:
    told = error_of(answer(status, body), NOW)
    assert type(told) is error
    assert (told.reason, told.account) == (reason, account)
    assert getattr(told, "opt_out", reason == "blocked") == (reason == "blocked")


def test_every_row_is_tried_above() -> None:
    mark = next(each for each in test_each_answer_has_its_error.pytestmark if each.name == "parametrize")
    assert {row.reason for row in TABLE} <= {case[3] for case in mark.args[1]}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x_rate_limit_reset": "1795262460"}, 60),
        ({"x_rate_limit_reset": "1795262400"}, 1),
        ({"x_rate_limit_reset": "99999999999"}, 86_400),
        ({"x_rate_limit_remaining": "5", "x_rate_limit_reset": "1795262460", "x_user_limit_24hour_remaining": "0",
          "x_user_limit_24hour_reset": "1795266000"}, 3_600),
        ({"x_app_limit_24hour_remaining": "0", "x_app_limit_24hour_reset": "1795262500",
          "x_user_limit_24hour_remaining": "3"}, 100),
        ({"retry_after": "7"}, 7),
        ({"x_rate_limit_reset": "soon"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_a_limit_tells_when(headers: dict[str, str], seconds: float | None) -> None:
    told = error_of(answer(429, None, **headers), NOW)
    assert isinstance(told, TryLater)
    assert told.retry_after == seconds
    assert not told.account


def test_a_window_is_exhausted_at_zero_only() -> None:
    assert exhausted({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "5"}) == 5
    assert exhausted({"x-rate-limit-remaining": "1", "x-rate-limit-reset": "5"}) is None
    assert exhausted({"x-rate-limit-remaining": "0"}) is None
