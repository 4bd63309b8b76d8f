"""What a clerk sees of a customer: open cart, offers, what they were last told, and what not to offer again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from omnibus import Cart, Context, Engagement, Offers, Orders, Profile
from omnibus_pos.call import Call
from omnibus_pos.cards import TillCard, TillCards
from omnibus_pos.points import Points

CONTACTS, BOUGHT, ORDERS = 8, 20, 5  # how many of each a screen holds
#: touches that a clerk should know of: what we said, and what they did about it
TOLD = frozenset({"sent", "opened", "clicked", "replied", "received", "placed"})


async def show(call: Call, customer: str, *, confirmed: bool) -> dict[str, Any]:
    """Give a customer's card, and note each waiting card on it as shown (once).

    Raises:
        NotFound: no such customer.
    """
    context = await call.desk.context(customer)
    now = call.desk.now()
    for card in on_screen(context, now):
        if card.shown is None:
            data = {**card.about, "place": "till", "terminal": call.terminal}
            id_ = f"{card.delivery}:shown"
            await call.desk.track(context.customer.id, "message.delivered", data, id=id_, source="pos")
    offers = await call.desk.offers(context.customer.id)
    shown = card_of(call, context, confirmed=confirmed)
    shown["offers"] = [
        {
            "offer": each.offer, "code": each.code, "label": each.label, "percent": each.percent,
            "expires": each.expires.isoformat() if each.expires else None, "deadline": each.deadline,
        }
        for each in offers
    ]  # fmt: skip
    return shown


def card_of(call: Call, context: Context, *, confirmed: bool = False) -> dict[str, Any]:
    """Put together what the context knows; pure but for the clock of the desk."""
    profile, cart = context[Profile], context[Cart].view()
    return {
        "customer": context.customer.id,
        "name": profile.full_name if confirmed else masked(profile.full_name),
        "confirmed": confirmed,
        "prefers": profile.prefers,
        "points": context[Points].points,
        "cart": {key: cart[key] for key in ("id", "currency", "lines", "total", "open")},
        "offers": [],
        "cards": [_card(each) for each in on_screen(context, call.desk.now())],
        "contacts": _contacts(context),
        "avoid": _avoid(context),
        "orders": _orders(context),
    }


def on_screen(context: Context, now: datetime) -> list[TillCard]:
    """List the cards that wait, but for those whose offer was used meanwhile."""
    held = context[Offers].held
    return [
        card for card in context[TillCards].on_show(now) if card.offer not in held or held[card.offer].redeemed is None
    ]


def masked(name: str) -> str:
    """Show the first letter of each word: ``Ada Lovelace`` → ``A•• L••``, so that nobody reads a stranger's name."""
    return " ".join(f"{word[0]}••" for word in name.split())


def _card(card: TillCard) -> dict[str, Any]:
    return {
        "delivery": card.delivery, "message": card.about.get("message", ""), "headline": card.headline,
        "text": card.text, "code": card.code, "label": card.label, "deadline": card.deadline,
        "placed": card.at.isoformat(), "expires": card.expires.isoformat() if card.expires else None,
    }  # fmt: skip


def _contacts(context: Context) -> list[dict[str, Any]]:
    """List the last contacts, newest first."""
    told = [touch for touch in context[Engagement].touches if touch.what in TOLD]
    return [
        {"at": touch.at.isoformat(), "what": touch.what, "channel": touch.channel, "message": touch.message}
        for touch in reversed(told[-CONTACTS:])
    ]


def _avoid(context: Context) -> dict[str, Any]:
    """Name what not to offer again: bought and kept, or redeemed."""
    bought: dict[str, dict[str, Any]] = {}
    for order in context[Orders].recent:
        for line in order.lines:
            if order.returned:
                bought.pop(line.sku, None)
            else:
                bought[line.sku] = {"sku": line.sku, "name": line.name, "at": order.at.isoformat()}
    held = context[Offers].held.items()
    redeemed = [{"offer": name, "at": each.redeemed.isoformat()} for name, each in held if each.redeemed]
    return {"bought": list(bought.values())[-BOUGHT:], "redeemed": redeemed}


def _orders(context: Context) -> list[dict[str, Any]]:
    """List the last orders, newest first, so that one can be taken back."""
    return [
        {
            "id": each.id, "at": each.at.isoformat(), "place": each.place, "total": each.total,
            "currency": each.currency, "returned": each.returned,
            "lines": [{"sku": line.sku, "name": line.name, "quantity": line.quantity, "price": line.price}
                      for line in each.lines],
        }
        for each in reversed(context[Orders].recent[-ORDERS:])
    ]  # fmt: skip
