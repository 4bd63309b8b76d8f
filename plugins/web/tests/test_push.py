"""Notifications: the channel, the carrier under its contract, subscriptions, and the ring through the sandbox."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from omnibus import Channel, Content, InputError, Receipt, Refused, Request, TryLater, Unknown, Unreachable
from omnibus.testing import FakeClock, World
from omnibus.testing.clock import START
from omnibus.testing.contracts import ChannelContract, ProviderContract
from omnibus.testing.drafts import sample_attempt, sample_context, sample_draft
from omnibus.testing.fakes import FakeKeep
from omnibus.testing.faults import Reply
from omnibus_web import Cards, Push, PushContent, Subscriptions, WebPush, public_text
from omnibus_web.push_sandbox import PRIVATE_KEY, PushSandbox
from omnibus_web.push_service import seconds, topic
from omnibus_web.sealed import MAX_PLAIN
from omnibus_web.subscriptions import HOSTS, allowed, read, subscription

from .test_push_crypto import AUTH, BROWSER_PUBLIC, url64

KEYS = {"p256dh": url64(BROWSER_PUBLIC), "auth": url64(AUTH)}
TOLD = {"endpoint": "https://fcm.googleapis.com/fcm/send/s3cr3t-endpoint", "expirationTime": None, "keys": KEYS}
MINE = subscription(TOLD, HOSTS, public_text(PRIVATE_KEY))
OTHER_KEY = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"


def compose(**changes: Any) -> PushContent:
    return Push().compose(sample_draft("push", **changes), None, sample_context((Cards, Subscriptions)))


def content(**changes: Any) -> PushContent:
    return replace(compose(**changes), to={MINE.id: MINE.text})


class TestPush(ChannelContract):
    facets = (Cards, Subscriptions)

    def channel(self) -> Channel:
        return Push()


class TestWebPush(ProviderContract):
    provider_class = WebPush
    settings: ClassVar = {"private_key": PRIVATE_KEY, "subject": "mailto:push@acme.example"}
    address = MINE.id
    answers: ClassVar = {404: Unreachable, 410: Unreachable}
    without: ClassVar = {
        "json": "a push service answers 201 with an empty body",
        "signature": "the service worker shows the proof that its payload held",
        "timestamp": "report ids deduplicate; a browser's clock proves nothing",
        "rotation": "a new key means subscribing again, so nothing waits for the old one",
    }
    folder = Path(__file__).parent / "webhooks" / "push"
    secret_field = "private_key"
    signing = (PRIVATE_KEY, OTHER_KEY)

    def content(self) -> Content:
        return content()

    def success(self, request: Request) -> Reply:
        return Reply(201, b"", {"location": "https://push.example/m/1"})

    def key(self, request: Request) -> str:
        return request.headers.get("topic", "")

    def sign(self, body: bytes, secret: str) -> Request | None:
        if not secret:
            return None
        attempt = sample_attempt().id
        url = f"{self.hook_url}?attempt={attempt}&proof={self.provider(private_key=secret).proof(attempt)}"  # type: ignore[attr-defined]
        return Request("POST", url, {"content-type": "text/plain"}, body)


# ---- the channel


def test_a_notification_is_complete() -> None:
    made = compose()
    assert made.payload() == {
        "title": "Ada, your Trail Boots are waiting",
        "body": "15 % off with code ADA7-K2M9-3QXT until 24 November 2026\nWe kept your Trail Boots for you.\n\n"
        "They are €39.00 until the shop closes, in your size.\nAcme Ltd, 1 High Street, London",
        "url": "https://acme.example/c/7Qx2", "label": "Finish your order", "image": "", "lang": "en-GB",
    }  # fmt: skip


@pytest.mark.parametrize("letter", ["a", "漢", '"', "\\", "😀"])
async def test_the_fullest_notification_still_fits_the_record(letter: str) -> None:
    provider = WebPush(settings(), now=FakeClock().now)
    made = content(block=letter * (900 // len(letter.encode())))
    made = replace(made, image="https://acme.example/" + "i" * 370)
    attempt = sample_attempt(report_url="https://talk.example.com/hooks/push/push?attempt=" + "a" * 36)
    assert len(json.dumps(provider.payload(made, attempt), ensure_ascii=False).encode()) <= MAX_PLAIN


# ---- the carrier


def settings(**changes: Any) -> Any:
    return WebPush.Settings.model_validate({"private_key": PRIVATE_KEY, "subject": "mailto:a@b.example", **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "mailto:Acme <push@acme.example>"}, {"subject": "push@acme.example"}, {"subject": "mailto:x@localhost"},
        {"subject": "http://acme.example"}, {"private_key": "short"}, {"ttl": -1}, {"ttl": 2_419_201},
    ],
)  # fmt: skip
def test_wrong_settings_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        settings(**changes)


@pytest.mark.parametrize(
    ("offer", "lasts", "most", "told"),
    [(3, 9, 86_400, 86_400), (3, 9, 864_000, 259_200), (None, 2, 864_000, 172_800), (None, None, 0, 0), (-1, 1, 60, 0)],
)
def test_it_waits_no_longer_than_its_reason(offer: int | None, lasts: int | None, most: int, told: int) -> None:
    made = replace(
        content(),
        until=START + timedelta(days=offer) if offer else None,
        lasts=timedelta(days=lasts) if lasts else None,
    )
    assert seconds(made, sample_attempt(), most) == told


def test_a_topic_is_32_characters_of_the_delivery() -> None:
    assert len(topic("d1")) == 32
    assert topic("d1") != topic("d2")


# ---- whom we post to


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://fcm.googleapis.com/fcm/send/x", "https://updates.push.services.mozilla.com/wpush/v2/x",
        "https://web.push.apple.com/x", "https://db5p.notify.windows.com/w/?token=x", "https://FCM.googleapis.com:443/x",
    ],
)  # fmt: skip
def test_the_browsers_own_services_are_allowed(endpoint: str) -> None:
    assert allowed(endpoint, HOSTS)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://fcm.googleapis.com/x", "https://127.0.0.1/x", "https://localhost/x", "https://169.254.169.254/latest",
        "https://[::1]/x", "https://evil.example/x", "https://fcm.googleapis.com.evil.example/x",
        "https://evil.example/fcm.googleapis.com", "https://fcm.googleapis.com@evil.example/x", "https://push.apple.com/x",
        "https://user:pw@fcm.googleapis.com/x", "https://fcm.googleapis.com:22/x", "https://evilpush.apple.com/x",
        "https://fcm.googleapis.com/x y", "https://fcm.googleapis.com/x\r\nX: y", "https://fcm.googleapis.com\\@evil.example/",
        "file:///etc/passwd", "gopher://fcm.googleapis.com/", "", "https://", "https://fcm.googleapis.com:99999/x",
        "https://fcm。googleapis。com/x", "https://fcm.googleapis.com/" + "x" * 1_000, "https://fcm.googleapis.com/#x",
    ],
)  # fmt: skip
def test_a_strangers_url_is_not_posted_to(endpoint: str) -> None:
    assert not allowed(endpoint, HOSTS)
    with pytest.raises(InputError):
        subscription({**TOLD, "endpoint": endpoint}, HOSTS, "")


def test_another_port_only_where_the_list_names_it() -> None:
    assert allowed("https://push.example:8443/x", ["push.example:8443"])
    assert not allowed("https://push.example:8443/x", ["push.example"])
    assert not allowed("https://push.example/x", ["push.example:8443"])


@pytest.mark.parametrize(
    "told",
    [
        None, [], "x", {}, {"endpoint": TOLD["endpoint"]}, {**TOLD, "keys": []}, {**TOLD, "keys": {}},
        {**TOLD, "keys": {**KEYS, "auth": "AAAA"}}, {**TOLD, "keys": {**KEYS, "p256dh": "AAAA"}},
        {**TOLD, "keys": {**KEYS, "p256dh": "B" + "A" * 86}}, {**TOLD, "keys": {**KEYS, "auth": 7}},
        {**TOLD, "keys": {**KEYS, "auth": "????"}}, {**TOLD, "endpoint": None},
    ],
)  # fmt: skip
def test_what_is_no_subscription_is_an_input_error(told: Any) -> None:
    with pytest.raises(InputError) as error:
        subscription(told, HOSTS, "")
    assert "s3cr3t" not in str(error.value)


def test_a_subscription_is_read_as_it_was_written() -> None:
    assert read(MINE.text, HOSTS) == MINE
    assert len(MINE.id) == 43
    assert "s3cr3t" not in repr(MINE)
    with pytest.raises(InputError):
        read("rubbish", HOSTS)


# ---- through the sandbox


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path, FakeClock().now)
    await made.start(PushSandbox)
    yield made
    await made.stop()


def provider_at(sandbox: PushSandbox, **changes: Any) -> WebPush:
    table = {key: value for key, value in sandbox.table()["push"].items() if key != "provider"}
    return WebPush(WebPush.Settings.model_validate({**table, **changes}), now=sandbox.world.now)


async def hand_over(sandbox: PushSandbox, name: str, made: Content | None = None, **changes: Any) -> Any:
    to = subscription(sandbox.browser(name).subscription, ["push.sandbox.example"], public_text(PRIVATE_KEY))
    provider = provider_at(sandbox, **changes)
    try:
        return await provider.send(made or replace(compose(), to={to.id: to.text}), to.id, sample_attempt(), FakeKeep())
    finally:
        await provider.aclose()


async def test_a_browser_shows_what_was_composed(world: World) -> None:
    sandbox = world.sandbox("push")
    receipt = await hand_over(sandbox, "ada")
    assert isinstance(receipt, Receipt)
    [entry] = world.of("push", kind="notification")
    attempt = sample_attempt()
    told = entry.data["told"]
    to, _, proof = told.pop("report").partition("&proof=")
    assert (to, len(proof)) == (attempt.report_url, 22)
    assert told == {**compose().payload(), "tag": topic(attempt.delivery)}
    assert entry.attempt == attempt.id
    assert entry.data["headers"] == {"ttl": "259200", "urgency": "low", "topic": topic(attempt.delivery)}
    await hand_over(sandbox, "ada")
    assert len(sandbox.browser("ada").shows) == 1, "the tag replaces a repeat"


@pytest.mark.parametrize(
    ("changes", "error", "reason"),
    [
        ({"private_key": OTHER_KEY}, Refused, "other_key"),
        ({"hosts": ["fcm.googleapis.com"]}, Refused, "InputError"),
    ],
)
async def test_what_cannot_work_is_not_posted(world: World, changes: Any, error: Any, reason: str) -> None:
    with pytest.raises(error, match=reason):
        await hand_over(world.sandbox("push"), "ada", **changes)
    assert [entry.kind for entry in world.entries] == ["subscribed"]


async def test_the_service_says_no(world: World) -> None:
    sandbox = world.sandbox("push")
    browser = sandbox.browser("ada")
    sandbox.unsubscribe("ada")
    with pytest.raises(Unreachable, match="gone"):
        await hand_over(sandbox, "ada")
    browser.sender = public_text(OTHER_KEY)
    with pytest.raises(TryLater, match="vapid_forbidden") as later:
        await hand_over(sandbox, "ada")
    assert later.value.account
    with pytest.raises(Refused, match="not a notification"):
        await hand_over(sandbox, "ada", Content(text="x"))
    with pytest.raises(Unreachable, match="unknown_subscription"):
        await hand_over(sandbox, "ada", compose())
    assert [entry.refused for entry in world.entries if entry.kind == "push"] == [
        "the subscription is over", "the key differs from the subscription's",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "headers", "body", "error", "after"),
    [
        (429, {"retry-after": "60"}, b"", TryLater, 60),
        (503, {"retry-after": "5"}, b"", TryLater, 5),
        (503, {}, b"", Unknown, None),
        (400, {}, b"UnauthorizedRegistration", TryLater, None),
        (400, {}, b"", Refused, None),
        (413, {}, b"", Refused, None),
        (404, {}, b"", Unreachable, None),
    ],
)
async def test_each_answer_has_its_meaning(
    world: World, status: int, headers: Any, body: bytes, error: Any, after: Any
) -> None:
    sandbox = world.sandbox("push")
    sandbox.answer_next(status, headers, body)
    with pytest.raises(error) as told:
        await hand_over(sandbox, "ada")
    assert getattr(told.value, "retry_after", None) == after


async def test_the_sandbox_keeps_its_browsers_over_a_restart(world: World) -> None:
    before = world.sandbox("push").browser("ada").subscription
    await hand_over(world.sandbox("push"), "ada")
    again = World(world.folder, world.now)
    reborn = PushSandbox(again)
    assert reborn.browser("ada").subscription == before
    assert len(reborn.browser("ada").shows) == 1
    assert "Trail Boots" in (world.folder / "push" / "ada.json").read_text()
    await again.stop()
