"""The provider against X's sandbox on loopback: every answer, lost ones included."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from omnibus import Absent, Forged, Receipt, Refused, Request, TryLater, Unknown, Unreachable
from omnibus.provider import read_dsn
from omnibus.testing import FakeClock, World
from omnibus_twitter import PostContent, X
from omnibus_twitter.activity import SIGNATURE, mac
from omnibus_twitter.budget import Budget
from omnibus_twitter.sandbox import KEYS, ME, XSandbox


async def test_a_post_arrives_and_its_receipt_names_it(x: X, world: World, keep: Any, make: Any) -> None:
    content = make.post()
    receipt = await x.send(content, "", make.attempt(), keep)
    (entry,) = world.of("twitter")
    assert (entry.kind, entry.text, entry.to) == ("post", content.text, "")
    assert receipt == Receipt(
        entry.id, {"kind": "post", "posts": [entry.id], "url": f"https://x.com/acme/status/{entry.id}"}
    )
    assert json.loads((world.folder / "twitter" / f"post-{entry.id}.json").read_text()) == {"text": content.text}
    assert "ADA7-K2M9-3QXT" in (world.folder / "twitter" / f"post-{entry.id}.html").read_text()


async def test_a_direct_message_arrives(x: X, world: World, keep: Any, make: Any) -> None:
    receipt = await x.send(make.direct(), make.ada, make.attempt(), keep)
    (entry,) = world.of("twitter")
    assert (entry.kind, entry.to, entry.text) == ("direct", make.ada, make.direct().text)
    assert receipt == Receipt(entry.id, {"kind": "direct"})


async def test_a_lost_post_is_found_on_the_timeline(
    x: X, world: World, sandbox: XSandbox, keep: Any, make: Any, clock: FakeClock
) -> None:
    sandbox.lost = 1
    with pytest.raises(Unknown):
        await x.send(
            make.post(text="Look & see <this>: acme.shop/cart, https://acme.example/"), "", make.attempt(), keep
        )
    clock.advance(timedelta(seconds=30))
    found = await x.lookup(make.attempt(), "", keep)
    (entry,) = world.of("twitter")
    assert isinstance(found, Receipt)
    assert found.provider_id == entry.id


async def test_a_lost_message_is_found_in_the_conversation(
    x: X, world: World, sandbox: XSandbox, keep: Any, make: Any, clock: FakeClock
) -> None:
    await x.send(make.direct(), make.ada, make.attempt(1), keep)
    sandbox.lost = 1
    with pytest.raises(Unknown):
        await x.send(make.direct(), make.ada, make.attempt(2), keep)
    clock.advance(timedelta(seconds=30))
    found = await x.lookup(make.attempt(2), make.ada, keep)
    assert isinstance(found, Receipt)
    assert found.provider_id == world.of("twitter")[1].id, "the earlier message with the same words is not ours"


async def test_what_never_arrived_is_absent_but_not_at_once(x: X, keep: Any, make: Any, clock: FakeClock) -> None:
    real = x._wire.call

    async def lose(*args: Any, **rest: Any) -> Any:
        raise Unknown("answer_lost:ReadError") if args[0] == "POST" else AssertionError

    x._wire.call = lose  # type: ignore[method-assign]
    with pytest.raises(Unknown):
        await x.send(make.post(), "", make.attempt(), keep)
    x._wire.call = real  # type: ignore[method-assign]
    with pytest.raises(TryLater, match="too_early"):
        await x.lookup(make.attempt(), "", keep)
    clock.advance(timedelta(seconds=30))
    assert await x.lookup(make.attempt(), "", keep) == Absent()
    assert (await x.send(make.post(), "", make.attempt(), keep)).provider_id


async def test_duplicate_after_a_lost_answer_is_success(
    x: X, world: World, sandbox: XSandbox, keep: Any, make: Any, clock: FakeClock
) -> None:
    sandbox.lost, sandbox.lag = 1, 60
    with pytest.raises(Unknown):
        await x.send(make.post(), "", make.attempt(), keep)
    clock.advance(timedelta(seconds=30))
    assert await x.lookup(make.attempt(), "", keep) == Absent(), "the timeline lags: X does not show it yet"
    with pytest.raises(Unknown, match="duplicate_not_listed"):
        await x.send(make.post(), "", make.attempt(), keep)
    sandbox.lag = 0
    receipt = await x.send(make.post(), "", make.attempt(), keep)
    assert [each.id for each in world.of("twitter")] == [receipt.provider_id]


async def test_duplicate_without_a_lost_answer_is_refused(x: X, keep: Any, make: Any) -> None:
    await x.send(make.post(), "", make.attempt(1), keep)
    with pytest.raises(Refused, match="duplicate"):
        await x.send(make.post(), "", make.attempt(2), keep)


async def test_duplicate_of_an_older_post_is_refused_even_after_a_lost_answer(
    x: X, world: World, keep: Any, make: Any, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await x.send(make.post(), "", make.attempt(1), keep)
    clock.advance(timedelta(minutes=1))

    async def lose(*args: Any, **rest: Any) -> Any:
        raise Unknown("answer_lost:ReadError")

    with monkeypatch.context() as broken:
        broken.setattr(x._wire, "call", lose)
        with pytest.raises(Unknown):
            await x.send(make.post(), "", make.attempt(2, started=clock.now()), keep)
    clock.advance(timedelta(seconds=30))
    assert await x.lookup(make.attempt(2), "", keep) == Absent()
    with pytest.raises(Refused, match="duplicate"):
        await x.send(make.post(), "", make.attempt(2), keep)
    assert len(world.of("twitter")) == 1


async def test_a_sure_failure_leaves_nothing_to_look_for(
    x: X, sandbox: XSandbox, keep: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.allowance.credits = 0
    with pytest.raises(TryLater, match="credits"):
        await x.send(make.post(), "", make.attempt(), keep)
    monkeypatch.setattr(x, "_wire", None)
    assert await x.lookup(make.attempt(), "", keep) == Absent()


async def test_a_lost_message_without_its_address_stays_unknown(
    x: X, sandbox: XSandbox, keep: Any, make: Any, clock: FakeClock
) -> None:
    sandbox.lost = 1
    with pytest.raises(Unknown):
        await x.send(make.direct(), make.ada, make.attempt(), keep)
    clock.advance(timedelta(seconds=30))
    with pytest.raises(Unknown, match="no_address"):
        await x.lookup(make.attempt(), "", keep)


async def test_two_accounts_keep_apart(x: X, sandbox: XSandbox, keep: Any, make: Any, clock: FakeClock) -> None:
    sandbox.allowance.limits["post"] = 1
    await x.send(make.post(), "", make.attempt(1), keep)
    with pytest.raises(TryLater, match="rate_limited"):
        await x.send(make.post(text="Again"), "", make.attempt(2), keep)
    assert {each.split(" ")[0] for each in keep.notes} == {ME}


async def test_people_who_take_no_messages_are_unreachable(x: X, sandbox: XSandbox, keep: Any, make: Any) -> None:
    sandbox.closed.add(make.ada)
    with pytest.raises(Unreachable, match="messages_closed"):
        await x.send(make.direct(), make.ada, make.attempt(), keep)
    with pytest.raises(Unreachable, match="no_user_id"):
        await x.send(make.direct(), "../1", make.attempt(2), keep)


async def test_out_of_credits_stops_the_account(x: X, sandbox: XSandbox, keep: Any, make: Any) -> None:
    sandbox.allowance.credits = 0
    with pytest.raises(TryLater, match="credits_depleted") as told:
        await x.send(make.post(), "", make.attempt(), keep)
    assert told.value.account
    assert told.value.retry_after == 900
    sandbox.allowance.credits = 1
    assert await x.send(make.post(), "", make.attempt(), keep)


async def test_the_limit_in_the_headers_is_kept_by_every_worker(
    x: X, sandbox: XSandbox, keep: Any, make: Any, clock: FakeClock, world: World
) -> None:
    sandbox.allowance.limits["direct"] = 2
    for number in (1, 2):
        await x.send(make.direct(), make.ada, make.attempt(number), keep)
    other = make.provider(sandbox, clock)
    for worker in (x, other):
        with pytest.raises(TryLater) as told:
            await worker.send(make.direct(), make.ada, make.attempt(3), keep)
        assert told.value.retry_after == 900
    assert await other.send(make.post(), "", make.attempt(4), keep), "posts have a limit of their own"
    clock.advance(timedelta(seconds=900))
    assert await other.send(make.direct(), make.ada, make.attempt(3), keep)
    await other.aclose()
    assert not [each for each in world.entries if each.refused]


@pytest.mark.parametrize("secret", ["consumer_secret", "access_token_secret"])
async def test_wrong_secrets_stop_the_account(
    sandbox: XSandbox, keep: Any, make: Any, clock: FakeClock, secret: str
) -> None:
    stranger = make.provider(sandbox, clock, **{secret: "wrong"})
    with pytest.raises(TryLater, match="unauthorized") as told:
        await stranger.send(make.post(), "", make.attempt(), keep)
    assert told.value.account
    await stranger.aclose()


async def test_a_thread_goes_on_where_it_broke(
    x: X, world: World, sandbox: XSandbox, keep: Any, make: Any, clock: FakeClock
) -> None:
    content = make.post(text="One")
    content = type(content)(text="One\n\nTwo\n\nThree", posts=("One", "Two", "Three"))
    sandbox.allowance.limits["post"] = 1
    with pytest.raises(TryLater, match="rate_limited"):
        await x.send(content, "", make.attempt(), keep)
    sandbox.allowance.limits["post"], sandbox.lost = 100, 1
    clock.advance(timedelta(seconds=900))
    with pytest.raises(Unknown):
        await x.send(content, "", make.attempt(), keep)
    clock.advance(timedelta(seconds=30))
    assert await x.lookup(make.attempt(), "", keep) == Absent(), "two of three are out: the rest goes on"
    receipt = await x.send(content, "", make.attempt(), keep)
    posts = world.of("twitter")
    assert [each.text for each in posts] == ["One", "Two", "Three"]
    assert [each.data["reply"] for each in posts] == ["", posts[0].id, posts[1].id]
    assert receipt.details["posts"] == [each.id for each in posts]
    await x.withdraw(Receipt(receipt.provider_id), keep)
    await x.withdraw(Receipt(receipt.provider_id), keep)
    assert [each.data["post"] for each in world.of("twitter", kind="deletion")] == [each.id for each in reversed(posts)]


async def test_check_knows_the_account(x: X, sandbox: XSandbox, make: Any, clock: FakeClock) -> None:
    await x.check()
    stranger = make.provider(sandbox, clock, user_id="1")
    with pytest.raises(Refused, match="user_id"):
        await stranger.check()
    await stranger.aclose()
    with pytest.raises(TryLater, match="closed"):
        await stranger.check()


def test_it_says_who_it_is_without_secrets(x: X) -> None:
    assert str(x).startswith("x://127.0.0.1:")
    shown = repr(x) + repr(x.settings)
    assert not [each for each in KEYS[1:] if each in shown]
    assert x.account == "acme"
    assert x.settings.user_id == ME


async def test_a_lost_post_is_found_without_what_x_may_leave_out(
    x: X, sandbox: XSandbox, keep: Any, make: Any, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X gives fields only where it knows the parameter's name; the id tells the time, any link is as good."""
    real = x._wire.harmless

    async def bare(*args: Any, **rest: Any) -> Any:
        answer = await real(*args, **rest)
        body = answer.json()
        body["data"] = [{"id": each["id"], "text": each["text"]} for each in body["data"]]
        return type(answer)(200, {}, json.dumps(body).encode())

    monkeypatch.setattr(x._wire, "harmless", bare)
    sandbox.lost = 1
    with pytest.raises(Unknown):
        await x.send(make.post(text="Look: acme.shop/cart now"), "", make.attempt(), keep)
    clock.advance(timedelta(seconds=30))
    assert isinstance(await x.lookup(make.attempt(), "", keep), Receipt)


async def test_a_thread_that_is_refused_in_the_middle_comes_down(
    x: X, world: World, keep: Any, make: Any, clock: FakeClock
) -> None:
    await x.send(make.post(text="Two"), "", make.attempt(1), keep)
    content = PostContent(text="One\n\nTwo", posts=("One", "Two"))
    with pytest.raises(Refused, match="duplicate"):
        await x.send(content, "", make.attempt(2), keep)
    one = next(each for each in world.of("twitter") if each.text == "One")
    assert [each.data["post"] for each in world.of("twitter", kind="deletion")] == [one.id]


def test_a_dsn_says_the_same_as_a_table() -> None:
    scheme, fields = read_dsn("x://app-key:app%2Fsecret@proxy.example.com:8443?user_id=12&handle=Acme&access_token=t")
    made = X.Settings.model_validate(fields)
    assert (scheme, made.consumer_key, made.consumer_secret.get_secret_value()) == ("x", "app-key", "app/secret")
    assert (made.url, made.signs, made.secrets) == ("https://proxy.example.com:8443", False, ("app/secret",))
    x = X(made, now=FakeClock().now)
    assert (str(x), x.account) == ("x://proxy.example.com:8443", "acme")


@pytest.mark.parametrize(
    "table",
    [
        {"user_id": "acme", "access_token": "t"},
        {"user_id": "1"},
        {"user_id": "1", "access_token": "t", "access_token_secret": "s"},
        {"user_id": "1", "access_token": "t", "refresh_token": "r"},
        {"user_id": "1", "access_token": "t", "handle": "not a handle"},
        {"user_id": "1", "access_token": "t", "base_url": "ftp://example.com"},
    ],
)
def test_settings_that_cannot_work_are_refused(table: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        X.Settings.model_validate(table)


async def test_a_look_that_is_refused_leaves_the_attempt_unknown(
    x: X, sandbox: XSandbox, keep: Any, make: Any, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.lost = 1
    with pytest.raises(Unknown):
        await x.send(make.post(), "", make.attempt(), keep)
    clock.advance(timedelta(seconds=30))

    async def refuse(*args: Any, **rest: Any) -> Any:
        raise Refused("not_permitted")

    monkeypatch.setattr(x._wire, "harmless", refuse)
    with pytest.raises(Unknown, match="lookup_refused:not_permitted"):
        await x.lookup(make.attempt(), "", keep)
    with pytest.raises(Unknown, match="lookup_refused"):
        await x.send(make.post(), "", make.attempt(), keep)


def test_an_absurd_end_of_a_window_is_not_believed() -> None:
    """A wrong reset must not stop an account for ever."""
    budget, clock = Budget(), FakeClock()
    told = {"x-rate-limit-remaining": "0", "x-rate-limit-reset": str(int(clock.now().timestamp()) + 10**6)}
    asyncio.run(budget.learn("POST /2/tweets", told, clock.now(), None))
    asyncio.run(budget.ask("POST /2/tweets", clock.now(), None))


def test_without_a_secret_every_webhook_is_forged() -> None:
    x = X(X.Settings.model_validate({"user_id": "1", "access_token": "t"}), now=FakeClock().now)
    for secret in ("", "guess"):
        with pytest.raises(Forged, match="no consumer_secret"):
            x.receive(Request("POST", "https://talk.example.com/x", {SIGNATURE: mac(secret, b"{}")}, b"{}"))
    assert x.challenge(Request("GET", "https://talk.example.com/x?crc_token=1")) is None
