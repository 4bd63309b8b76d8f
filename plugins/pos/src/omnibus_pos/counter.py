"""The till API: look a customer up, see their card, take a hand-over, redeem, sell, take back.

========================  =======================================================================
GET  /pos/customer        ``?phone= | email= | code= | loyalty=`` → card
POST /pos/handover        ``{"token"}`` (scanned, or the short code typed) → card, confirmed
GET  /pos/card/{customer} → card; ``?confirmed=yes`` shows the whole name
POST /pos/dismiss         ``{"customer", "delivery"}`` → the card is off the screen
POST /pos/redeem          ``{"code", "basket", "customer"?}`` → who won
POST /pos/sale            see ``sales.py``; also ``/pos/return``, ``/pos/exchange``, ``/pos/visit``
GET  /pos/key             see ``offline.py``; also ``/pos/pass`` and ``/pos/late``
GET  /pos/                the clerk's page
========================  =======================================================================

Each call bears ``Authorization: Bearer <terminal key>``; the page itself holds no data and needs none.
"""

from __future__ import annotations

from typing import Any

from pydantic import AliasChoices, Field

from omnibus import Customer, Endpoint, InputError, NotFound
from omnibus_pos.call import Call, Guesses, Told, endpoint
from omnibus_pos.clerk import card_of, show
from omnibus_pos.offline import hand_out, key, late
from omnibus_pos.page import pages
from omnibus_pos.sales import exchange, give_back, redemption, sale, visit

KINDS = ("phone", "email", "code", "loyalty")


class Claim(Told):
    """Hold a scanned token or a typed short code, whichever name it has."""

    token: str = Field(validation_alias=AliasChoices("token", "code"), min_length=4, max_length=2000)


class Dismissal(Told):
    """Say that a card was told and is not needed again."""

    customer: str = Field(min_length=1, max_length=100)
    delivery: str = Field(min_length=1, max_length=100)


class Code(Told):
    """Redeem one code for a basket."""

    code: str = Field(min_length=1, max_length=64)
    basket: str = Field(min_length=1, max_length=128)
    customer: str = Field(default="", max_length=100)


def endpoints() -> tuple[Endpoint, ...]:
    """Give all routes of the till, with one memory of wrong guesses."""
    guesses = Guesses()
    calls = (
        ("GET", "/customer", look_up), ("POST", "/handover", take_over), ("GET", "/card/{customer}", look_at),
        ("POST", "/dismiss", dismiss), ("POST", "/redeem", redeem), ("POST", "/sale", sale),
        ("POST", "/return", give_back), ("POST", "/visit", visit), ("POST", "/exchange", exchange), ("GET", "/key", key), ("POST", "/pass", hand_out),
        ("POST", "/late", late),
    )  # fmt: skip
    return (*(endpoint(method, path, act, guesses) for method, path, act in calls), *pages())


async def look_up(call: Call) -> dict[str, Any]:
    """Find a customer by one identity and show their card, the name masked."""
    asked = {kind: call.request.query[kind].strip() for kind in KINDS if call.request.query.get(kind, "").strip()}
    if len(asked) != 1:
        raise InputError("name exactly one of phone, email, code, loyalty", where="query", fix="?phone=%2B44…")
    call.guess()
    ((kind, value),) = asked.items()
    if kind == "code" and await call.desk.find(kind, value) is None:
        return await _claimed(call, value)
    found = await _found(call, kind, value)
    return await show(call, found.id, confirmed=False)


async def _found(call: Call, kind: str, value: str) -> Customer:
    try:
        found = await call.desk.find(kind, value)
    except InputError:
        call.missed()
        raise
    if found is None or found.public:
        call.missed()
        raise NotFound("no customer is known by this", where=kind, fix="ask for another phone number, email or card")
    return found


async def take_over(call: Call) -> dict[str, Any]:
    """Take what a customer carries over from the web shop; who holds the code is confirmed by it."""
    told = call.told(Claim)
    call.guess()
    return await _claimed(call, told.token)


async def _claimed(call: Call, token: str) -> dict[str, Any]:
    try:
        customer = await call.desk.claim_handover(token, source=call.source)
    except NotFound:
        call.missed()
        raise
    return await show(call, customer, confirmed=True)


async def look_at(call: Call) -> dict[str, Any]:
    """Show the card of a customer that a look-up named."""
    confirmed = call.request.query.get("confirmed", "no")
    if confirmed not in ("yes", "no"):
        raise InputError("confirmed is yes or no", where="confirmed", fix="?confirmed=yes")
    return await show(call, call.request.query["customer"], confirmed=confirmed == "yes")


async def dismiss(call: Call) -> dict[str, Any]:
    """Take a card off the screen after the clerk told it."""
    told = call.told(Dismissal)
    data = {"delivery": told.delivery, "channel": "pos", "place": "till"}
    await call.desk.track(told.customer, "tillcard.dismissed", data, id=f"{told.delivery}:told", source="pos")
    return {"customer": told.customer, "cards": card_of(call, await call.desk.context(told.customer))["cards"]}


async def redeem(call: Call) -> dict[str, Any]:
    """Redeem a code for a basket; asking again for the same basket gives the same answer."""
    told = call.told(Code)
    call.guess()
    if told.customer:
        await call.desk.context(told.customer)
    return await redemption(call, told.code, told.basket, told.customer)
