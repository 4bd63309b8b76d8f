"""Sales, returns and visits at the till, as facts on the timeline.

A basket's id is the idempotency key: the same basket sold again changes nothing and gets the same answer,
another sale under the same id is a conflict. Codes are redeemed before the order is noted, and exactly one
basket wins each.
"""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

from pydantic import Field

from omnibus import Conflict, Context, InputError, Orders
from omnibus_pos.call import Call, Told

CENT = Decimal("0.01")


class SoldLine(Told):
    """Hold one product of a basket; *price* is one piece's before codes."""

    sku: str = Field(min_length=1, max_length=100)
    name: str = Field(default="", max_length=200)
    quantity: int = Field(default=1, ge=1, le=100_000)
    price: Decimal = Field(ge=0, max_digits=14, allow_inf_nan=False)


class Sale(Told):
    """Hold a paid basket.

    Args:
        customer: empty for somebody unknown; then only codes are redeemed, for there is no timeline to write on.
        paid: what the till took; without it, the sum less what the codes take off.
    """

    basket: str = Field(min_length=1, max_length=128)
    customer: str = Field(default="", max_length=100)
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    lines: tuple[SoldLine, ...] = Field(min_length=1, max_length=500)
    codes: tuple[str, ...] = Field(default=(), max_length=10)
    paid: Decimal | None = Field(default=None, ge=0, max_digits=14, allow_inf_nan=False)


class GivenBack(Told):
    """Hold goods that came back; *return* is the till's own id of it.

    Args:
        lines: what came back; empty means the whole order.
    """

    id: str = Field(alias="return", min_length=1, max_length=128)
    order: str = Field(min_length=1, max_length=128)
    customer: str = Field(min_length=1, max_length=100)
    lines: tuple[SoldLine, ...] = Field(default=(), max_length=500)


class Exchange(Told):
    """Hold a return and the basket that is given for it; codes are not redeemed on an exchange."""

    back: GivenBack = Field(alias="return")
    sale: Sale


class Visit(Told):
    """Say that somebody came to the till or left; *visit* is the till's own id of it."""

    customer: str = Field(min_length=1, max_length=100)
    visit: str = Field(min_length=1, max_length=128)
    state: Literal["started", "ended"]


async def redemption(call: Call, code: str, basket: str, customer: str) -> dict[str, Any]:
    """Redeem one code; a code that nobody knows counts as a wrong guess."""
    answer = await call.desk.redeem(code, basket=basket, customer=customer, source=call.source)
    if not answer.won and not answer.offer:
        call.missed()
    return {
        "code": code, "won": answer.won, "offer": answer.offer, "percent": answer.percent if answer.won else 0,
        "reason": answer.reason, "customer": answer.customer,
    }  # fmt: skip


async def sale(call: Call) -> dict[str, Any]:
    """Redeem the codes of a paid basket, then note it as an order.

    Raises:
        NotFound: no such customer.
        Conflict: this basket was sold with other lines.
    """
    told = call.told(Sale)
    if told.codes:
        call.guess()
    _sold_before(await call.desk.context(told.customer) if told.customer else None, told)
    codes = [await redemption(call, code, told.basket, told.customer) for code in dict.fromkeys(told.codes)]
    return await sell(call, told, codes)


async def sell(call: Call, told: Sale, codes: list[dict[str, Any]], at: datetime | None = None) -> dict[str, Any]:
    """Note a basket as an order, whatever became of its codes.

    Args:
        codes: redemption answers; a code with a percentage lowers what is due.
        at: when it was sold; now by default.
    """
    who = told.customer or next((each["customer"] for each in codes if each["won"] and each["customer"]), "")
    repeated = _sold_before(await call.desk.context(who) if who else None, told)
    total = _worth(told.lines)
    discount = discounted(total, [each["percent"] for each in codes])
    due = total - discount
    answer = {
        "basket": told.basket, "customer": who, "currency": told.currency, "total": f"{total:.2f}",
        "discount": f"{discount:.2f}", "due": f"{due:.2f}", "paid": f"{told.paid if told.paid is not None else due:.2f}",
        "codes": codes, "order": told.basket if who else None, "repeated": repeated,
    }  # fmt: skip
    if who and not repeated:
        order = _order(told, answer)
        repeated = not await call.desk.track(who, "order.placed", order, id=told.basket, at=at, source=call.source)
    return {**answer, "repeated": repeated}


def discounted(total: Decimal, percents: list[int]) -> Decimal:
    """Sum what codes take off, each from what the ones before it left, rounded half up to hundredths."""
    left = total
    for percent in percents:
        left = (left * (100 - percent) / 100).quantize(CENT, ROUND_HALF_UP)
    return total - left


def _order(told: Sale, answer: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": told.basket, "place": "till", "currency": told.currency, "total": answer["paid"],
        "discount": answer["discount"], "lines": _lines(told.lines),
        "codes": [each["code"] for each in answer["codes"] if each["won"]],
    }  # fmt: skip


def _lines(lines: tuple[SoldLine, ...]) -> list[dict[str, Any]]:
    return [
        {"sku": line.sku, "name": line.name or line.sku, "quantity": line.quantity, "price": f"{line.price:.2f}"}
        for line in lines
    ]


def _sold_before(context: Context | None, told: Sale) -> bool:
    """Tell whether this basket is an order already.

    Raises:
        Conflict: it is, with other lines.
    """
    orders = context[Orders].recent if context is not None else ()
    before = next((order for order in orders if order.id == told.basket), None)
    if before is None:
        return False
    sold = [(line.sku, line.quantity, line.price) for line in before.lines]
    if sold != [(line.sku, line.quantity, f"{line.price:.2f}") for line in told.lines][: len(sold)]:
        raise Conflict("this basket was sold with other lines")
    return True


async def give_back(call: Call) -> dict[str, Any]:
    """Note a return; the same *return* id again changes nothing.

    Raises:
        NotFound: no such customer.
        InputError: lines that the order did not have.
    """
    return await _give_back(call, call.told(GivenBack))


async def _give_back(call: Call, told: GivenBack, exchange: str = "") -> dict[str, Any]:
    orders = (await call.desk.context(told.customer))[Orders].recent
    order = next((each for each in orders if each.id == told.order), None)
    sold = {line.sku for line in order.lines} if order is not None else None
    for place, line in enumerate(told.lines):
        if sold is not None and line.sku not in sold:
            raise InputError("the order has no such line", where=f"lines.{place}.sku", fix="name a sku of the order")
    data = {"id": told.order, "return": told.id, "place": "till", "lines": _lines(told.lines)}
    if exchange:
        data["exchange"] = exchange
    new = await call.desk.track(told.customer, "order.returned", data, id=told.id, source=call.source)
    return {"return": told.id, "order": told.order, "customer": told.customer, "repeated": not new}


def _worth(lines: tuple[SoldLine, ...]) -> Decimal:
    return sum((line.price * line.quantity for line in lines), Decimal()).quantize(CENT, ROUND_HALF_UP)


async def exchange(call: Call) -> dict[str, Any]:
    """Take goods back and give others for them: a return and an order, each once, that name each other.

    Raises:
        NotFound: no such customer.
        InputError: lines that the order did not have.
        Conflict: the new basket was sold with other lines.
    """
    told = call.told(Exchange)
    _sold_before(await call.desk.context(told.back.customer), told.sale)
    back = await _give_back(call, told.back, exchange=told.sale.basket)
    sold = await sell(call, told.sale.model_copy(update={"customer": told.back.customer}), [])
    return {"back": back, "sold": sold, "difference": f"{Decimal(sold['due']) - _worth(told.back.lines):.2f}"}


async def visit(call: Call) -> dict[str, Any]:
    """Note that a customer came to the till, or left it."""
    told = call.told(Visit)
    data = {"place": "till", "terminal": call.terminal}
    id_, type_ = f"{told.visit}:{told.state}", f"visit.{told.state}"
    new = await call.desk.track(told.customer, type_, data, id=id_, source=call.source)
    return {"visit": told.visit, "customer": told.customer, "state": told.state, "repeated": not new}
