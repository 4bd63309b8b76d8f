"""The same story told by X's official SDK: method, path and body are compared, call by call.

``sdk.json`` holds what PyPI xdk 0.10.6 sent to the sandbox (which took all of it); it was recorded once, by its OAuth 1.0a client.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from omnibus import Media, Request, Response
from omnibus.testing import FakeClock, World
from omnibus_twitter import DirectContent, PostContent
from omnibus_twitter.sandbox import ME, XSandbox
from omnibus_twitter.sandbox_media import multipart

SDK = json.loads((Path(__file__).parent / "sdk.json").read_text(encoding="utf-8"))
PNG = b"\x89PNG\r\n\x1a\n" + b"\x01" * 50


class Recorded(XSandbox):
    """Write down every call that was taken."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.calls: list[dict[str, Any]] = []

    async def answer(self, request: Request) -> Response:
        answer = await super().answer(request)
        assert answer.status < 300, answer.body
        self.calls.append({"method": request.method, "path": request.path, "body": said(request)})
        return answer


def said(request: Request) -> Any:
    """Read a body; the chunk of an upload travels as multipart with us, as base64 with the SDK."""
    if not request.body:
        return None
    if request.headers["content-type"].startswith("application/json"):
        return json.loads(request.body)
    parts = multipart(request)
    return {"media": parts["media"], "segment_index": int(parts["segment_index"])}


async def test_we_say_what_the_official_sdk_says(tmp_path: Path, clock: FakeClock, keep: Any, make: Any) -> None:
    assert SDK["oracle"] == "PyPI xdk 0.10.6"
    world = World(tmp_path / "world", clock.now)
    await world.start(Recorded)
    sandbox: Recorded = world.sandbox("twitter")
    x = make.provider(sandbox, clock)
    picture = tmp_path / "boots.png"
    picture.write_bytes(PNG)
    seen = (Media(str(picture), "A pair of trail boots"),)
    posts = ("Boots at acme.shop", "Second")
    receipt = await x.send(PostContent(text="\n\n".join(posts), posts=posts, media=seen), "", make.attempt(1), keep)
    await x.send(DirectContent(text="Hello", media=seen), make.ada, make.attempt(2), keep)
    await x.check()
    await x.withdraw(receipt, keep)
    await x.aclose()
    await world.stop()
    media = [each.data["media"] for each in world.entries if each.kind in {"post", "direct"} and each.data["media"]]
    names = {media[0][0]: "{media}", media[1][0]: "{media}", str(receipt.provider_id): "{post}"}
    ours = [named(each, names) for each in sandbox.calls]
    for call in SDK["calls"]:
        if call["path"].endswith("/append"):
            call["body"]["media"] = PNG
        if call["method"] == "GET" and call["path"] != "/2/users/me":
            continue  # looked at only after a lost answer: see test_x
        assert call in ours, f"{call['method']} {call['path']} {call['body']}"
    assert {each["path"] for each in ours} <= {each["path"] for each in SDK["calls"]} | {
        f"/2/tweets/{receipt.details['posts'][1]}"
    }
    assert ME in make.settings(sandbox).user_id


def named(call: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Put names for the ids that X gave out."""

    def walk(value: Any) -> Any:
        if isinstance(value, str):
            for id_, name in names.items():
                value = value.replace(id_, name)
            return value
        if isinstance(value, dict):
            return {key: walk(each) for key, each in value.items()}
        return [walk(each) for each in value] if isinstance(value, list) else value

    return {key: walk(value) for key, value in call.items()}
