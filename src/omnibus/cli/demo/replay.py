"""`omnibus demo --events`: somebody else's days in the shop, lived through on a virtual clock with every channel on."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from omnibus.cli.demo.cast import CHANNELS, Persona, drawn, one_of, persona, products, write_personas
from omnibus.cli.demo.place import placed
from omnibus.cli.demo.stage import Stage, prepare, staged
from omnibus.cli.demo.tally import expected, show_tally, tally
from omnibus.errors import InputError
from omnibus.intake.mapping import Mapping_, read_mapping
from omnibus.intake.rows import read_rows

SHOP = "https://shop.acme.example"
EVERY = 1000  # events between two plain progress lines


@dataclass(frozen=True, slots=True)
class Deed:
    """Hold one row of the clickstream as somebody's act."""

    line: int
    at: datetime
    user: str
    session: str
    act: str


@dataclass(slots=True)
class Days:
    """Live through the deeds; carts are what was added in a session and not yet bought."""

    stage: Stage
    people: dict[str, Persona]
    goods: list[dict[str, str]]
    plan: Mapping_
    carts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    visitors: dict[str, Any] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    next: datetime | None = None

    async def meet(self) -> None:
        """Make everybody a customer, with their consents; their first moment is before the first deed."""
        bus = self.stage.bus
        for each in self.people.values():
            who = await bus.customers.upsert(
                id=each.user, email=each.email, phone=each.phone, x=each.x, instagram=each.instagram, name=each.name,
                zone=each.zone, locale=each.locale, prefers=each.prefers or None,
            )  # fmt: skip
            self.ids[each.user] = who.id
            for channel in CHANNELS:
                said = "granted" if channel in each.consents else "withdrawn"
                data = {"channel": channel, "purpose": "marketing", "topic": "*"}
                await bus.track(who, f"consent.{said}", data, id=f"{each.user}:{channel}", source="persona")

    async def live(self, deed: Deed) -> None:
        """Let time come to a deed, do it, and let what follows from it happen."""
        stage = self.stage
        if self.next is not None and self.next <= deed.at:
            await stage.drive.until(deed.at)
        stage.clock.advance_to(deed.at)
        if deed.session not in self.seen:
            self.seen.add(deed.session)
            await self._arrive(deed)
        if deed.act:
            await getattr(self, f"_{deed.act}")(deed)
        await stage.drive.settle()
        dues = [each for each in (await stage.bus.next_due(), stage.world.next_due) if each is not None]
        self.next = min(dues) if dues else None

    async def _arrive(self, deed: Deed) -> None:
        """Open the shop; whoever has cards waiting there sees them."""
        who = self.ids[deed.user]
        await self._track(deed, "visit.started", {"place": "web"}, f"{deed.session}:visit")
        if await self.stage.bus.parts.store.deliveries(customer=who, channel="web", state=("sent",), last=1):
            visitor = self.visitors.get(deed.user)
            if visitor is None:
                visitor = self.visitors[deed.user] = self.stage.world.sandbox("web").visitor(deed.user)
                await visitor.arrive()
                await visitor.log_in("email", self.people[deed.user].email)
            await visitor.look()
            await visitor.aclose()

    async def _view(self, deed: Deed) -> None:
        product = self._product(deed)
        told = {**product, "currency": "GBP", "url": f"{SHOP}/product/{product['sku']}"}
        await self._track(deed, "product.viewed", told, str(deed.line))

    async def _add(self, deed: Deed) -> None:
        product = self._product(deed)
        lines = self.carts.setdefault(deed.user, [])
        lines.append({**product, "quantity": 1, "url": f"{SHOP}/product/{product['sku']}"})
        del lines[:-8]
        told = {"id": deed.session, "currency": "GBP", "url": f"{SHOP}/cart/{deed.session}", "lines": lines}
        await self._track(deed, "cart.updated", told, str(deed.line))

    async def _buy(self, deed: Deed) -> None:
        lines: list[dict[str, Any]] = self.carts.pop(deed.user, [])
        lines = lines or [{**self._product(deed), "quantity": 1}]
        basket = f"{deed.session}-{deed.line}"
        if drawn("till", basket) < float(self.plan.extra["personas"].get("till", 0.3)):
            till = self.stage.world.sandbox("pos").till()
            card = await till.find(phone=self.people[deed.user].phone)
            codes = [each["code"] for each in card["offers"] if each["offer"] == "comeback"]
            await till.sell(basket, lines, "GBP", customer=card["customer"], codes=codes)
            return
        total = sum(float(line["price"]) * line["quantity"] for line in lines)
        told = {"id": basket, "place": "web", "currency": "GBP", "total": f"{total:.2f}", "lines": lines}
        await self._track(deed, "order.placed", told, str(deed.line), source="web:shop")

    async def _chat(self, deed: Deed) -> None:
        await self.stage.world.sandbox("instagram").message_from(
            self.people[deed.user].instagram, f"A question about my order, line {deed.line}"
        )

    async def _track(self, deed: Deed, type_: str, data: Mapping[str, Any], id_: str, source: str = "web") -> None:
        await self.stage.bus.track(self.ids[deed.user], type_, data, id=f"{self.plan.name}:{id_}", source=source)

    def _product(self, deed: Deed) -> dict[str, str]:
        return dict(one_of(self.goods, "product", deed.session, str(deed.line)))


def read_deeds(path: Path, plan: Mapping_) -> list[Deed]:
    """Read the clickstream as deeds, in the order of time."""
    acts, deeds = plan.extra["acts"], []
    for row in read_rows(path):
        if row.fault:
            raise InputError(row.fault, where=f"{path.name}:{row.line}", fix="mend the line, or take it out")
        at = datetime.fromisoformat(row.values[plan.time]).replace(tzinfo=plan.zone).astimezone(UTC)
        user = plan.customer.format_map(row.values)
        act = str(acts.get(row.values[acts["column"]], ""))
        deeds.append(Deed(row.line, at, user, row.values[acts["session"]], act))
    return sorted(deeds, key=lambda deed: (deed.at, deed.line))


async def replay(
    folder: Path, events: Path, mapping: Path | None, *, resume: bool, own: bool, off: tuple[str, ...] = (),
    quiet: bool = False, store: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Replay a clickstream in a state folder; returns the tally as JSON values.

    Raises:
        InputError: the map is missing or says nothing of acts; a policy to switch off is unknown.
    """
    if mapping is None:
        raise InputError("a replay needs a map", where="--map", fix="examples/clickstream/clickstream.toml is one")
    if resume:
        raise InputError("a replay cannot be resumed", where="--resume", fix="start it anew; the story can")
    plan = read_mapping(mapping)
    for section in ("acts", "personas", "products"):
        if section not in plan.extra:
            raise InputError(
                f"[{section}] is missing", where=mapping.name, fix="a replay needs acts, personas and products"
            )
    console = Console(stderr=True, quiet=quiet)
    deeds = read_deeds(events, plan)
    people = {deed.user: persona(deed.user, plan.extra["personas"]) for deed in deeds}
    goods = products(events.parent, plan.extra["products"])
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(placed(store))
        prepare(folder, resume=False, own=own, store=url)
        overlay = mapping.parent / "shop"
        if overlay.is_dir():
            shutil.copytree(overlay, folder / "shop", dirs_exist_ok=True)
        write_personas(folder / "personas.ndjson", list(people.values()))
        policy = {"off": list(off)} if off else {}
        stage = await stack.enter_async_context(staged(folder, deeds[0].at, slots=16, policy=policy))
        days = Days(stage, people, goods, plan)
        await days.meet()
        await _live_all(days, deeds, _progress(console, len(deeds)))
        told: dict[str, Any] = {
            "ok": True,
            "state": str(folder),
            "deeds": len(deeds),
            "people": len(people),
            "off": list(off),
        }
        told |= await tally(stage)
    told["lacking"] = [] if off else expected(told, plan.extra.get("expect", {}))
    told["ok"] = not told["lacking"] and not told["audit"]["unbalanced"]
    show_tally(Console(quiet=quiet, width=None if sys.stdout.isatty() else 140), told)
    return told


async def _live_all(days: Days, deeds: list[Deed], progress: Callable[[int, datetime], None]) -> None:
    for number, deed in enumerate(deeds, 1):
        await days.live(deed)
        progress(number, deed.at)
    for _ in range(2000):  # the days after: what is still held or waiting comes to its end
        due = await days.stage.bus.next_due() or days.stage.world.next_due
        if due is None:
            break
        await days.stage.drive.until(due)
    for visitor in days.visitors.values():
        await visitor.aclose()


def _progress(console: Console, total: int) -> Callable[[int, datetime], None]:
    def told(number: int, at: datetime) -> None:
        if number % EVERY == 0 or number == total:
            console.print(f"{at:%Y-%m-%d}  {number}/{total} events", highlight=False)

    return told
