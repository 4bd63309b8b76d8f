"""The customer's cards as server-sent events: each event is the whole list, so a lost one never matters.

The id of an event is a digest of what it shows. A page that comes back says what it saw last
(``Last-Event-ID``) and hears again only when something changed, whichever process or restart answers.

Source: WHATWG HTML §9.2 (server-sent events); https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

from omnibus import Cart, Context, Desk, Engagement, Forged, Orders
from omnibus_web.cards import Cards

KEEP_ALIVE = 15.0  # seconds between comments: proxies close what is silent for 30 to 60
RETRY = 2_000  # milliseconds after which a page comes back
VIEWS = 4  # products on the sidebar

HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",  # nginx would hold the events back
}


def shown(context: Context, desk: Desk) -> dict[str, Any]:
    """Give what the pages of this customer show now: cards, newest first, and products for the sidebar."""
    cards = [{**card.face, "id": card.id} for card in context[Cards].on_show(desk.now())]
    return {"cards": cards, "views": interests(context)}


def interests(context: Context) -> list[dict[str, str]]:
    """List the products they looked at, the last first: not what they bought since, nor what lies in the cart."""
    bought = {line.sku: order.at for order in context[Orders].recent for line in order.lines}
    inside = {line.sku for line in context[Cart].lines}
    views = [
        view
        for view in context[Engagement].views
        if view.sku not in inside and (view.sku not in bought or bought[view.sku] < view.at)
    ]
    return [
        {"sku": x.sku, "name": x.name, "price": f"{x.price} {x.currency}".strip(), "url": x.url, "image": x.image}
        for x in reversed(views) if x.name and x.url
    ][:VIEWS]  # fmt: skip


def frame(state: dict[str, Any]) -> tuple[str, bytes]:
    """Write one event; returns its id and its bytes. JSON on one line cannot break the frame."""
    body = json.dumps(state, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    mark = hashlib.sha256(body.encode()).hexdigest()[:16]
    return mark, f"id: {mark}\nevent: cards\ndata: {body}\n\n".encode()


async def frames(
    desk: Desk, customer: str, valid: Callable[[], object], last: str = "", keep_alive: float = KEEP_ALIVE
) -> AsyncGenerator[bytes]:
    """Give the frames of one page: now, after every change, when a card expires; ends when the token does.

    Args:
        valid: raises Forged once the page's token is over; the page then renews it and comes back.
        last: what the page saw last; the same state is not sent again.
    """
    yield f"retry: {RETRY}\n\n".encode()
    changes = aiter(desk.stream(customer))
    waiting: asyncio.Future[Context] | None = None
    context: Context | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(_next(changes))
            done, _ = await asyncio.wait({waiting}, timeout=keep_alive)
            if done:
                context, waiting = waiting.result(), None
            valid()
            mark, event = frame(shown(context, desk)) if context is not None else (last, b"")
            if mark != last:
                last = mark
                yield event
            else:
                yield b": still here\n\n"
    except (StopAsyncIteration, Forged):
        return
    finally:
        await _stop(waiting, changes)


async def _next(changes: AsyncIterator[Context]) -> Context:
    return await anext(changes)


async def _stop(waiting: asyncio.Future[Context] | None, changes: AsyncIterator[Context]) -> None:
    """Leave nothing hanging when the page goes away."""
    if waiting is not None:
        waiting.cancel()
        await asyncio.wait({waiting})
    if isinstance(changes, AsyncGenerator):
        await changes.aclose()
