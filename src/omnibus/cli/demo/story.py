"""The story: J1, one product in three places; J2, a cart that finds its way to the till.

Each step is done once: what is done is noted in the store, and a step that was cut short is told again with the
same keys, which changes nothing twice.
"""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from omnibus.bus import Bus
from omnibus.cli.demo.stage import Stage
from omnibus.model.customer import Customer

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)  # a Monday
DAY = timedelta(days=1)

SHOP = "https://shop.acme.example"
LINES = [
    {"sku": "harbour-mug", "name": "Harbour mug", "quantity": 1, "price": "24.00",
     "url": f"{SHOP}/harbour-mug", "image": f"{SHOP}/harbour-mug.png"},
    {"sku": "rope-coaster", "name": "Rope coaster", "quantity": 2, "price": "6.50", "url": f"{SHOP}/rope-coaster"},
]  # fmt: skip


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """Give a moment of the story; day 0 is the Monday."""
    return START.replace(hour=hour, minute=minute) + day * DAY


@dataclass(slots=True)
class Play:
    """Hold what the steps share; ``facts`` is what the checks look at, and it survives a crash in the store's notes."""

    stage: Stage
    tell: Callable[[str], None]
    facts: dict[str, Any] = field(default_factory=dict)
    visitor: Any = None

    @property
    def bus(self) -> Bus:
        """Give the bus."""
        return self.stage.bus

    async def ada(self) -> Customer:
        """Give Ada, who she is now."""
        return await self.bus.customers.get("email:ada@example.com")

    async def note(self, name: str, value: str) -> None:
        """Remember a fact durably."""
        self.facts[name] = value
        await self.bus.parts.store.note("demo", name, value)

    async def recall(self, name: str) -> str:
        """Recall a fact of this or of a killed run."""
        return self.facts.get(name) or await self.bus.parts.store.note("demo", name) or ""


Act = Callable[[Play], Awaitable[None]]


async def people(play: Play) -> None:
    """Meet three customers."""
    customers = play.bus.customers
    ada = await customers.upsert(
        email="ada@example.com",
        phone="+442079460000",
        name="Ada Lovelace",
        locale="en-GB",
        zone="Europe/London",
        prefers="sms",
    )
    ben = await customers.upsert(email="ben@example.com", name="Ben Hafen", locale="de-DE", zone="Europe/Berlin")
    cleo = await customers.upsert(
        email="cleo@example.com", instagram="17841400000000042", name="Cleo Quay", zone="Europe/Athens"
    )
    for who, channels in ((ada, ("email", "sms")), (ben, ("email",)), (cleo, ("instagram",))):
        for channel in channels:
            data = {"channel": channel, "purpose": "marketing", "topic": "*", "text": "sign-up form, version 3"}
            await play.bus.track(who, "consent.granted", data, id=f"consent-{who.id}-{channel}", source="web form")


async def one_story(play: Play) -> None:
    """J1: tell one story in three places: a mail, a post with the code, a story on Instagram."""
    for name in ("ada", "ben", "cleo"):
        await play.bus.send("launch", f"email:{name}@example.com", key=f"launch-{name}")
    await play.bus.publish("launch-post", key="launch")
    await play.bus.publish("launch-story", key="launch")
    await play.stage.drive.settle()


async def cart(play: Play) -> None:
    """J2: a visitor fills a cart on the web shop, logs in as Ada, and leaves."""
    visitor = await _visitor(play)
    seen = {key: value for key, value in LINES[0].items() if key != "quantity"}
    await visitor.track("product.viewed", {**seen, "currency": "GBP"}, id="view-harbour-mug")
    cart = {"id": "cart-77", "currency": "GBP", "url": "https://shop.acme.example/cart/77", "lines": LINES}
    await visitor.track("cart.updated", cart, id="cart-77-filled")
    await visitor.log_in("email", "ada@example.com")
    await play.note("visitor", visitor.secret)
    await visitor.track("visit.ended", {}, id="left-the-shop")
    await play.stage.drive.settle()


async def _visitor(play: Play) -> Any:
    """Open the shop's page in Ada's browser, the same one after a crash."""
    if play.visitor is None:
        play.visitor = play.stage.world.sandbox("web").visitor("ada")
        play.visitor.secret = await play.recall("visitor")
        await play.visitor.arrive()
        await play.note("visitor", play.visitor.secret)
    return play.visitor


async def night(play: Play) -> None:
    """Her night: the reminder waits for her morning, a second one for the evening after."""
    await play.stage.drive.until(at(0, 23))
    held = [
        each
        for each in await play.bus.parts.store.deliveries()
        if each.message == "cart-reminder" and each.state == "held"
    ]
    await play.note("held", held[0].due.isoformat() if held else "")


async def morning(play: Play) -> None:
    """Her morning: the reminder comes by SMS, as she prefers; the shop's page shows a banner."""
    await play.stage.drive.until(at(1, 9))
    visitor = await _visitor(play)
    cards = await visitor.look()
    await visitor.watch()
    await play.note("banner", ",".join(_about_cart(cards)))
    page = play.stage.world.folder / "web" / "ada.html"  # as it is now; the next look writes it anew
    shutil.copyfile(page, page.with_name("ada-before-she-paid.html"))
    waiting = [each for each in await play.bus.parts.store.deliveries() if each.message == "cart-reminder-2"]
    await play.note("second", ",".join(sorted({each.state.value for each in waiting})))


async def at_the_till(play: Play) -> None:
    """In the store: the clerk finds her cart and the same code; she pays there."""
    await play.stage.drive.until(at(1, 12, 30))
    till = play.stage.world.sandbox("pos").till()
    found = await till.find(phone="+442079460000")
    card = await till.card(found["customer"], confirmed=True)
    if not card["cart"]["open"] and await play.recall("clerk_cart"):  # sold by a run that was killed before it said so
        await play.note("paid", await play.recall("paid") or "yes")
        await play.stage.drive.settle()
        return
    await play.note("clerk_cart", str(card["cart"]["total"] if card["cart"] else ""))
    # a run that was killed during the sale may have redeemed it: the till sells the same basket with the same code again
    code = await play.recall("clerk_code") or next(
        (each["code"] for each in card["offers"] if each["offer"] == "comeback"), ""
    )
    await play.note("clerk_code", code)
    sale = await till.sell_cart(card, "basket-1001", [code] if code else [])
    await play.note("paid", str(sale.get("paid") or sale.get("total") or "yes"))
    await play.stage.drive.settle()


async def afterwards(play: Play) -> None:
    """At that moment what still waited dies, and the banner is gone."""
    visitor = await _visitor(play)
    cards = await visitor.look()
    await play.note("banner_after", ",".join(_about_cart(cards)))
    await visitor.aclose()
    await play.stage.drive.until(at(3, 12))


def _about_cart(cards: list[dict[str, Any]]) -> list[str]:
    return [str(card["headline"]) for card in cards if "waiting" in str(card["headline"])]


#: (when, name, act)
STEPS: tuple[tuple[datetime, str, Act], ...] = (
    (at(0, 9), "people", people),
    (at(0, 10), "one_story", one_story),
    (at(0, 20, 15), "cart", cart),
    (at(0, 20, 30), "night", night),
    (at(1, 8, 0), "morning", morning),
    (at(1, 12, 30), "at_the_till", at_the_till),
    (at(1, 12, 31), "afterwards", afterwards),
)


async def play_all(play: Play) -> None:
    """Play every step that is not done yet."""
    store = play.bus.parts.store
    for when, name, act in STEPS:
        if await store.note("demo", f"done:{name}"):
            continue
        await play.stage.drive.until(when)
        play.tell(f"{play.stage.clock.now():%a %H:%M}  {(act.__doc__ or name).splitlines()[0]}")
        await act(play)
        await store.note("demo", f"done:{name}", "1")
    if play.visitor is not None:
        await play.visitor.aclose()
