"""The sync face: the same bus behind one portal thread with one event loop, for scripts and Django views."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from anyio.from_thread import BlockingPortal, start_blocking_portal

from omnibus.build import open_bus
from omnibus.bus import Bus
from omnibus.campaigns.campaigns import Everybody
from omnibus.model.campaign import Campaign
from omnibus.model.context import Context
from omnibus.model.customer import Customer
from omnibus.model.delivery import Delivery
from omnibus.model.event import Event
from omnibus.model.message import Message
from omnibus.model.offer import Redemption


class SyncBus:
    """Call a bus from synchronous code; use it as a context manager, from any thread.

    ``call(bus_method, …)`` reaches whatever has no method of its own here.
    """

    def __init__(self, make: Callable[[], Bus]) -> None:
        self._make, self._stack = make, ExitStack()
        self._portal: BlockingPortal | None = None
        self.bus: Bus

    def __enter__(self) -> Self:
        self._portal = self._stack.enter_context(start_blocking_portal())
        self.bus = self._make()
        self._stack.enter_context(self._portal.wrap_async_context_manager(self.bus))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        self._portal = None

    def call(self, method: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """Run an async method of the bus and wait for its answer.

        Raises:
            RuntimeError: outside the ``with`` block.
        """
        if self._portal is None:
            raise RuntimeError("the bus is not open; use `with omnibus.open_sync(…) as bus`")
        return self._portal.call(partial(method, *args, **named))

    def upsert(self, **told: Any) -> Customer:
        """Find or make a customer, as ``Customers.upsert``."""
        found: Customer = self.call(self.bus.customers.upsert, **told)
        return found

    def send(
        self, message: str | Message, to: Customer | str, *, key: str = "", at: datetime | None = None, **values: Any
    ) -> tuple[Delivery, ...]:
        """Store the wish to tell a customer something, as ``Bus.send``."""
        done: tuple[Delivery, ...] = self.call(self.bus.send, message, to, key=key, at=at, **values)
        return done

    def launch(self, message: str, to: Everybody = "all", *, name: str = "", **values: Any) -> Campaign:
        """Send one message to many, as ``Bus.launch``."""
        begun: Campaign = self.call(self.bus.launch, message, to, name=name, **values)
        return begun

    def publish(self, message: str, *, via: Sequence[str] = (), key: str = "", **values: Any) -> tuple[Delivery, ...]:
        """Say something to the public, as ``Bus.publish``."""
        done: tuple[Delivery, ...] = self.call(self.bus.publish, message, via=via, key=key, **values)
        return done

    def track(
        self, customer: Customer | str, type_: str, data: Mapping[str, Any] | None = None, *, id: str = "",
        at: datetime | None = None,
    ) -> bool:  # fmt: skip
        """Put a fact on a customer's timeline, as ``Bus.track``."""
        return bool(self.call(self.bus.track, customer, type_, data, id=id, at=at))

    def redeem(self, code: str, *, basket: str, customer: str = "") -> Redemption:
        """Redeem a code for a basket, as ``Bus.redeem``."""
        answer: Redemption = self.call(self.bus.redeem, code, basket=basket, customer=customer)
        return answer

    def context(self, customer: Customer | str) -> Context:
        """Give what every channel knows of this customer now."""
        found: Context = self.call(self.bus.context, customer)
        return found

    def timeline(self, customer: Customer | str, *, last: int | None = None) -> list[Event]:
        """List a customer's events, oldest first."""
        found: list[Event] = self.call(self.bus.timeline, customer, last=last)
        return found

    def drain(self) -> int:
        """Work until nothing is due now."""
        return int(self.call(self.bus.drain))


def open_sync(path: Path | str = "omnibus.toml", *, plugins: Sequence[Any] = (), **overrides: Any) -> SyncBus:
    """Read a configuration and build its bus for synchronous code: ``with omnibus.open_sync("omnibus.toml") as bus``."""
    return SyncBus(lambda: open_bus(path, plugins=plugins, **overrides))
