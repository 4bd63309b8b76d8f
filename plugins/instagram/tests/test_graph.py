"""The provider against Meta's side of the wire on loopback."""

import json
from datetime import timedelta

import pytest
from PIL import Image

from omnibus import (
    Absent,
    Forged,
    InputError,
    Media,
    Receipt,
    Refused,
    Report,
    Request,
    Response,
    TryLater,
    Unreachable,
)
from omnibus_instagram.api import proof
from omnibus_instagram.hooks import signature
from omnibus_instagram.sandbox import GraphSandbox

ADA = "1784001"
MINUTE = timedelta(minutes=1)
STORY = {"data": {"instagram": {"kind": "story"}}}


def photo(path, size=(900, 900), kind="PNG"):
    Image.new("RGB", size, "#884422").save(path, kind)
    return str(path)


# ---- publishing


async def test_a_post_goes_container_poll_publish(shop):
    receipt = await shop.publish()
    (container,), (post,) = shop.received("container"), shop.received("post")
    content = shop.post()
    assert receipt == Receipt(post.id, {"container": container.id, "permalink": post.data["permalink"]})
    assert receipt.details == {"container": container.id, "permalink": f"https://www.instagram.com/p/{post.id}/"}
    url = container.data["image_url"]
    assert container.data == {"image_url": url, "caption": content.caption}
    assert url.startswith(f"{shop.sandbox.base_url}/shelf/")
    assert shop.refused() == []
    shown = json.loads((shop.sandbox.folder / f"post-{post.id}.json").read_text())
    assert shown["text"] == content.text
    with Image.open(shop.sandbox.folder / f"post-{post.id}.jpg") as picture:
        assert (picture.format, picture.size) == ("JPEG", (1080, 1080))


async def test_a_story_carries_its_words_in_the_picture(shop, tmp_path):
    told = {"media": [Media(photo(tmp_path / "a.png"))], **STORY}
    await shop.publish(**told)
    (post,) = shop.received("post")
    assert set(post.data["fields"]) == {"media_type", "image_url"}
    assert (post.text, post.data["kind"]) == (shop.post(**told).text, "STORIES")
    with Image.open(shop.sandbox.folder / f"story-{post.id}.jpg") as picture:
        assert picture.size == (1080, 1920)


async def test_a_picture_file_is_fitted(shop, tmp_path):
    path = photo(tmp_path / "wide.png", (3_000, 600))
    await shop.publish(media=[Media(path, "Boots, from the side")])
    (container,), (post,) = shop.received("container"), shop.received("post")
    assert container.data["alt_text"] == "Boots, from the side"
    with Image.open(shop.sandbox.folder / f"post-{post.id}.jpg") as picture:
        assert picture.size == (1440, 754)


async def test_a_url_goes_as_it_is(shop):
    await shop.publish(media=[Media("https://acme.example/boots.jpg")])
    (container,) = shop.received("container")
    assert container.data["image_url"] == "https://acme.example/boots.jpg"


@pytest.mark.parametrize(
    ("media", "settings", "reason"),
    [
        ("missing.png", {}, "picture_file_missing"),
        ("broken.png", {}, "picture:image"),
        ("broken.png", {"media_base_url": ""}, "media_base_url_missing"),
        ("https://acme.example/boots.png", {}, "36001/2207005"),
        ("http://acme.example/boots.jpg", {}, "picture_not_fetched"),
    ],
)
async def test_a_picture_that_cannot_be_shown(shop, tmp_path, media, settings, reason):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    shop.graph = shop.provider(**settings)
    with pytest.raises(Refused if reason != "picture_not_fetched" else TryLater) as caught:
        await shop.publish(media=[Media(media if ":" in media else str(tmp_path / media))])
    assert caught.value.reason == reason
    assert shop.received("post") == []


async def test_a_slow_container_is_gone_on_with(shop):
    shop.sandbox.looks = 6  # four looks within one hand-over
    with pytest.raises(TryLater) as caught:
        await shop.publish()
    assert (caught.value.reason, caught.value.retry_after) == ("container_not_ready", None)
    assert isinstance(await shop.graph.lookup(shop.attempt(), "", shop.keep), Absent)
    await shop.publish(attempt=shop.attempt(1, id="another"))
    assert (len(shop.received("container")), len(shop.received("post"))) == (1, 1)


async def test_the_quota_is_read_before_anything_is_made(shop):
    shop.sandbox.quota = 1
    await shop.publish(1)
    with pytest.raises(TryLater) as caught:
        await shop.publish(2)
    assert (caught.value.reason, caught.value.retry_after, caught.value.account) == ("publishing_quota", None, False)
    assert len(shop.received("container")) == 1
    shop.clock.advance(timedelta(hours=24))
    await shop.publish(2)
    assert len(shop.received("post")) == 2


async def test_an_expired_container_is_made_anew(shop):
    shop.sandbox.looks = 99
    with pytest.raises(TryLater):
        await shop.publish()
    shop.sandbox.looks = 0
    shop.clock.advance(timedelta(hours=25))
    await shop.publish()
    assert (len(shop.received("container")), len(shop.received("post"))) == (2, 1)


async def test_a_published_container_is_done(shop):
    shop.sandbox.quota = 1  # full from now on, which does not matter: it is out
    first = await shop.publish()
    again = await shop.publish(attempt=shop.attempt(1, id="another"))
    assert again == first
    assert len(shop.received("post")) == 1
    assert await shop.graph.lookup(shop.attempt(), "", shop.keep) == first
    assert isinstance(await shop.graph.lookup(shop.attempt(2), "", shop.keep), Absent)


# ---- direct messages


async def test_a_direct_message_within_the_window(shop):
    await shop.sandbox.message_from(ADA, "Are they there?")
    receipt = await shop.write()
    (direct,) = shop.received("direct")
    assert receipt == Receipt(direct.id, {})
    assert (direct.to, direct.text, direct.data) == (ADA, "Your boots are ready.", {"tag": "", "comment": ""})
    page = (shop.sandbox.folder / f"direct-{ADA}.html").read_text()
    assert page.index("Are they there?") < page.index("Your boots are ready.")
    assert await shop.graph.lookup(shop.attempt(), ADA, shop.keep) == Receipt(direct.id)
    assert isinstance(await shop.graph.lookup(shop.attempt(2), ADA, shop.keep), Absent)


@pytest.mark.parametrize("url", ["https://acme.example/boots.jpg", "boots.png"])
async def test_a_picture_goes_ahead_of_the_words(shop, tmp_path, url):
    await shop.sandbox.message_from(ADA, "Are they there?")
    picture = Media(url if ":" in url else photo(tmp_path / url))
    receipt = await shop.write(picture=picture)
    (attachment,), (direct,) = shop.received("attachment"), shop.received("direct")
    assert receipt == Receipt(direct.id, {"picture": attachment.id})
    assert attachment.data["picture"] == url or attachment.data["picture"].startswith(shop.sandbox.base_url)
    again = await shop.graph.send(shop.letter(picture=picture), ADA, shop.attempt(1, id="another"), shop.keep)
    assert again.details == {"picture": attachment.id}
    assert len(shop.received("attachment")) == 1


@pytest.mark.parametrize("url", ["https://acme.example/boots.svg", "missing.png"])
async def test_words_never_wait_for_a_picture(shop, url):
    await shop.sandbox.message_from(ADA, "Are they there?")
    receipt = await shop.write(picture=Media(url))
    assert receipt.details == {"picture": "not sent"}
    assert len(shop.received("direct")) == 1


async def test_a_refused_picture_is_told(shop, monkeypatch):
    await shop.sandbox.message_from(ADA, "Are they there?")
    monkeypatch.setattr(shop.graph._letters, "_attachment", _odd)
    receipt = await shop.write(picture=Media("x"))
    assert receipt.details == {"picture": "100/2018047"}
    assert len(shop.received("direct")) == 1


async def _odd(picture):
    return "ftp://acme.example/boots.jpg"


async def test_the_window_closes_after_a_day(shop):
    await shop.sandbox.message_from(ADA, "Are they there?")
    letter = shop.letter()
    shop.clock.advance(timedelta(hours=24))
    with pytest.raises(Refused, match="window_closed"):
        await shop.graph.send(letter, ADA, shop.attempt(), shop.keep)
    assert shop.refused() == []  # found before anything left


@pytest.mark.parametrize("text", ["x" * 1_001, "é" * 501])
async def test_a_text_over_1000_bytes_is_refused_by_them(shop, text):
    await shop.sandbox.message_from(ADA, "hello")
    with pytest.raises(Refused, match="100"):
        await shop.write(text=text)


async def test_somebody_unknown_is_unreachable(shop):
    letter = shop.letter()
    letter = type(letter)(text="hello", wrote=shop.clock.now())
    with pytest.raises(Unreachable, match=r"^100/2534014$"):
        await shop.graph.send(letter, "404", shop.attempt(), shop.keep)


@pytest.mark.parametrize(
    ("changes", "reason", "account"),
    [
        ({"access_token": "wrong"}, "190", True),
        ({"app_secret": ""}, "100", False),
        ({"app_secret": "wrong"}, "100", False),
        ({"user_id": "999"}, "100/33", False),
        ({"api_version": "v1.0", "base_url": "http://127.0.0.1:1"}, "not_connected", False),
    ],
)
async def test_a_wrong_account(shop, changes, reason, account):
    shop.graph = shop.provider(**changes)
    with pytest.raises((TryLater, Refused)) as caught:
        await shop.publish()
    assert (caught.value.reason, caught.value.account) == (reason, account)
    with pytest.raises((TryLater, Refused)):
        await shop.graph.check()


async def test_check_is_harmless(shop):
    await shop.graph.check()
    assert shop.world.entries == []


async def test_closed_is_closed(shop):
    await shop.graph.aclose()
    await shop.graph.aclose()
    with pytest.raises(TryLater, match="closed"):
        await shop.publish()


def test_no_secret_is_shown():
    from omnibus_instagram import Graph

    settings = Graph.Settings(user="178", password="t0k3n", host="graph.facebook.com", app_secret="s3cr3t")
    graph = Graph(settings, now=lambda: None)
    assert str(graph) == repr(graph) == "graph://178/v26.0"
    assert settings.url == "https://graph.facebook.com/v26.0"
    assert Graph.Settings(user="1", password="x", host="proxy", port="8443").url == "https://proxy:8443/v26.0"
    assert Graph.Settings(user="1", password="x").url == "https://graph.instagram.com/v26.0"
    assert settings.token == "t0k3n"
    assert not {"t0k3n", "s3cr3t"} & set(repr(settings).split("'"))
    with pytest.raises(ValueError, match="needed") as caught:
        Graph.Settings(user_id="178", app_secret="s3cr3t")
    assert "s3cr3t" not in str(caught.value)


def test_vectors_of_the_reference():
    assert proof("app_secret", "token123") == "12c68c8587c590591ce079116b550cc84de7f8a5d59b59378d698c2f58aab611"
    assert signature("app_secret", b'{"hello":"world"}') == (
        "sha256=f47591022c65041e8e2ade722e894e6f0c22255c2d26eba5959c326b0743f01d"
    )
    assert signature("app_secret", b'{"object":"instagram","text":"caf\\u00e9"}') == (
        "sha256=494ab7729a2efed94cbde0e45542245825da5534c52cad89a0ca0149aa297216"
    )


# ---- webhooks


async def test_the_challenge(hooked):
    shop, _ = hooked
    assert await shop.sandbox.subscribe()
    ask = "https://talk.example.com/hooks/instagram/graph?hub.mode=subscribe&hub.challenge=7&hub.verify_token="
    assert shop.graph.challenge(Request("GET", ask + "wrong")) == Response(403)
    assert shop.provider(verify_token="").challenge(Request("GET", ask)) == Response(403)
    assert shop.graph.challenge(Request("POST", ask)) is None
    assert shop.graph.challenge(Request("GET", "https://talk.example.com/hooks/instagram/graph")) is None


async def test_a_conversation_over_the_wire(hooked):
    shop, found = hooked
    at = shop.clock.now()
    mid = await shop.sandbox.message_from(ADA, "Où sont mes bottes ? 🥾")
    assert await shop.world.pump() == 1
    said = {"channel": "instagram", "kind": "message", "text": "Où sont mes bottes ? 🥾"}
    assert found == [Report(mid, "conversation.received", at, identity=("instagram", ADA), data=said)]
    found.clear()
    receipt = await shop.write()
    shop.clock.advance(10 * MINUTE)
    assert await shop.world.pump() == 2  # their echo of our words says nothing
    sent = receipt.provider_id
    read = Report(f"read:{sent}", "message.opened", at + 5 * MINUTE, provider_id=sent, data={"channel": "instagram"})
    assert found == [read]
    found.clear()
    await shop.sandbox.message_from(ADA, "Merci", reply_to=sent)
    await shop.sandbox.react_from(ADA, sent)
    await shop.sandbox.message_from(ADA, "Joli", story="s1")
    await shop.sandbox.comment_from(ADA, "m1", "Quel prix ?")
    await shop.sandbox.mention_from("m2", "c2")
    await shop.world.pump()
    told = [(each.type, each.data["kind"], each.data["text"]) for each in found]
    assert sorted(told) == [
        ("conversation.received", "comment", "Quel prix ?"),
        ("conversation.received", "mention", ""),
        ("conversation.received", "story_reply", "Joli"),
        ("message.replied", "message", "Merci"),
        ("message.replied", "reaction", "❤"),
    ]


def signed(body, secret=GraphSandbox.app_secret):
    headers = {"x-hub-signature-256": signature(secret, body)}
    return Request("POST", "https://talk.example.com/hooks/instagram/graph", headers, body)


async def test_only_the_app_may_tell(shop):
    body = b'{"object":"instagram","entry":[]}'
    assert shop.graph.receive(signed(body)) == []
    rotated = shop.provider(app_secret="new", previous_app_secret=GraphSandbox.app_secret)
    assert rotated.receive(signed(body)) == rotated.receive(signed(body, "new")) == []
    for forged in (
        signed(body, "wrong"),
        Request("POST", "https://x", {}, body),
        Request("POST", "https://x", signed(body).headers, body + b" "),
        Request("POST", "https://x", {"x-hub-signature-256": "sha256=é"}, body),
    ):
        with pytest.raises(Forged):
            shop.graph.receive(forged)
    with pytest.raises(Forged):
        shop.provider(app_secret="").receive(signed(body, ""))


@pytest.mark.parametrize(
    "body", [b"[]", b"null", b'"x"', b"7", b'{"object":"user"}', b'{"object":"instagram","entry":{"messaging":1}}']
)
async def test_what_is_not_for_us_says_nothing(shop, body):
    assert shop.graph.receive(signed(body)) == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
async def test_rubbish_is_no_fault(shop, body):
    with pytest.raises(InputError, match="not JSON"):
        shop.graph.receive(signed(body))
