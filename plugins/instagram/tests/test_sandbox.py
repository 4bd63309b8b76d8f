"""Meta's side: what it refuses, in their words, and what it remembers over a restart."""

import json
from datetime import timedelta

import pytest
from PIL import Image

from omnibus import Endpoint, NotFound, Request, TryLater
from omnibus.http import Client
from omnibus.testing import FakeDesk, serve
from omnibus_instagram.api import proof
from omnibus_instagram.options import InstagramSettings
from omnibus_instagram.sandbox import GraphSandbox
from omnibus_instagram.shelf import serve as shelf
from omnibus_instagram.shelf import served_at

from .conftest import ADA

PROOF = {"appsecret_proof": proof(GraphSandbox.app_secret, GraphSandbox.token)}
BEARER = {"authorization": f"Bearer {GraphSandbox.token}"}
JPEG = "https://acme.example/1.jpg"


async def ask(shop, method, path, body=None, *, params=None, headers=None):
    client = Client(shop.sandbox.base_url)
    told = await client.request(
        method,
        f"/v26.0/{path}",
        json=body,
        params=PROOF if params is None else params,
        headers=BEARER if headers is None else headers,
    )
    await client.aclose()
    return told.status, json.loads(told.body)


async def refusal(shop, path, body, **changes):
    status, told = await ask(shop, "POST", path, body, **changes)
    error = told["error"]
    assert set(error) - {"error_subcode"} == {"message", "type", "code", "is_transient", "fbtrace_id"}
    return status, error["code"], error.get("error_subcode")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, (100, None)),
        ({"image_url": JPEG, "text": "x"}, (100, None)),
        ({"image_url": JPEG, "video_url": JPEG}, (100, None)),
        ({"image_url": JPEG, "media_type": "VIDEO"}, (100, None)),
        ({"image_url": JPEG, "media_type": "REELS"}, (100, None)),
        ({"image_url": JPEG, "media_type": "STORIES", "caption": "x"}, (100, None)),
        ({"image_url": JPEG, "is_carousel_item": True, "caption": "x"}, (100, None)),
        ({"image_url": JPEG, "alt_text": "x" * 1_001}, (100, None)),
        ({"image_url": JPEG, "caption": "x" * 2_201}, (36004, 2207010)),
        ({"image_url": JPEG, "caption": "#a " * 31}, (100, 2207040)),
        ({"image_url": JPEG, "caption": "@a " * 21}, (100, 2207040)),
        ({"image_url": "https://acme.example/1.png"}, (36001, 2207005)),
        ({"image_url": "ftp://acme.example/1.jpg"}, (9004, 2207052)),
        ({"media_type": "CAROUSEL", "children": "1"}, (100, 2207028)),
        ({"media_type": "CAROUSEL", "children": "1,2"}, (24, 2207006)),
        ([], (100, None)),
    ],
)
async def test_a_container_that_they_would_not_make(shop, body, code):
    assert await refusal(shop, f"{GraphSandbox.account}/media", body) == (400, *code)
    assert shop.received("container") == []
    assert len(shop.refused()) == 1


@pytest.mark.parametrize(
    ("size", "kind", "code"),
    [
        ((900, 900), "PNG", (36001, 2207005)),
        ((1_500, 1_500), "JPEG", (36003, 2207009)),
        ((300, 300), "JPEG", (36003, 2207009)),
        ((600, 900), "JPEG", (36003, 2207009)),
        ((1_000, 500), "JPEG", (36003, 2207009)),
        (None, "", (9004, 2207052)),
    ],
)
async def test_a_picture_that_they_would_not_take(shop, size, kind, code):
    folder = shop.sandbox.folder / "media"
    folder.mkdir(parents=True)
    if size:
        Image.new("RGB", size).save(folder / "a.jpg", kind)
    body = {"image_url": f"{shop.sandbox.base_url}/shelf/a.jpg"}
    assert await refusal(shop, f"{GraphSandbox.account}/media", body) == (400, *code)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, (100, None)),
        ({"recipient": {"id": ADA}}, (100, None)),
        ({"recipient": {"id": ADA}, "message": {"text": ""}}, (100, None)),
        ({"recipient": {"id": ADA}, "message": {"text": 7}}, (100, None)),
        ({"recipient": {"id": ADA}, "message": {"text": "x", "metadata": "y"}}, (100, None)),
        ({"recipient": {"id": ADA}, "message": {"text": "x"}, "notification_type": "NO_PUSH"}, (100, None)),
        ({"recipient": {"id": ADA, "comment_id": "1"}, "message": {"text": "x"}}, (100, None)),
        ({"recipient": {"id": ADA}, "message": {"text": "é" * 501}}, (100, None)),
        ({"recipient": {"id": ADA}, "message": {"text": "x"}, "tag": "HUMAN_AGENT"}, (100, None)),
        ({"recipient": {"id": ADA}, "message": {"text": "x"}}, (10, 2534022)),
        ({"recipient": {"id": "404"}, "message": {"text": "x"}}, (100, 2534014)),
        ({"recipient": {"comment_id": "404"}, "message": {"text": "x"}}, (100, 2534025)),
    ],
)
async def test_a_message_that_they_would_not_send(shop, body, code):
    await shop.sandbox.message_from(ADA, "hello")
    shop.clock.advance(timedelta(hours=24))
    assert await refusal(shop, "me/messages", body) == (400, *code)
    assert shop.received("direct") == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"headers": {}}, (190, None)),
        ({"headers": {"authorization": "Bearer wrong"}}, (190, None)),
        ({"params": {}}, (100, None)),
        ({"params": {"appsecret_proof": "00"}}, (100, None)),
    ],
)
async def test_who_they_would_not_let_in(shop, changes, code):
    assert await refusal(shop, f"{GraphSandbox.account}/media", {"image_url": JPEG}, **changes) == (400, *code)


async def test_a_container_is_published_when_it_is_finished_and_once(shop):
    account = GraphSandbox.account
    _, made = await ask(shop, "POST", f"{account}/media", {"image_url": JPEG})
    publish = {"creation_id": made["id"]}
    assert await refusal(shop, f"{account}/media_publish", publish) == (400, 9007, 2207027)
    states = [(await ask(shop, "GET", made["id"]))[1]["status_code"] for _ in range(2)]
    assert states == ["IN_PROGRESS", "FINISHED"]
    assert (await ask(shop, "POST", f"{account}/media_publish", publish))[0] == 200
    assert (await ask(shop, "GET", made["id"]))[1]["status_code"] == "PUBLISHED"
    assert await refusal(shop, f"{account}/media_publish", publish) == (400, 9007, 2207027)
    assert await refusal(shop, f"{account}/media_publish", {"creation_id": "404"}) == (400, 24, 2207006)
    assert await refusal(shop, f"{account}/media_publish", {}) == (400, 100, None)
    _, late = await ask(shop, "POST", f"{account}/media", {"image_url": JPEG})
    shop.clock.advance(timedelta(hours=24))
    assert (await ask(shop, "GET", late["id"]))[1]["status_code"] == "EXPIRED"
    assert await refusal(shop, f"{account}/media_publish", {"creation_id": late["id"]}) == (400, -2, 2207020)


async def test_it_remembers_over_a_restart_and_repeats_no_id(shop):
    await shop.sandbox.message_from(ADA, "hello")
    await shop.publish(1)
    before = {each.id for each in shop.world.entries}
    await shop.restart()
    await shop.publish(2)
    await shop.write(3)
    ids = [each.id for each in shop.world.entries if each.id]
    assert len(ids) == len(set(ids)) > len(before)
    assert shop.sandbox.feed.quota_used() == 2


async def test_a_token_is_exchanged_every_week_and_kept(shop):
    await shop.publish(1)
    assert shop.received("token") == []
    shop.clock.advance(timedelta(days=8))
    await shop.publish(2)
    (fresh,) = shop.received("token")
    await shop.restart()
    await shop.publish(3)
    assert len(shop.received("token")) == 1
    note = json.loads(await shop.keep.get("token"))
    assert (note["token"], note["since"]) == (fresh.id, shop.clock.now().isoformat())
    shop.graph = shop.provider(access_token="another")  # newly configured: it wins over the kept one
    with pytest.raises(TryLater, match="190"):
        await shop.publish(4)


async def test_a_renewal_that_fails_stops_nobody(shop, monkeypatch):
    await shop.publish(1)
    monkeypatch.setattr(GraphSandbox, "_renewed", lambda self, request: {"no": "token"})
    shop.clock.advance(timedelta(days=8))
    await shop.publish(2)
    assert len(shop.received("post")) == 2


async def test_the_buss_own_server_serves_the_shelf(tmp_path):
    name = "0" * 40 + ".jpg"
    (tmp_path / name).write_bytes(b"\xff\xd8" + b"x" * 600_000)
    (tmp_path / "secret.jpg").write_bytes(b"no")
    desk = FakeDesk(settings=InstagramSettings(media_folder=str(tmp_path)))
    async with serve([Endpoint("instagram", "GET", "/media/{name}", shelf)], desk) as base_url:
        assert served_at(f"{base_url}/hooks/instagram/graph") == f"{base_url}/instagram/media"
        client = Client(base_url)
        told = await client.request("GET", f"/instagram/media/{name}")
        assert (told.status, told.headers["content-type"], len(told.body)) == (200, "image/jpeg", 600_002)
        for other in ("secret.jpg", "1" * 40 + ".jpg", "..%2Fsecret.jpg"):
            assert (await client.request("GET", f"/instagram/media/{other}")).status == 404
        await client.aclose()
    with pytest.raises(NotFound):
        await shelf(Request("GET", "https://x/instagram/media"), desk)
    assert served_at("") == ""


async def test_a_webhook_that_is_not_taken_is_owed_still(shop):
    await shop.sandbox.message_from(ADA, "hello")
    with pytest.raises(Exception, match="protocol"):  # without a public URL there is nowhere to go
        await shop.world.pump()
    assert shop.world.next_due is not None
