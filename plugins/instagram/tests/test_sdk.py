"""The same story told by Meta's official SDK: method, path and parameters are compared, call by call.

``sdk.json`` was recorded once from PyPI facebook-business 26.0.3: what its objects put on the wire, its proof, and how its
error class reads bodies. The SDK sends forms and writes ids in full; we send JSON and may say ``me``.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest

from omnibus import Media
from omnibus.http import Client
from omnibus.testing import sample_attempt, sample_context, sample_draft
from omnibus.testing.fakes import FakeKeep
from omnibus.testing.faults import FaultyServer, Reply
from omnibus_instagram import DirectContent, Graph, Posts
from omnibus_instagram.answers import read
from omnibus_instagram.api import proof
from omnibus_instagram.sandbox import GraphSandbox
from omnibus_instagram.thread import WINDOW

SDK = json.loads((Path(__file__).parent / "sdk.json").read_text(encoding="utf-8"))
ACCOUNT = "17841400000000001"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
STILL, MOVING = Media("https://acme.example/1.jpg", "Boots"), Media("https://acme.example/1.mp4")
REEL = {"video": MOVING.url, "cover": STILL.url, "thumb_offset": 0, "share_to_feed": False, "audio_name": "Rain"}
TAGGED = {"location_id": "7", "collaborators": ["ada"], "user_tags": [{"username": "ada", "x": 0.5, "y": 1.0}]}


def plain(value):
    if isinstance(value, str) and value[:1] in {"[", "{"} | {"t", "f"}:
        try:
            value = json.loads(value)
        except ValueError:
            return value
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ",".join(value)
    return value


def told(call):
    """Write a call so that form and JSON, list and commas, ``me`` and the id are alike."""
    ours = {"appsecret_proof", "access_token", "summary"}
    said = {name: plain(value) for name, value in call["said"].items() if name not in ours}
    return call["method"], call["path"].replace("/me/", f"/{ACCOUNT}/"), {k: str(v) for k, v in said.items()}


def answered(request):
    if "/content_publishing_limit" in request.path:
        return Reply.of_json({"data": []})
    code = (
        "PUBLISHED" if request.method == "GET" and "fields=status_code" in request.url and answered.done else "FINISHED"
    )
    return Reply.of_json({"id": "17", "status_code": code, "message_id": "m1", "data": [], "permalink": "x"})


def post(*media, **options):
    draft = sample_draft(
        "instagram", "public", media=media, block="Boots! #a", paragraphs=(), offer=None, cta=None,
        data={"instagram": options},
    )  # fmt: skip
    return Posts().compose(draft, None, sample_context())


def letter(**changes):
    return DirectContent(text="Your boots are ready.", **changes)


async def calls(content, address="", *, lookup=False):
    """Send to a server that agrees to everything, and list what it was asked."""
    answered.done = lookup
    async with FaultyServer(answered) as server:
        settings = Graph.Settings(
            user_id=ACCOUNT, access_token="token123", app_secret="app_secret", base_url=server.base_url, poll_seconds=0
        )
        graph, keep, attempt = Graph(settings, now=lambda: NOW), FakeKeep(), sample_attempt(started=NOW)
        if lookup:
            await keep.set(f"container:{attempt.delivery}", "17")
            await keep.set(f"text:{attempt.delivery}", "x") if address else None
            await graph.lookup(attempt, address, keep)
        else:
            await graph.send(content, address, attempt, keep)
        await graph.aclose()
        made = server.requests
    assert all(each.query["appsecret_proof"] == SDK["proof"] for each in made)
    return [
        told({"method": each.method, "path": each.path, "said": each.query | (each.json() if each.body else {})})
        for each in made
    ]


@pytest.mark.parametrize(
    ("names", "content", "address"),
    [
        (["quota", "image", "status", "publish"], post(STILL, **TAGGED), ""),
        (["story", "publish"], post(STILL, kind="story"), ""),
        (["reel", "publish"], post(**REEL), ""),
        (["still", "moving", "publish"], post(STILL, MOVING), ""),
        (["message"], letter(wrote=NOW), "1784001"),
        (["tagged"], letter(wrote=NOW - WINDOW, human=True), "1784001"),
        (["private"], letter(comment="17", commented=NOW), "1784001"),
    ],
)
async def test_we_say_what_their_sdk_says(names, content, address):
    if content.__class__.__name__ == "PostContent" and content.kind == "story":
        content = type(content)(kind="story", text="", media=(STILL,))
    made = await calls(content, address)
    for name in names:
        assert told(SDK["calls"][name]) in made, f"{name}: {made}"


async def test_a_carousel_joins_its_children():
    method, path, said = told(SDK["calls"]["carousel"])
    made = await calls(post(STILL, MOVING))
    assert (method, path, said | {"children": "17,17"}) in made  # the server gives every child the same id


async def test_look_ups_ask_what_their_sdk_asks():
    made = await calls(None, lookup=True)
    for name in ("status", "media", "stories"):
        assert told(SDK["calls"][name]) in made, f"{name}: {made}"
    assert told(SDK["calls"]["conversations"]) in await calls(None, "1784001", lookup=True)


def test_the_proof_and_the_errors_are_read_alike():
    assert proof("app_secret", "token123") == SDK["proof"] == SDK["session_params"]["appsecret_proof"]
    for each in SDK["errors"]:
        fault = read(type("Told", (), {"body": each["body"].encode()}))
        assert (fault.code, fault.subcode, fault.transient) == (each["code"], each["subcode"], each["transient"])


async def test_the_sandbox_takes_what_their_sdk_sends(shop):
    """A user may point Meta's own SDK at it: forms, token and proof in the query."""
    await shop.sandbox.message_from("1784001", "hello")
    client = Client(shop.sandbox.base_url)
    who = {"access_token": GraphSandbox.token, "appsecret_proof": proof(GraphSandbox.app_secret, GraphSandbox.token)}
    for name in ("image", "story", "reel", "still", "moving", "quota", "media", "stories", "message", "conversations"):
        call = SDK["calls"][name]
        form = urlencode(call["said"]).encode()
        answer = await client.request(
            call["method"], call["path"], params=who | (call["said"] if call["method"] == "GET" else {}),
            content=form if call["method"] == "POST" else None,
            headers={"content-type": "application/x-www-form-urlencoded"},
        )  # fmt: skip
        assert answer.status == 200, f"{name}: {answer.body}"
    await client.aclose()
    assert len(shop.received("container")) == 5
