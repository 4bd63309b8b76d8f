"""The inherited provider contract, for a direct message and for a post."""

import json
from pathlib import Path
from typing import ClassVar

from omnibus import Request
from omnibus.testing import ProviderContract, sample_context, sample_draft
from omnibus.testing.clock import START
from omnibus.testing.faults import Fault, Reply
from omnibus_instagram import DirectContent, Graph, Posts
from omnibus_instagram.hooks import signature

SETTINGS = {
    "user_id": "17841400000000001", "access_token": "t0p-s3cret-token", "app_secret": "first-signing-secret-0001",
    "verify_token": "s3cret-verify-token", "poll_seconds": 0,
}  # fmt: skip


class Hooks:
    provider_class = Graph
    settings = SETTINGS
    folder = Path(__file__).parent / "webhooks" / "graph"
    secret_field = "app_secret"
    without: ClassVar = {"timestamp": "Meta signs no timestamp"}

    def sign(self, body, secret):
        headers = {"content-type": "application/json", "x-hub-signature-256": signature(secret, body)}
        return Request("POST", self.hook_url, headers, body)


class TestDirect(Hooks, ProviderContract):
    address = "1784001"

    def content(self):
        return DirectContent(text="Your boots are ready, Ada.", wrote=START)

    def submits(self, request):
        return request.path.endswith("/messages")

    def success(self, request):
        return Reply.of_json({"recipient_id": "1784001", "message_id": "aWdfZAG1"})

    def found(self, request, attempt):
        if request.path.endswith("/me/conversations"):
            return Reply.of_json({"data": [{"id": "t_1"}]})
        line = {"id": "aWdfZAG1", "created_time": attempt.started.isoformat(), "message": self.content().text}
        return Reply.of_json({"id": "t_1", "messages": {"data": [line | {"from": {"id": "17841400000000001"}}]}})

    def absent(self, request):
        return Reply.of_json({"data": []})


class TestPost(Hooks, ProviderContract):
    # whoever hears nothing at all was only asked for the quota: nothing can have been published
    faults = tuple(each for each in Fault if each is not Fault.RESET_BEFORE)
    without = Hooks.without | {"identity": "a post is for everybody"}

    def content(self):
        draft = sample_draft("instagram", "public", data={"instagram": {"video": "https://acme.example/boots.mp4"}})
        return Posts().compose(draft, None, sample_context())

    def submits(self, request):
        return request.path.endswith("/media_publish")

    def success(self, request):
        if request.path.endswith("/content_publishing_limit"):
            return Reply.of_json({"data": [{"quota_usage": 2, "config": {"quota_total": 50, "quota_duration": 86400}}]})
        return Reply.of_json(
            {"id": "17900000000000001", "status_code": "FINISHED", "permalink": "https://x.example/p/1"}
        )

    def found(self, request, attempt):
        if request.path.endswith(("/media", "/stories")):
            return Reply.of_json({"data": []})
        return Reply.of_json({"id": "17900000000000001", "status_code": "PUBLISHED"})

    def absent(self, request):
        return Reply.of_json({"id": "17900000000000001", "status_code": "FINISHED"})


def test_the_bodies_escape_what_is_not_ascii():
    assert all(each.read_bytes().isascii() for each in Hooks.folder.glob("*.body"))
    assert json.loads((Hooks.folder / "message.body").read_text())["object"] == "instagram"
