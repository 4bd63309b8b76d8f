"""The till API for tills that lose their network: a key to keep, passes to read, and claims told later.

======================  =========================================================================
GET  /pos/key           → ``{"key"}``: the public key with which a till reads passes
POST /pos/pass          ``{"customer"}`` → ``{"pass"}``: for the shop's server or app, by its own terminal key
POST /pos/late          ``{"pass", "basket", "at", "lines", "currency", "paid"?}`` → who won
======================  =========================================================================
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from pydantic import AwareDatetime, Field

from omnibus import Cart, Forged, InputError, Profile
from omnibus_pos.call import Call, Told
from omnibus_pos.clerk import masked
from omnibus_pos.passes import Pass, Passes, opened, public, seconds, seed_of, sign
from omnibus_pos.sales import Sale, SoldLine, sell

LIFE = timedelta(days=7)  # of a pass whose offer has no end


class Asking(Told):
    """Ask for a customer's pass."""

    customer: str = Field(min_length=1, max_length=100)


class Late(Told):
    """Tell a sale that a till made while it was offline; *at* is when."""

    token: str = Field(alias="pass", min_length=10, max_length=5000)
    basket: str = Field(min_length=1, max_length=128)
    at: AwareDatetime
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    lines: tuple[SoldLine, ...] = Field(min_length=1, max_length=500)
    paid: Decimal | None = Field(default=None, ge=0, max_digits=14, allow_inf_nan=False)


async def key(call: Call) -> dict[str, Any]:
    """Give the public key."""
    return {"key": public(_seed(call)), "algorithm": "Ed25519"}


async def hand_out(call: Call) -> dict[str, Any]:
    """Write a pass for what the customer may redeem and has in the cart."""
    told = call.told(Asking)
    context = await call.desk.context(told.customer)
    offers = await call.desk.offers(context.customer.id)
    if not offers:
        raise InputError("this customer holds no offer", where="customer", fix="issue one first, e.g. by a message")
    offer, now, cart = offers[0], call.desk.now(), context[Cart]
    made = Pass(
        customer=context.customer.id, offer=offer.offer, code=offer.code, percent=offer.percent, issued=seconds(now),
        expires=seconds(offer.expires or now + LIFE), name=masked(context[Profile].full_name), currency=cart.currency,
        cart=tuple((each.sku, each.name, each.quantity, each.price) for each in cart.lines[:10]),
    )  # fmt: skip
    try:
        return {"pass": sign(made, _seed(call)), "expires": made.expires}
    except ValueError:
        raise InputError("the cart is too long for a pass", where="customer", fix="use the hand-over token") from None


async def late(call: Call) -> dict[str, Any]:
    """Note a sale of an offline till, and who won the code: the earliest by the time of the sale, whoever tells first."""
    told = call.told(Late)
    try:
        shown = opened(told.token, public(_seed(call)))
    except Forged as error:
        raise InputError(
            str(error), where="pass", fix="this sale had no right to the offer; take it up with staff"
        ) from None
    at = min(told.at, call.desk.now())
    inside = shown.issued <= seconds(at) < shown.expires
    await call.desk.context(shown.customer)
    if inside:
        data = {"offer": shown.offer, "basket": told.basket, "terminal": call.terminal, "place": "till"}
        id_ = f"{shown.offer}:{told.basket}:claimed"
        await call.desk.track(shown.customer, "pass.claimed", data, id=id_, at=at, source="pos")
        await call.desk.redeem(shown.code, basket=told.basket, customer=shown.customer, source=call.source)
    winner = (await call.desk.context(shown.customer))[Passes].winner(shown.offer)
    won = inside and winner == told.basket
    given = {"code": shown.code, "won": won, "offer": shown.offer, "percent": shown.percent if inside else 0}
    basket = Sale(basket=told.basket, customer=shown.customer, currency=told.currency, lines=told.lines, paid=told.paid)
    sold = await sell(call, basket, [given], at=at)
    return {**sold, "won": won, "winner": winner, "reason": "" if won else "redeemed" if inside else "expired"}


def _seed(call: Call) -> bytes:
    told = call.desk.settings.pass_key
    if told is None:
        raise InputError(
            "passes are not set up",
            where="[channels.pos] pass_key",
            fix="give 32 random bytes as hex: `openssl rand -hex 32`",
        )
    return seed_of(told.get_secret_value())
