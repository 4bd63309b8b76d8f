"""Every code of the table, and what the usage headers say."""

import json

import pytest

from omnibus import Refused, TryLater, Unknown, Unreachable
from omnibus.http import Answer
from omnibus.testing.faults import FaultyServer, Reply
from omnibus_instagram.answers import ANSWERS, error, failed, read, usage, wait
from omnibus_instagram.api import Api

LATER, ACCOUNT = (TryLater, False), (TryLater, True)
REFUSED, GONE, UNKNOWN = (Refused, False), (Unreachable, False), (Unknown, False)


def answer(code, sub=None, *, transient=False, status=400, **headers):
    told = {"message": "no", "type": "OAuthException", "code": code, "is_transient": transient, "fbtrace_id": "A"}
    if sub:
        told["error_subcode"] = sub
    return Answer(status, headers, json.dumps({"error": told}).encode())


@pytest.mark.parametrize(
    ("code", "sub", "before", "last"),
    [
        (1, None, LATER, UNKNOWN),
        (2, None, LATER, UNKNOWN),
        (-1, 2207001, LATER, UNKNOWN),
        (-1, 2207032, LATER, LATER),
        (-1, 2207053, LATER, LATER),
        (-2, 2207003, LATER, UNKNOWN),
        (-2, 2207020, LATER, LATER),
        (1, 1357046, UNKNOWN, UNKNOWN),
        (1, 2207057, REFUSED, REFUSED),
        (4, None, LATER, LATER),
        (17, 2446079, LATER, LATER),
        (32, None, LATER, LATER),
        (613, None, LATER, LATER),
        (80002, None, LATER, LATER),
        (4, 2207051, ACCOUNT, ACCOUNT),
        (9, 2207042, LATER, LATER),
        (190, 463, ACCOUNT, ACCOUNT),
        (102, None, ACCOUNT, ACCOUNT),
        (10, None, ACCOUNT, ACCOUNT),
        (200, None, ACCOUNT, ACCOUNT),
        (299, 1, ACCOUNT, ACCOUNT),
        (3, None, ACCOUNT, ACCOUNT),
        (10, 2534022, REFUSED, REFUSED),
        (10, 2018278, REFUSED, REFUSED),
        (10, 2534014, GONE, GONE),
        (100, 2534014, GONE, GONE),
        (100, 2534001, GONE, GONE),
        (100, 2018001, GONE, GONE),
        (551, 1545041, GONE, GONE),
        (100, 2534025, REFUSED, REFUSED),
        (1, 2534013, LATER, LATER),
        (24, 2207006, LATER, LATER),
        (24, 2207008, LATER, LATER),
        (25, 2207050, ACCOUNT, ACCOUNT),
        (100, None, REFUSED, REFUSED),
        (100, 2207028, REFUSED, REFUSED),
        (352, 2207026, REFUSED, REFUSED),
        (9004, 2207052, LATER, LATER),
        (9007, 2207027, LATER, LATER),
        (36000, 2207004, REFUSED, REFUSED),
        (36001, 2207005, REFUSED, REFUSED),
        (36003, 2207009, REFUSED, REFUSED),
        (36004, 2207010, REFUSED, REFUSED),
        (368, None, ACCOUNT, ACCOUNT),
        (77_777, None, REFUSED, REFUSED),
    ],
)
def test_each_code_has_its_answer(code, sub, before, last):
    for expected, is_last in ((before, False), (last, True)):
        got = error(answer(code, sub), last=is_last)
        assert (type(got), got.account) == expected, f"last={is_last}: {got!r}"


def test_no_row_of_the_table_is_left_out():
    tried = test_each_code_has_its_answer.pytestmark[0].args[1]
    alike = {80001, 80006}  # as 80002
    assert {code for code, _ in ANSWERS} - {code for code, *_ in tried} == alike


def test_transient_comes_first():
    assert isinstance(error(answer(100, transient=True), last=False), TryLater)
    assert isinstance(error(answer(100, transient=True), last=True), Unknown)
    assert isinstance(error(answer(4, transient=True), last=True), TryLater)
    assert error(answer(190, transient=True), last=True).account


@pytest.mark.parametrize(
    ("body", "status", "last", "meant"),
    [
        (b"<html>", 500, True, Unknown),
        (b"<html>", 500, False, TryLater),
        (b"{}", 400, True, Refused),
        (b"{}", 401, True, TryLater),
        (b'{"error":{"code":"4"}}', 429, True, TryLater),
        (b'{"error":{"code":77777}}', 503, True, Unknown),
        (b'{"error":{"code":77777}}', 503, False, TryLater),
        (b'{"error":{"code":77777}}', 429, True, TryLater),
    ],
)
def test_a_body_that_says_nothing_is_read_by_its_status(body, status, last, meant):
    assert isinstance(error(Answer(status, {}, body), last=last), meant)


def test_the_envelope_is_read():
    assert read(Answer(200, {}, b'{"id":"1"}')) is None
    fault = read(answer(10, 2534022, transient=True))
    assert (fault.code, fault.subcode, fault.transient, fault.reason) == (10, 2534022, True, "window_closed")
    assert read(answer(190, 463)).reason == "190/463"


@pytest.mark.parametrize(
    ("status", "meant"),
    [
        ("Error: Media upload has failed with error code 2207026", Refused),
        ("Error: Media upload has failed with error code 2207032", TryLater),
        ("Error", TryLater),
    ],
)
def test_a_failed_container_says_why(status, meant):
    assert isinstance(failed(status), meant)


BUSINESS = {"178": [{"type": "instagram", "call_count": 100, "total_time": 3, "estimated_time_to_regain_access": 19}]}


def test_the_usage_headers():
    app = Answer(200, {"x-app-usage": json.dumps({"call_count": 28, "total_time": 76, "total_cputime": 25})})
    assert (usage(app.headers), wait(app)) == (76.0, None)
    full = Answer(400, {"x-business-use-case-usage": json.dumps(BUSINESS)})
    assert (usage(full.headers), wait(full)) == (100.0, 1_140.0)
    for odd in ("", "{", "[]", '{"178": 1}', '{"178": [1]}', '{"178": [{"call_count": "x"}]}'):
        assert usage({"x-app-usage": odd, "x-business-use-case-usage": odd}) == 0.0


def test_a_rate_waits_as_long_as_the_headers_say():
    told = answer(4, **{"x-business-use-case-usage": json.dumps(BUSINESS)})
    assert error(told, last=True).retry_after == 1_140.0
    assert error(answer(17, **{"retry-after": "7"}), last=True).retry_after == 7.0
    assert error(answer(17), last=True).retry_after == 300.0


async def test_a_full_hour_stops_the_next_call_before_it_leaves():
    script = lambda _: Reply(200, b'{"id":"1"}', {"x-business-use-case-usage": json.dumps(BUSINESS)})  # noqa: E731
    async with FaultyServer(script) as server:
        api = Api(server.base_url, "token", "secret")
        assert await api.get("1") == {"id": "1"}
        with pytest.raises(TryLater, match="rate_limited") as caught:
            await api.post("me/messages", {}, last=True)
        await api.aclose()
        assert len(server.requests) == 1
    assert 1_100 < caught.value.retry_after <= 1_140


async def test_the_token_is_in_no_address():
    async with FaultyServer(lambda _: Reply(200, b"{}")) as server:
        api = Api(server.base_url, "token123", "app_secret")
        await api.get("me", fields="id")
        await api.aclose()
        (request,) = server.requests
    assert request.query == {
        "fields": "id",
        "appsecret_proof": "12c68c8587c590591ce079116b550cc84de7f8a5d59b59378d698c2f58aab611",
    }
    assert request.headers["authorization"] == "Bearer token123"
