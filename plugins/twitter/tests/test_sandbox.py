"""X's side refuses what X refuses, and its webhooks get in."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from omnibus import Report, Request
from omnibus.testing import FakeClock, World
from omnibus_twitter import X
from omnibus_twitter.sandbox import ME, XSandbox


async def called(sandbox: XSandbox, x: X, method: str, path: str, body: Any = None, **rest: Any) -> tuple[int, Any]:
    """Call the sandbox as the provider does, signature included, but see the raw answer."""
    client = x._wire._open()
    answer = await client.request(method, path, json=body, **rest)
    return answer.status, json.loads(answer.body or b"null")


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/2/tweets", {"text": "a" * 281}, 400, "too long"),
        ("/2/tweets", {"text": "日" * 141}, 400, "too long"),
        ("/2/tweets", {"text": "a\ufeff"}, 400, "not allowed"),
        ("/2/tweets", {"text": "Hi", "colour": "green"}, 400, "unknown field `colour`"),
        ("/2/tweets", {"text": 5}, 400, "wrong type"),
        ("/2/tweets", {}, 400, "one of text"),
        ("/2/tweets", [], 400, "not a JSON object"),
        ("/2/tweets", {"text": "Hi", "media": {"media_ids": ["77"]}}, 400, "media IDs are invalid"),
        ("/2/tweets", {"text": "Hi", "media": {"media_ids": ["1"] * 5}}, 400, "1 to 4"),
        ("/2/tweets", {"text": "Hi", "reply": {"in_reply_to_tweet_id": "x"}}, 400, "must match"),
        ("/2/tweets", {"text": "Hi", "reply_settings": "nobody"}, 400, "enumeration"),
        (f"/2/dm_conversations/with/{ME}/messages", {"text": "a" * 10_001}, 400, "10000"),
        (f"/2/dm_conversations/with/{ME}/messages", {}, 400, "an attachment"),
        (f"/2/dm_conversations/with/{ME}/messages", {"text": "Hi", "to": "x"}, 400, "unknown field"),
        (f"/2/dm_conversations/with/{ME}/messages", {"text": "Hi", "attachments": [{"media_id": "7"}]}, 400, "invalid"),
        ("/2/media/upload/initialize", {"media_type": "image/png", "total_bytes": 5}, 400, "required"),
        ("/2/media/upload/initialize", {"media_type": "text/html", "total_bytes": 5, "media_category": "tweet_image"}, 400, "value"),
        ("/2/media/upload/77/finalize", None, 404, "Unknown media"),
        ("/2/media/metadata", {"id": "77", "metadata": {"alt_text": {"text": "x"}}}, 404, "Unknown media"),
        ("/2/nonsense", {}, 404, "Not Found"),
    ],
)  # fmt: skip
async def test_it_refuses(sandbox: XSandbox, x: X, world: World, path: str, body: Any, status: int, says: str) -> None:
    got, told = await called(sandbox, x, "POST", path, body)
    assert got == status
    assert says in json.dumps(told, ensure_ascii=False)
    assert not world.entries


async def test_it_keeps_the_rules_of_an_upload(sandbox: XSandbox, x: X) -> None:
    start = {"media_type": "image/png", "total_bytes": 3, "media_category": "tweet_image"}
    _, told = await called(sandbox, x, "POST", "/2/media/upload/initialize", start)
    media_id = told["data"]["id"]
    part = {"media": ("blob", b"ab", "application/octet-stream")}
    status, _ = await called(
        sandbox, x, "POST", f"/2/media/upload/{media_id}/append", data={"segment_index": "1"}, files=part
    )
    assert status == 400, "the first part is number 0"
    await called(sandbox, x, "POST", f"/2/media/upload/{media_id}/append", data={"segment_index": "0"}, files=part)
    status, told = await called(sandbox, x, "POST", f"/2/media/upload/{media_id}/finalize")
    assert (status, "total file size" in json.dumps(told)) == (400, True)
    status, _ = await called(sandbox, x, "POST", "/2/tweets", {"media": {"media_ids": [media_id]}})
    assert status == 400, "an unfinished upload cannot be posted"


async def test_a_restart_forgets_nothing_and_repeats_no_id(
    world: World, sandbox: XSandbox, x: X, keep: Any, make: Any, clock: FakeClock
) -> None:
    receipt = await x.send(make.post(), "", make.attempt(), keep)
    ids = {sandbox.new_id() for _ in range(50)} | {receipt.provider_id}
    reborn = World(world.folder, clock.now)
    await reborn.start(XSandbox)
    again = reborn.sandbox("twitter")
    assert ids.isdisjoint({again.new_id() for _ in range(50)})
    other = make.provider(again, clock)
    status, told = await called(again, other, "GET", f"/2/users/{ME}/tweets")
    assert (status, [each["id"] for each in told["data"]]) == (200, [receipt.provider_id])
    status, told = await called(again, other, "POST", "/2/tweets", {"text": make.post().text})
    assert (status, told["detail"]) == (403, "You are not allowed to create a Tweet with duplicate content.")
    await other.aclose()
    await reborn.stop()


async def test_links_come_back_shortened(sandbox: XSandbox, x: X, keep: Any, make: Any) -> None:
    await x.send(make.post(text="See acme.shop/a?b=1&c=2 & <more>"), "", make.attempt(), keep)
    _, told = await called(sandbox, x, "GET", f"/2/users/{ME}/tweets")
    (row,) = told["data"]
    (link,) = row["entities"]["urls"]
    assert row["text"] == f"See {link['url']} &amp; &lt;more&gt;"
    assert link["expanded_url"] == "http://acme.shop/a?b=1&c=2"


# ---- webhooks


@pytest.fixture
async def heard(world: World, x: X) -> AsyncIterator[list[Report]]:
    """Serve the provider's webhooks on loopback as the core's server does."""
    reports: list[Report] = []

    async def hook(asked: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in asked.headers.items()}
        request = Request(asked.method, str(asked.url), headers, await asked.read())
        answer = x.challenge(request)
        if answer is not None:
            return web.Response(status=answer.status, body=answer.body, headers=dict(answer.headers))
        reports.extend(x.receive(request))  # type: ignore[arg-type]
        return web.Response(status=204)

    app = web.Application()
    app.router.add_route("*", "/hooks/twitter/x", hook)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    world.public_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield reports
    await runner.cleanup()


async def test_what_a_person_writes_arrives_signed(
    world: World, sandbox: XSandbox, heard: list[Report], make: Any, clock: FakeClock
) -> None:
    direct = sandbox.message_from(make.ada, "Is my size there?")
    mention = sandbox.mention_from(make.ada, "@acme nice boots", after=timedelta(minutes=1))
    reply = sandbox.mention_from(make.ada, "@acme which colours?", answers="77", after=timedelta(minutes=2))
    assert await world.pump() == 1
    clock.advance(timedelta(minutes=5))
    assert await world.pump() == 2
    assert [(each.id, each.type, each.identity) for each in heard] == [
        (f"dm:{direct}", "conversation.received", ("x", make.ada)),
        (f"post:{mention}", "conversation.received", ("x", make.ada)),
        (f"post:{reply}", "conversation.received", ("x", make.ada)),
    ]
    assert [each.data["place"] for each in heard] == ["direct", "mention", "reply"]


async def test_our_own_echoes_say_nothing_and_reading_opens(
    world: World, sandbox: XSandbox, heard: list[Report], x: X, keep: Any, make: Any, clock: FakeClock
) -> None:
    await x.send(make.post(), "", make.attempt(1), keep)
    receipt = await x.send(make.direct(), make.ada, make.attempt(2), keep)
    clock.advance(timedelta(minutes=1))
    assert await world.pump() == 2
    assert heard == []
    sandbox.read_by(make.ada, str(receipt.provider_id))
    await world.pump()
    assert [(each.type, each.provider_id) for each in heard] == [("message.opened", receipt.provider_id)]


async def test_a_webhook_is_registered_by_the_api_after_its_check(
    world: World, sandbox: XSandbox, heard: list[Report], x: X
) -> None:
    status, told = await called(sandbox, x, "POST", "/2/webhooks", {"url": f"{world.public_url}/hooks/twitter/x"})
    assert (status, told["data"]["valid"]) == (200, True)
    status, _ = await called(sandbox, x, "POST", "/2/webhooks", {"url": f"{world.public_url}/nobody"})
    assert status == 400


async def test_a_webhook_that_fails_its_check_gets_nothing(
    world: World, sandbox: XSandbox, heard: list[Report], make: Any
) -> None:
    world.public_url += "/nobody"
    sandbox.message_from(make.ada, "Hello?")
    with pytest.raises(RuntimeError, match="CRC failed"):
        await world.pump()
    world.public_url = world.public_url.removesuffix("/nobody")
    sandbox.hook = ""
    assert await world.pump() == 1, "what was not delivered is tried again"
    assert len(heard) == 1
