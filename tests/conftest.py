"""A shop on fakes: a real bus and store, channels that carry to a ``FarSide``, and a clock that stands still."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from omnibus import Capabilities, hookimpl
from omnibus.build import open_bus
from omnibus.bus import Bus
from omnibus.model.customer import Customer
from omnibus.model.delivery import Delivery, State
from omnibus.model.request import Response
from omnibus.stores.migrate import migrate
from omnibus.testing import FakeChannel, FakeClock, FarSide, fake_provider, fake_report

BRAND = 'name = "Acme"\nurl = "https://acme.example"\n[voice]\nsign_off = "Your Acme team"\n'
CORE = """
[omnibus]
store = "sqlite:shop.db"
brand = "brand.toml"
messages = "messages"
journeys = "journeys"
key = "file:shop.key"
"""


class Fakes:
    """A plugin that brings one fake channel with its providers."""

    def __init__(self, *things: Any) -> None:
        self.things = things
        self.__name__ = f"fakes-{things[0].name if things else 'none'}-{id(self)}"

    @hookimpl
    def omnibus_register(self, register: Any) -> None:
        register(*self.things)


class Shop:
    """Put channels, messages and journeys together, then ``open`` the bus; every opening is a fresh process's."""

    def __init__(self, folder: Path, blank: Path, stack: AsyncExitStack) -> None:
        self.folder, self._stack, self.clock = folder, stack, FakeClock()
        self.wires: dict[tuple[str, str], FarSide] = {}
        self.plugins: list[Any] = []
        self.tables: list[str] = []
        self.policy = "[policy]\nquiet_hours = false\nbudget = false\n"
        self.core = CORE
        self.offers = ""
        self.bus: Bus = None  # type: ignore[assignment]
        for name in ("messages", "journeys"):
            (folder / name).mkdir()
        (folder / "brand.toml").write_text(BRAND)
        (folder / "shop.key").write_text("ab" * 32)
        shutil.copy(blank, folder / "shop.db")

    def channel(
        self, name: str, *providers: str, identity: str | None = "email", audience: str = "person",
        idempotency: str = "none", members: Mapping[str, Any] | None = None, channel: Mapping[str, Any] | None = None,
        register: bool = True, **caps: Any,
    ) -> type[FakeChannel]:  # fmt: skip
        told = {"max_length": 2_000, "withdraw": True, "replies": True, **caps}
        told_members = {
            "name": name, "identity": identity, "audience": audience, "capabilities": Capabilities(**told), **(channel or {}),
        }  # fmt: skip
        kind = type(f"Channel{name.title()}", (FakeChannel,), told_members)
        schemes = providers or (f"{name}one",)
        made = [fake_provider(each, kind, idempotency=idempotency, **(members or {})) for each in schemes]
        for each in made:
            self.wires[(name, each.scheme)] = each.wire
        self.plugins.append(Fakes(kind, *made))
        dsns = ", ".join(f'"{each}"' for each in schemes)
        self.tables.append(f'[channels.{name}]\nprovider = [{dsns}]\nwebhook_secret = "fake"\n')
        return kind

    def wire(self, channel: str, scheme: str = "") -> FarSide:
        return self.wires[(channel, scheme or f"{channel}one")]

    def message(self, name: str, text: str = "# Hello\n\nYour boots are waiting.\n", **front: Any) -> None:
        lines = [f"{key.rstrip('_')}: {_yaml(value)}" for key, value in front.items()]
        (self.folder / "messages" / f"{name}.md").write_text("---\n" + "\n".join(lines) + "\n---\n" + text)

    def journey(self, name: str, text: str) -> None:
        (self.folder / "journeys" / f"{name}.yaml").write_text(text)

    def toml(self) -> Path:
        path = self.folder / "omnibus.toml"
        path.write_text("\n".join([self.core, self.policy, *self.tables, self.offers]))
        tomllib.loads(path.read_text())
        return path

    async def open(self) -> Bus:
        """Open the shop's bus; what an earlier opening left in memory is gone."""
        self.bus = open_bus(self.toml(), now=self.clock.now, plugins=self.plugins, environ={})
        return await self._stack.enter_async_context(self.bus)

    async def reopen(self) -> Bus:
        await self.bus.aclose()
        return await self.open()

    async def ada(self, *, consent: bool = True, **told: str) -> Customer:
        """Make a customer, who allows everything unless told otherwise."""
        who = await self.bus.customers.upsert(
            **(told or {"email": "ada@example.com", "phone": "+442079460000", "name": "Ada Byron"})
        )
        if consent:
            await self.bus.track(
                who, "consent.granted", {"channel": "*", "purpose": "marketing", "topic": "*"}, id=f"yes-{who.id}"
            )
        return who

    async def report(
        self, channel: str, *reports: Mapping[str, Any], scheme: str = "", secret: str = "fake"
    ) -> Response:
        scheme = scheme or f"{channel}one"
        told = [{"at": self.clock.now(), **each} for each in reports]
        return await self.bus.receive(
            channel, scheme, fake_report(f"https://t.example/hooks/{channel}/{scheme}", *told, secret=secret)
        )

    async def state(self, delivery: Delivery | str) -> State:
        found = await self.bus.parts.store.delivery(delivery if isinstance(delivery, str) else delivery.id)
        assert found is not None
        return found.state

    async def row(self, delivery: Delivery | str) -> Delivery:
        found = await self.bus.parts.store.delivery(delivery if isinstance(delivery, str) else delivery.id)
        assert found is not None
        return found

    async def until(self, when: datetime | timedelta) -> None:
        """Live from due to due up to a time."""
        end = self.clock.now() + when if isinstance(when, timedelta) else when
        await self.bus.drain()
        while (due := await self.bus.next_due()) is not None and due <= end:
            self.clock.set(max(due, self.clock.now()))
            await self.bus.drain()
        self.clock.set(end)
        await self.bus.drain()

    async def balanced(self) -> None:
        """Hold the accounts: nothing unbalanced, stuck, silent, lost or unproven."""
        audit = await self.bus.audit()
        never = ("unbalanced", "stuck", "silent", "lost_lanes", "unproven")
        assert {name: audit[name] for name in never} == dict.fromkeys(never, 0)

    async def types(self, customer: Customer | str, *nouns: str) -> list[str]:
        """List the event types of a customer's timeline, of some nouns."""
        found = [each.type for each in await self.bus.timeline(customer)]
        return [each for each in found if not nouns or each.partition(".")[0] in nouns]


def _yaml(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(value)}]"
    return str(value)


@pytest.fixture(scope="session")
def blank_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrate once; tests copy it."""
    path = tmp_path_factory.mktemp("blank") / "blank.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def databases() -> Iterator[Any]:
    """A real PostgreSQL for the session, started when first asked for; ``OMNIBUS_TEST_POSTGRES`` names another."""
    from omnibus.testing.postgres import postgres

    with postgres() as made:
        yield made


@pytest.fixture
def store_url() -> str:
    """Name the store of the shop; folders whose tests run on PostgreSQL say otherwise."""
    return "sqlite:shop.db"


@pytest.fixture
async def shop(tmp_path: Path, blank_store: Path, store_url: str) -> AsyncIterator[Shop]:
    async with AsyncExitStack() as stack:
        made = Shop(tmp_path, blank_store, stack)
        made.core = made.core.replace("sqlite:shop.db", store_url)
        yield made


@pytest.fixture
async def shops(tmp_path: Path, blank_store: Path) -> AsyncIterator[Callable[[], Shop]]:
    """Make several shops in one test, e.g. one per hypothesis example."""
    async with AsyncExitStack() as stack:
        made: list[Shop] = []

        def make() -> Shop:
            folder = tmp_path / f"shop-{len(made)}"
            folder.mkdir()
            made.append(Shop(folder, blank_store, stack))
            return made[-1]

        yield make
