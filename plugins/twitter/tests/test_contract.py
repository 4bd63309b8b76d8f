"""The provider keeps the contract, once for posts and once for direct messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from omnibus import Attempt, Content, Refused, Request
from omnibus.testing import ProviderContract
from omnibus.testing.faults import Reply
from omnibus_twitter import DirectContent, PostContent, X
from omnibus_twitter.activity import SIGNATURE, mac

ME, ADA = "2244994945", "3333333333"


class TestPosts(ProviderContract):
    provider_class = X
    settings: ClassVar = {
        "consumer_key": "app-key", "consumer_secret": "first-signing-secret-0001", "access_token": "t0ken-of-acme",
        "access_token_secret": "t0ken-secret-of-acme", "user_id": ME, "handle": "acme", "consistent_after": 0,
    }  # fmt: skip
    secret_field = "consumer_secret"
    folder = Path(__file__).parent / "webhooks" / "x"
    answers: ClassVar = {403: Refused}  # "not permitted" is about this post; what is about the account has its own rows
    without: ClassVar = {
        "timestamp": "X signs no time; event ids deduplicate",
        "identity": "a post needs no address",
    }

    def content(self) -> Content:
        return PostContent(text="Boots for everyone", posts=("Boots for everyone",))

    def success(self, request: Request) -> Reply:
        if request.method == "GET":
            return Reply.of_json({"data": {"id": ME}, "meta": {"result_count": 0}})
        return Reply.of_json({"data": {"id": "2124110575825846273", "text": "…"}}, 201)

    def sign(self, body: bytes, secret: str) -> Request:
        headers = {"content-type": "application/json", SIGNATURE: mac(secret, body)}
        return Request("POST", self.hook_url, headers, body)

    def found(self, request: Request, attempt: Attempt) -> Reply:
        row = {"id": "2124110575825846273", "text": "Boots for everyone", "created_at": "2026-11-21T12:00:00.000Z"}
        return Reply.of_json({"data": [row | {"author_id": ME}], "meta": {"result_count": 1}})

    def absent(self, request: Request) -> Reply:
        return Reply.of_json({"meta": {"result_count": 0}})


class TestDirect(TestPosts):
    address = ADA
    without: ClassVar = {"timestamp": "X signs no time; event ids deduplicate"}

    def content(self) -> Content:
        return DirectContent(text="Ada, your boots wait.")

    def success(self, request: Request) -> Reply:
        if request.method == "GET":
            return Reply.of_json({"meta": {"result_count": 0}})
        return Reply.of_json({"data": {"dm_conversation_id": f"{ME}-{ADA}", "dm_event_id": "2124110575825846274"}}, 201)

    def found(self, request: Request, attempt: Attempt) -> Reply:
        row: dict[str, Any] = {
            "id": "2124110575825846274", "event_type": "MessageCreate", "text": "Ada, your boots wait.",
            "created_at": "2026-11-21T12:00:00.000Z", "sender_id": ME,
        }  # fmt: skip
        return Reply.of_json({"data": [row], "meta": {"result_count": 1}})


def test_the_cases_are_signed_with_the_published_vectors() -> None:
    assert (
        mac("consumer-secret", b'{"data":{"event_uuid":"1"}}') == "sha256=rr4NtKqvuBiKfan7fDfr6u83DUKvm7t373UpISLs4DU="
    )
    assert mac("consumer-secret", b"challenge") == "sha256=2RUZDVKjSpEV/C/r9ivMsVZJ4DFPAawjJFQQzY+6ba4="


def test_the_crc_is_answered_with_the_current_secret() -> None:
    contract = TestPosts()
    x = contract.provider(consumer_secret="consumer-secret", previous_consumer_secret="older")
    answer = x.challenge(Request("GET", f"{contract.hook_url}?crc_token=challenge"))
    assert answer is not None
    assert json.loads(answer.body) == {"response_token": "sha256=2RUZDVKjSpEV/C/r9ivMsVZJ4DFPAawjJFQQzY+6ba4="}
    assert x.challenge(Request("POST", f"{contract.hook_url}?crc_token=challenge")) is None
    assert x.challenge(Request("GET", contract.hook_url)) is None
