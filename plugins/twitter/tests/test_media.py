"""Pictures: chunks, alternative texts, preparation, and everything that is no picture."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from omnibus import Media, Refused, TryLater
from omnibus.http import Client
from omnibus.testing import FakeClock, World
from omnibus.testing.faults import FaultyServer, Reply
from omnibus_twitter import X
from omnibus_twitter.media import CHUNK, load, type_of
from omnibus_twitter.sandbox import XSandbox

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20
GIF = b"GIF89a" + b"\x00" * 100


async def test_a_picture_travels_in_chunks_with_its_alternative_text(
    x: X, world: World, sandbox: XSandbox, keep: Any, make: Any, tmp_path: Path
) -> None:
    big = PNG + b"\x01" * (2 * CHUNK)
    path = tmp_path / "boots.png"
    path.write_bytes(big)
    await x.send(make.post(media=(Media(str(path), "A pair of trail boots"),)), "", make.attempt(), keep)
    (entry,) = world.of("twitter")
    (media_id,) = entry.data["media"]
    folder = world.folder / "twitter"
    assert (folder / "media" / f"{media_id}.png").read_bytes() == big
    note = json.loads((folder / "media" / f"{media_id}.json").read_text())
    assert note == {
        "media_type": "image/png", "total_bytes": len(big), "media_category": "tweet_image", "state": "succeeded",
        "parts": 3, "alt": "A pair of trail boots",
    }  # fmt: skip
    assert json.loads((folder / f"post-{entry.id}.json").read_text())["media"] == {"media_ids": [media_id]}
    assert f'src="media/{media_id}.png" alt="A pair of trail boots"' in (folder / f"post-{entry.id}.html").read_text()


async def test_a_picture_by_url_goes_into_a_direct_message(x: X, world: World, keep: Any, make: Any) -> None:
    async with FaultyServer(lambda _: Reply(200, PNG, {"content-type": "text/plain"})) as shop:
        content = make.direct(media=(Media(f"{shop.base_url}/boots.png"),))
        await x.send(content, make.ada, make.attempt(), keep)
        assert "authorization" not in shop.requests[0].headers, "no other host ever sees our signature"
    (entry,) = world.of("twitter")
    note = json.loads((world.folder / "twitter" / "media" / f"{entry.data['media'][0]}.json").read_text())
    assert note["media_category"] == "dm_image"


async def test_an_upload_is_not_repeated_and_a_moving_picture_takes_its_time(
    x: X, world: World, sandbox: XSandbox, keep: Any, make: Any, tmp_path: Path, clock: FakeClock
) -> None:
    path = tmp_path / "boots.gif"
    path.write_bytes(GIF)
    content = make.post(media=(Media(str(path)),))
    with pytest.raises(TryLater, match="picture_in_preparation") as told:
        await x.send(content, "", make.attempt(), keep)
    assert told.value.retry_after == sandbox.shelf.slow
    assert not world.of("twitter")
    path.unlink()
    await x.send(content, "", make.attempt(), keep)
    assert len(list((world.folder / "twitter" / "media").glob("*.gif"))) == 1
    clock.advance(timedelta(hours=21))
    with pytest.raises(Refused, match="picture_missing"):
        await x.send(content, "", make.attempt(2), keep)


async def test_an_old_upload_is_made_again(
    x: X, world: World, keep: Any, make: Any, tmp_path: Path, clock: FakeClock, sandbox: XSandbox
) -> None:
    path = tmp_path / "boots.png"
    path.write_bytes(PNG)
    content = make.post(media=(Media(str(path)),))
    sandbox.allowance.credits = 0
    with pytest.raises(TryLater, match="credits"):
        await x.send(content, "", make.attempt(), keep)
    sandbox.allowance.credits = None
    clock.advance(timedelta(hours=21))
    await x.send(content, "", make.attempt(), keep)
    assert len(list((world.folder / "twitter" / "media").glob("*.png"))) == 2


@pytest.mark.parametrize(
    ("url", "reply", "error", "reason"),
    [
        ("/missing.png", None, Refused, "picture_missing"),
        ("ftp://example.com/a.png", None, Refused, "picture_scheme"),
        ("{shop}/a.png", Reply(404), Refused, "picture_missing"),
        ("{shop}/a.png", Reply(503), TryLater, "picture_unreachable"),
        ("{shop}/a.png", Reply(429, b"", {"retry-after": "9"}), TryLater, "picture_unreachable"),
        ("{shop}/a.png", Reply(200, b"<html>no picture"), Refused, "no_picture"),
        ("{shop}/a.png", Reply(200, PNG + b"\x00" * 1_000_000), Refused, "picture_too_large"),
        ("http://127.0.0.1:1/a.png", None, TryLater, "not_connected"),
    ],
)
async def test_what_is_no_picture_keeps_the_post_back(
    x: X, world: World, keep: Any, make: Any, url: str, reply: Reply | None, error: type, reason: str
) -> None:
    async with FaultyServer(lambda _: reply or Reply(404)) as shop:
        content = make.post(media=(Media(url.replace("{shop}", shop.base_url)),))
        with pytest.raises(error, match=reason):
            await x.send(content, "", make.attempt(), keep)
    assert not world.entries


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.png",
        "https://10.0.0.1/a",
        "https://[::1]/a",
        "https://localhost/a",
        "https://169.254.169.254/a",
    ],
)
async def test_private_addresses_are_not_asked(url: str) -> None:
    client = Client()
    with pytest.raises(Refused, match="picture_address"):
        await load(url, client, local=False)
    await client.aclose()


def test_types_are_told_by_their_first_bytes() -> None:
    told = {type_of(each + b"\x00" * 20) for each in (PNG, GIF, b"\xff\xd8\xff\xe0", b"RIFF\x00\x00\x00\x00WEBP")}
    assert told == {"image/png", "image/gif", "image/jpeg", "image/webp"}
    with pytest.raises(Refused):
        type_of(b"RIFF\x00\x00\x00\x00WAVE")


async def test_a_long_alternative_text_is_cut(x: X, world: World, keep: Any, make: Any, tmp_path: Path) -> None:
    path = tmp_path / "boots.png"
    path.write_bytes(PNG)
    await x.send(make.post(media=(Media(str(path), "b" * 1_200),)), "", make.attempt(), keep)
    (entry,) = world.of("twitter")
    note = json.loads((world.folder / "twitter" / "media" / f"{entry.data['media'][0]}.json").read_text())
    assert note["alt"] == "b" * 1_000
