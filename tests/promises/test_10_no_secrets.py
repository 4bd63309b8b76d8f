"""Promise 10: no secret, address or message body in a log, an error or a repr."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import structlog

from omnibus import (
    CallToAction,
    Content,
    Element,
    Fact,
    InputError,
    Media,
    Message,
    Preview,
    Refused,
    Request,
    Response,
    Unknown,
    Unreachable,
)
from omnibus.campaigns.lists import ListEntry
from omnibus.intake.rows import Record
from omnibus.model.draft import OptOut
from omnibus.model.offer import Handover, Terms
from omnibus.outbound.hand_over import Parcel
from omnibus.store import OpenAttempt, Outcome
from omnibus.testing import sample_draft
from omnibus.testing.contracts.store import NOW, delivery

pytestmark = pytest.mark.promise

CANARIES = (
    "canary.ada@example.com", "+442079461234", "CanaryName", "hook-secret-canary", "canary body text", "canary reply",
    "canary-sku-in-cart",
)  # fmt: skip


def leaks(text: str) -> list[str]:
    return [each for each in CANARIES if each.lower() in text.lower()]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.DEBUG)
    lines: list[str] = []

    def keep(logger: Any, name: str, event: Any) -> Any:
        lines.append(f"{name} {event!r}")
        return repr(event)

    old = structlog.get_config()
    structlog.configure(processors=[keep])
    yield lambda: "\n".join([*lines, *(f"{each.getMessage()} {each.args!r}" for each in caplog.records), caplog.text])
    structlog.configure(**old)


async def test_a_whole_run_of_the_bus(shop: Any, logged: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shop.channel("mail", "one", "two")
    shop.channel("text", identity="phone")
    shop.tables = [each.replace('"fake"', '"hook-secret-canary"') for each in shop.tables]
    shop.message(
        "hello",
        "# Hello {{ customer.first_name }}\n\ncanary body text {{ cart.lines[0].name }}\n",
        via=["mail", "text"],
    )
    shop.message("broken", "# Hello\n\n{{ nothing.there.at_all }} canary body text\n", via=["mail"])
    bus = await shop.open()
    ada = await shop.ada(email="canary.ada@example.com", phone="+442079461234", name="CanaryName Byron")
    cart = {"id": "c", "lines": [{"sku": "canary-sku-in-cart", "quantity": 1, "price": "5"}]}
    await bus.track(ada, "cart.updated", cart, id="c")
    seen: list[Any] = []
    for answer in (None, Refused("550"), Unreachable("550 5.1.1"), Unknown("lost"), KeyError("canary.ada@example.com")):
        if answer is not None:
            shop.wire("mail", "one").answers(answer)  # type: ignore[arg-type]
        seen += await bus.send("hello", ada)
        await bus.drain()
    seen += await bus.send("broken", ada)
    await shop.until(timedelta(days=1))
    told = {
        "id": "r",
        "type": "conversation.received",
        "identity": ["email", "canary.ada@example.com"],
        "data": {"text": "canary reply"},
    }
    for secret in ("wrong", "hook-secret-canary"):
        answer = await shop.report("mail", told, scheme="one", secret=secret)
        assert not leaks(answer.body.decode())
    rows = [await shop.row(each) for each in seen]
    decisions = [await bus.why(each.id) for each in seen]
    objects = [
        rows, decisions, bus.parts.settings, bus.lines, list(bus.providers.values()), [str(each) for each in bus.providers.values()],
        await bus.context(ada), await bus.timeline(ada), ada, bus.parts.road, shop.wire("mail", "one").handed,
        (await bus.parts.store.load([ada.id]))[ada.id], [await bus.parts.store.attempts(each.id) for each in seen],
    ]  # fmt: skip
    assert [found for each in objects if (found := leaks(repr(each)))] == []
    assert {row.reason for row in rows}
    assert leaks(logged()) == []
    out = capsys.readouterr()
    assert leaks(out.out + out.err) == []


CANARY = "canary body text"


@pytest.mark.parametrize(
    "held",
    [
        replace(
            sample_draft("mail"), headline=CANARY, markdown=CANARY, text=CANARY, facts=(Fact("code", CANARY),),
            cta=CallToAction(CANARY, CANARY), opt_out=OptOut(CANARY, CANARY), offer=Terms("comeback", CANARY, "15 %", 15),
            preheader=CANARY,
        ),
        Message(
            "hello", headline=CANARY, body=CANARY, blocks={"sms": CANARY}, cta=CallToAction(CANARY, CANARY),
            media=(Media(CANARY, CANARY),), preheader=CANARY, data={"name": CANARY},
        ),
        Fact("code", CANARY),
        Element("paragraph", CANARY, 0),
        Preview(CANARY),
        Request("GET", f"https://talk.example.com/u/{CANARY}", {"authorization": CANARY}, CANARY.encode()),
        Response.of_text(CANARY),
        Handover(CANARY, CANARY, "ada", NOW),
        ListEntry(2, "email", CANARY),
        Record(2, {"email": CANARY}, raw=CANARY),
        Outcome("a1", "accepted", details=CANARY),
        OpenAttempt("a1", "d1", "ada", 1, "mail", "one", "email:a", NOW, "accepted", "", "p", 1, details=CANARY),
        Parcel(
            delivery("d1", "ada"), None, None, None, Content(text=CANARY), CANARY, None  # type: ignore[arg-type] # not shown
        ),
    ],
    ids=lambda held: type(held).__name__,
)  # fmt: skip
def test_what_holds_words_addresses_or_tokens_shows_none(held: object) -> None:
    assert leaks(repr(held)) == []


async def test_a_context_and_the_settings_name_themselves_and_nothing_they_hold(shop: Any) -> None:
    shop.channel("mail")
    bus = await shop.open()
    ada = await shop.ada(email="canary.ada@example.com", name="CanaryName Byron")
    context = await bus.context(ada)
    assert repr(context) == f"Context({ada.id}, version={context.version})"
    assert repr(bus.parts.settings) == str(bus.parts.settings) == "Settings(omnibus.toml)"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda bus: bus.customers.upsert(email="canary.ada@example.com\r\nBcc: x"),
        lambda bus: bus.customers.upsert(phone="+442079461234canary"),
        lambda bus: bus.customers.get("email:canary.ada@example.com"),
        lambda bus: bus.customers.get("phone:CanaryName"),
        lambda bus: bus.track("email:canary.ada@example.com", "cart.updated", {}),
        lambda bus: bus.send("canary", "email:canary.ada@example.com"),
    ],
)
async def test_errors_quote_no_address(shop: Any, wrong: Any) -> None:
    shop.channel("mail")
    bus = await shop.open()
    with pytest.raises(InputError) as error:
        await wrong(bus)
    assert leaks(f"{error.value} {error.value!r}") == []


async def test_the_store_keeps_no_code_in_the_clear(shop: Any) -> None:
    shop.offers = '[offers.comeback]\npercent = 15\nvalid = "3d"\n'
    shop.channel("mail")
    bus = await shop.open()
    code = (await bus.parts.promises.issue("comeback", (await shop.ada()).id)).code
    await bus.aclose()
    stored = b"".join(each.read_bytes() for each in shop.folder.glob("shop.db*"))
    for form in (code, code.replace("-", "")):
        assert form.encode() not in stored
