"""The contracts are green on an honest channel and provider, and red on each planted fault."""

from __future__ import annotations

import importlib.util
import inspect
import json
import logging
import random
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from omnibus import (
    Capabilities,
    Content,
    Forged,
    Preview,
    Provider,
    Receipt,
    Refused,
    Report,
    Request,
    TryLater,
    Unknown,
)
from omnibus.http import Answer, error_for
from omnibus.testing import ChannelContract, ProviderContract, Reply


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"toy_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    made = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


fax = _load("fax")


@pytest.fixture(autouse=True, scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("webhooks")
    fax.write_cases(folder)
    ForAcme.folder = folder


class ForFax(ChannelContract):
    channel_class: Any = fax.Fax

    def channel(self) -> Any:
        return self.channel_class()


class ForAcme(ProviderContract):
    provider_class = fax.Acme
    settings = {"token": "t0p-s3cret-token", "webhook_secret": "first-signing-secret-0001"}  # noqa: RUF012
    address = "+442079460000"

    def content(self) -> Content:
        return fax.FaxContent(text="Your parcel has left our house.")

    def success(self, request: Request) -> Reply:
        return Reply.of_json({"id": "F1"}, 201)

    def sign(self, body: bytes, secret: str) -> Request:
        stamp = str(int(self.clock.now().timestamp()))
        return Request("POST", self.hook_url, {"x-time": stamp, "x-signature": fax.signed(body, stamp, secret)}, body)


class ForFinder(ForAcme):
    provider_class = fax.Finder

    def submits(self, request: Request) -> bool:
        return request.method == "POST"

    def found(self, request: Request, attempt: Any) -> Reply:
        return Reply.of_json({"faxes": [{"id": "F1"}] if request.query["reference"] == attempt.id else []})

    def absent(self, request: Request) -> Reply:
        return Reply.of_json({"faxes": []})


class ForEcho(ForAcme):
    provider_class = fax.Echo


class TestFax(ForFax):
    """An honest channel is green."""


class TestAcme(ForAcme):
    """An honest provider is green."""


class TestFinder(ForFinder):
    """… and one that can be asked."""


class TestEcho(ForEcho):
    """… and one that only repeats our reference."""


# ---- planted faults: each class breaks one thing, and the named test must be red


class OverLong(fax.Fax):
    def compose(self, draft: Any, layout: Any, context: Any) -> Any:
        text = fax.joined(draft.brand.name, [fax.clean(e.text) for e in draft.elements], [f.text for f in draft.facts])
        return fax.FaxContent(text=text)


class CutInSilence(fax.Fax):
    def compose(self, draft: Any, layout: Any, context: Any) -> Any:
        return replace(super().compose(draft, layout, context), losses=())


class LostFact(fax.Fax):
    def compose(self, draft: Any, layout: Any, context: Any) -> Any:
        content = super().compose(draft, layout, context)
        return replace(content, text=content.text.replace("24 November 2026", "24/11"))


class FactsCut(fax.Fax):
    def compose(self, draft: Any, layout: Any, context: Any) -> Any:
        kept = tuple(fact for fact in draft.facts if len(fact.text) < 200)
        return super().compose(
            replace(draft, facts=kept, elements=tuple(e for e in draft.elements if len(e.text) < 200)), layout, context
        )


class OwnBlockOnly(fax.Fax):
    def compose(self, draft: Any, layout: Any, context: Any) -> Any:
        if "fax" in draft.blocks:
            return fax.FaxContent(text=f"{draft.brand.name}: {draft.blocks['fax']}")
        return super().compose(draft, layout, context)


class Drawn(fax.Fax):
    def compose(self, draft: Any, layout: Any, context: Any) -> Any:
        return replace(super().compose(draft, layout, context), headline=f"{random.random()}")


class Changes(fax.Fax):
    def compose(self, draft: Any, layout: Any, context: Any) -> Any:
        made = super().compose(draft, layout, context)
        draft.message.data["seen"] = True
        return made


class Injects(fax.Fax):
    def compose(self, draft: Any, layout: Any, context: Any) -> Any:
        return replace(super().compose(draft, layout, context), headline=draft.headline)


class Talks(fax.Fax):
    def compose(self, draft: Any, layout: Any, context: Any) -> Any:
        content = super().compose(draft, layout, context)
        return replace(content, text=content.text.replace("OMNI", "\x1b=\x01OMNI"))


class Nameless(fax.Fax):
    def compose(self, draft: Any, layout: Any, context: Any) -> Any:
        made = super().compose(draft, layout, context)
        return replace(made, text=made.text.replace("Acme", "We").replace("acme", "we"), headline="")


class NoPicture(fax.Fax):
    def compose(self, draft: Any, layout: Any, context: Any) -> Any:
        made = super().compose(draft, layout, context)
        return replace(made, losses=tuple(loss for loss in made.losses if loss.what != "picture"))


class LiesAboutMedia(fax.Fax):
    capabilities = replace(fax.Fax.capabilities, media=True)


class LiesAboutMarkup(fax.Fax):
    capabilities = replace(fax.Fax.capabilities, html=True)


class LiesAboutReports(fax.Fax):
    capabilities = Capabilities(max_length=400, reports=("smelled",))


class LooseSettings(fax.Fax):
    class Settings(BaseModel):
        pass


class Unsafe(fax.FaxContent):
    def preview(self) -> Preview:
        return Preview(self.text, "text/html", self.text.encode())


class UnsafePreview(fax.Fax):
    def compose(self, draft: Any, layout: Any, context: Any) -> Any:
        made = super().compose(draft, layout, context)
        return Unsafe(text=made.text, losses=made.losses)


class Shown(fax.FaxContent):
    def __repr__(self) -> str:
        return self.text


class LoudContent(fax.Fax):
    def compose(self, draft: Any, layout: Any, context: Any) -> Any:
        made = super().compose(draft, layout, context)
        return Shown(text=made.text, losses=made.losses)


CHANNEL_FAULTS = {
    "over-long text carried": (OverLong, "test_it_never_carries_more_than_its_limit"),
    "cut in silence": (CutInSilence, "test_what_is_left_out_is_reported"),
    "lost mandatory fact": (LostFact, "test_every_fact_stands_letter_by_letter"),
    "facts cut that do not fit": (FactsCut, "test_facts_that_cannot_fit_are_an_error_of_the_message"),
    "an own block that loses facts": (OwnBlockOnly, "test_an_authors_own_block_keeps_the_facts"),
    "drawn at render time": (Drawn, "test_compose_is_pure"),
    "input changed": (Changes, "test_compose_is_pure"),
    "header injection": (Injects, "test_no_value_becomes_a_header_or_a_command"),
    "command injection": (Talks, "test_no_value_becomes_a_header_or_a_command"),
    "markup injection": (UnsafePreview, "test_no_value_becomes_markup"),
    "nobody named": (Nameless, "test_the_brand_is_named"),
    "picture lost in silence": (NoPicture, "test_a_picture_is_carried_or_reported"),
    "capability media that lies": (LiesAboutMedia, "test_a_picture_is_carried_or_reported"),
    "capability html that lies": (LiesAboutMarkup, "test_formatted_text_is_carried_where_it_says_so"),
    "capability reports that lies": (LiesAboutReports, "test_it_declares_itself_truly"),
    "settings that accept anything": (LooseSettings, "test_settings_name_fields_and_never_values"),
    "words in repr": (LoudContent, "test_content_is_frozen_and_keeps_quiet"),
}


class NoVerification(fax.Acme):
    def verify(self, request: Request) -> None:
        return


class OpenWithoutSecret(fax.Acme):
    def verify(self, request: Request) -> None:
        if self.settings.webhook_secret is not None:
            super().verify(request)


class NeverStale(fax.Acme):
    def verify(self, request: Request) -> None:
        stamp, given = request.headers.get("x-time", ""), request.headers.get("x-signature", "")
        secrets = (self.settings.webhook_secret, self.settings.previous_webhook_secret)
        if given not in [fax.signed(request.body, stamp, each.get_secret_value()) for each in secrets if each]:
            raise Forged("signature")


class OneSecret(fax.Acme):
    def verify(self, request: Request) -> None:
        stamp = request.headers.get("x-time", "")
        if request.headers.get("x-signature") != fax.signed(
            request.body, stamp, self.settings.webhook_secret.get_secret_value()
        ):
            raise Forged("signature")
        super().verify(request)


class FallsOverHeaders(fax.Acme):
    def verify(self, request: Request) -> None:
        int(request.headers["x-time"])
        super().verify(request)


class KeyErrors(fax.Acme):
    def parse(self, request: Request) -> Any:
        return [report for row in request.json()["events"] if (report := fax.read(row))]


class UnstableIds(fax.Acme):
    def parse(self, request: Request) -> Any:
        return [replace(each, id=f"{each.id}-{random.random()}") for each in super().parse(request)]


class WrongEvent(fax.Acme):
    def parse(self, request: Request) -> Any:
        return [replace(each, type="message.opened") for each in super().parse(request)]


class UnknownType(fax.Acme):
    def parse(self, request: Request) -> Any:
        return [replace(each, type="message.smelled") for each in super().parse(request)]


class AboutNothing(fax.Acme):
    def parse(self, request: Request) -> Any:
        return [Report(each.id, each.type, each.at) for each in super().parse(request)]


class LoudStr(fax.Acme):
    def __str__(self) -> str:
        return f"acme://{self.settings.token.get_secret_value()}@api"


class LoudSettings(fax.Acme):
    class Settings(fax.AcmeSettings):
        model_config = ConfigDict(hide_input_in_errors=False)


class PlainSecret(fax.Acme):
    class Settings(fax.AcmeSettings):
        api_token: str = ""


class Answers(fax.Acme):
    def mapped(self, answer: Answer) -> Exception:
        return error_for(answer)

    async def deliver(self, content: Any, address: str, attempt: Any, keep: Any) -> Receipt:
        answer = await self._client.request(
            "POST", "/faxes", json=fax.payload(content, address, attempt), headers={"idempotency-key": attempt.id}
        )
        if not answer.ok:
            raise self.mapped(answer)
        return self.receipt(answer)

    def receipt(self, answer: Answer) -> Receipt:
        return Receipt(fax.identifier(answer))


class PermanentLimit(Answers):
    def mapped(self, answer: Answer) -> Exception:
        return Refused(f"http_{answer.status}") if answer.status == 429 else error_for(answer)


class NoRetryAfter(Answers):
    def mapped(self, answer: Answer) -> Exception:
        return TryLater("rate_limited") if answer.status == 429 else error_for(answer)


class TemporaryServerError(Answers):
    def mapped(self, answer: Answer) -> Exception:
        return TryLater("http") if answer.status >= 500 else error_for(answer)


class BlamesTheMessage(Answers):
    def mapped(self, answer: Answer) -> Exception:
        return Refused("unauthorized") if answer.status == 401 else error_for(answer)


class FallsOverErrors(Answers):
    def mapped(self, answer: Answer) -> Exception:
        return Refused(str(json.loads(answer.body)["error"]["code"])) if answer.status == 400 else error_for(answer)


class QuotesTheProvider(Answers):
    def mapped(self, answer: Answer) -> Exception:
        return Refused(answer.body.decode()) if answer.status == 400 else error_for(answer)


class AnySuccess(Answers):
    def receipt(self, answer: Answer) -> Receipt:
        try:
            return Receipt(json.loads(answer.body)["id"])
        except (ValueError, KeyError, TypeError):
            return Receipt()


class FallsOverSuccess(Answers):
    def receipt(self, answer: Answer) -> Receipt:
        return Receipt(answer.json()["id"].upper())


class TemporaryTimeout(fax.Acme):
    async def deliver(self, content: Any, address: str, attempt: Any, keep: Any) -> Receipt:
        import asyncio

        try:
            async with asyncio.timeout(attempt.deadline / 2):
                return await super().deliver(content, address, attempt, keep)
        except TimeoutError:
            raise TryLater("timeout") from None


class TemporaryLoss(fax.Acme):
    async def deliver(self, content: Any, address: str, attempt: Any, keep: Any) -> Receipt:
        try:
            return await super().deliver(content, address, attempt, keep)
        except Unknown:
            raise TryLater("connection") from None


class Stubborn(fax.Acme):
    async def deliver(self, content: Any, address: str, attempt: Any, keep: Any) -> Receipt:
        import asyncio

        for _ in range(2):
            try:
                return await super().deliver(content, address, attempt, keep)
            except asyncio.CancelledError:
                continue
        return await super().deliver(content, address, attempt, keep)


class Logs(fax.Acme):
    async def deliver(self, content: Any, address: str, attempt: Any, keep: Any) -> Receipt:
        logging.getLogger("acme").debug("to %s", address)
        return await super().deliver(content, address, attempt, keep)


class Follows(fax.Acme):
    async def deliver(self, content: Any, address: str, attempt: Any, keep: Any) -> Receipt:
        import httpx

        async with httpx.AsyncClient(follow_redirects=True) as client:
            answer = await client.post(f"{self.settings.base_url}/faxes", json=fax.payload(content, address, attempt))
        return Receipt(fax.identifier(Answer(answer.status_code, {}, answer.content)))


LEFT_OPEN: list[Any] = []


class Reopens(fax.Acme):
    async def aclose(self) -> None:
        LEFT_OPEN.append(self._client)


class ClosesOnce(fax.Acme):
    async def aclose(self) -> None:
        await self._client.aclose()
        del self._client


class InjectsAddress(fax.Acme):
    async def deliver(self, content: Any, address: str, attempt: Any, keep: Any) -> Receipt:
        import asyncio
        from urllib.parse import urlsplit

        host = urlsplit(self.settings.base_url)
        reader, writer = await asyncio.open_connection(host.hostname, host.port)
        writer.write(f"POST /faxes HTTP/1.1\r\nhost: x\r\nx-to: {address}\r\ncontent-length: 0\r\n\r\n".encode())
        await reader.read(20)
        writer.close()
        return Receipt("F1")


class NewKeys(fax.Acme):
    async def deliver(self, content: Any, address: str, attempt: Any, keep: Any) -> Receipt:
        return await super().deliver(content, address, replace(attempt, id=f"{random.random()}"), keep)


class NoReference(fax.Echo):
    async def deliver(self, content: Any, address: str, attempt: Any, keep: Any) -> Receipt:
        return await super().deliver(content, address, replace(attempt, id="x"), keep)


class ClaimsLookup(fax.Acme):
    idempotency = "lookup"


class GuessesAbsence(fax.Finder):
    async def lookup(self, attempt: Any, address: str, keep: Any) -> Any:
        from omnibus import Absent
        from omnibus.errors import DeliveryError

        try:
            return await super().lookup(attempt, address, keep)
        except DeliveryError:
            return Absent()


class SendsAgain(fax.Finder):
    async def lookup(self, attempt: Any, address: str, keep: Any) -> Any:
        await super().deliver(fax.FaxContent(text="again"), address, attempt, keep)
        return await super().lookup(attempt, address, keep)


class BlindCheck(fax.Acme):
    async def check(self) -> None:
        try:
            await super().check()
        except TryLater:
            return


class OwnSend(fax.Acme):
    async def send(self, content: Any, address: str, attempt: Any, keep: Any) -> Receipt:  # type: ignore[misc]
        return await self.deliver(content, address, attempt, keep)


class LiesAboutWithdraw(fax.Acme):
    channel = type("Board", (fax.Fax,), {"capabilities": replace(fax.Fax.capabilities, withdraw=True)})


PROVIDER_FAULTS: dict[str, tuple[type[Provider], str]] = {
    "no verification": (NoVerification, "test_only_the_owner_of_the_secret_gets_in"),
    "open without a secret": (OpenWithoutSecret, "test_without_a_secret_nobody_gets_in"),
    "a stale timestamp": (NeverStale, "test_old_and_future_webhooks_are_stale"),
    "one of two secrets refused during rotation": (OneSecret, "test_two_secrets_live_during_rotation"),
    "an odd header makes it fall over": (FallsOverHeaders, "test_odd_headers_are_forged_and_nothing_worse"),
    "KeyError out of a parser": (KeyErrors, "test_signed_rubbish_is_survived"),
    "unstable event id": (UnstableIds, "test_the_same_webhook_has_the_same_ids"),
    "a wrong event": (WrongEvent, "test_each_case_gives_its_reports"),
    "a report that the channel does not declare": (WrongEvent, "test_every_report_is_sound"),
    "an unknown event type": (UnknownType, "test_every_report_is_sound"),
    "a report about nothing": (AboutNothing, "test_every_report_is_sound"),
    "secret in str()": (LoudStr, "test_str_is_a_dsn_without_secrets_and_addresses"),
    "values in a settings error": (LoudSettings, "test_settings_name_fields_and_never_values"),
    "a secret that is no SecretStr": (PlainSecret, "test_secrets_are_secret_fields"),
    "429 as permanent": (PermanentLimit, "test_a_rate_limit_tells_when"),
    "Retry-After ignored": (NoRetryAfter, "test_a_rate_limit_tells_when"),
    "500 as temporary": (TemporaryServerError, "test_each_status_has_its_answer"),
    "401 as the message's fault": (BlamesTheMessage, "test_each_status_has_its_answer"),
    "an odd error body makes it fall over": (FallsOverErrors, "test_each_status_has_its_answer"),
    "an error that quotes the provider": (QuotesTheProvider, "test_errors_and_logs_keep_quiet"),
    "an address in a log line": (Logs, "test_errors_and_logs_keep_quiet"),
    "non-JSON 200 as a success": (AnySuccess, "test_rubbish_with_200_is_unknown"),
    "an odd success makes it fall over": (FallsOverSuccess, "test_rubbish_with_200_is_unknown"),
    "timeout as temporary": (TemporaryTimeout, "test_the_deadline_is_obeyed_and_a_timeout_is_unknown"),
    "silence taken for TryLater": (TemporaryLoss, "test_a_lost_answer_is_unknown"),
    "cancelling swallowed": (Stubborn, "test_cancelling_is_not_swallowed"),
    "ignored deadline": (Stubborn, "test_the_deadline_is_obeyed_and_a_timeout_is_unknown"),
    "redirect followed": (Follows, "test_redirects_are_never_followed"),
    "send after close": (Reopens, "test_it_closes_twice_and_sends_nothing_afterwards"),
    "aclose twice": (ClosesOnce, "test_it_closes_twice_and_sends_nothing_afterwards"),
    "an address that becomes a header": (InjectsAddress, "test_an_address_becomes_no_header"),
    "wrong idempotency claim: key": (NewKeys, "test_its_claim_of_idempotency_is_true"),
    "wrong idempotency claim: echo": (NoReference, "test_its_claim_of_idempotency_is_true"),
    "wrong idempotency claim: lookup": (ClaimsLookup, "test_its_claim_of_idempotency_is_true"),
    "trouble taken for absence": (GuessesAbsence, "test_its_claim_of_idempotency_is_true"),
    "a lookup that sends": (SendsAgain, "test_its_claim_of_idempotency_is_true"),
    "a check that sees nothing": (BlindCheck, "test_a_check_finds_what_is_wrong"),
    "its own send": (OwnSend, "test_it_declares_itself_truly"),
    "capability withdraw that lies": (LiesAboutWithdraw, "test_withdraw_is_there_where_the_channel_says_so"),
}


async def _run(contract: Any, name: str) -> None:
    outcome = getattr(contract, name)()
    if inspect.isawaitable(outcome):
        await outcome


@pytest.mark.parametrize("fault", CHANNEL_FAULTS)
async def test_a_fault_planted_in_a_channel_is_caught(fault: str) -> None:
    planted, name = CHANNEL_FAULTS[fault]
    contract = ForFax()
    contract.channel_class = planted
    with pytest.raises(AssertionError):
        await _run(contract, name)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omnibus.testing.contracts.subject.PATIENCE", 1.5)
    monkeypatch.setattr("omnibus.testing.contracts.sending.PATIENCE", 0.5)


@pytest.mark.parametrize("fault", PROVIDER_FAULTS)
async def test_a_fault_planted_in_a_provider_is_caught(fault: str, impatient: None) -> None:
    planted, name = PROVIDER_FAULTS[fault]
    kind = ForFinder if issubclass(planted, fax.Finder) else ForAcme
    contract = type("Planted", (kind,), {"provider_class": planted})()
    with pytest.raises((AssertionError, AttributeError)):
        await _run(contract, name)
    while LEFT_OPEN:
        await LEFT_OPEN.pop().aclose()


async def test_a_contract_without_cases_is_red(tmp_path: Path) -> None:
    for folder in (None, tmp_path):
        contract = type("Planted", (ForAcme,), {"folder": folder})()
        with pytest.raises(AssertionError):
            await _run(contract, "test_each_case_gives_its_reports")


async def test_an_exemption_says_why_and_exists() -> None:
    for without in ({"webhooks": ""}, {"holidays": "we like them"}):
        with pytest.raises(AssertionError):
            await _run(type("Planted", (ForAcme,), {"without": without})(), "test_it_declares_itself_truly")
