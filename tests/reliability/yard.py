"""A shop in a folder, its people, the commands of an operator, and the provider's ledger held against the books."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from omnibus.build import open_bus
from omnibus.cli.books import faults
from omnibus.cli.failing import CHECK
from omnibus.model.event import Event
from omnibus.settings import make_key

HERE = Path(__file__).parent
PAGE = 500
TOML = """
[omnibus]
store = "{store}"
brand = "brand.toml"
messages = "messages"
key = "file:shop.key"
plugins = ["{plugin}"]
[policy]
quiet_hours = "{night}"
[channels.mail]
provider = "sink://127.0.0.1:{port}"
"""
MESSAGE = """---
topic: news
via: [mail]
while: [cart.open]
cta: {{ label: Look, url: "https://acme.example/{{{{ customer.id }}}}" }}
---
# {{{{ customer.first_name }}}}, your {{{{ cart.lines[0].name }}}} is waiting
"""


@dataclass(frozen=True)
class Yard:
    """Say where a shop lies, what it is stored in, and how many people it has.

    Args:
        store: as `[omnibus] store` names it.
        port: where the provider listens.
    """

    folder: Path
    store: str
    people: int
    port: int = 0

    @property
    def shared(self) -> bool:
        """Whether there is room for many workers."""
        return not self.store.startswith("sqlite:")

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"

    def room(self, lines: int = 1 << 62) -> None:
        """Let the provider answer until its ledger has so many lines; who comes later waits for an answer."""
        with urlopen(f"http://127.0.0.1:{self.port}/{lines}", timeout=30) as answer:
            answer.read()

    def write(self) -> None:
        """Write the configuration; every policy is on, and it is nobody's night for the next eight hours."""
        (self.folder / "messages").mkdir()
        (self.folder / "messages" / "news.md").write_text(MESSAGE.format())
        (self.folder / "brand.toml").write_text('name = "Acme"\nurl = "https://acme.example"\n')
        make_key(self.folder / "shop.key")
        now = datetime.now(UTC)
        night = f"{now + timedelta(hours=8):%H:00}-{now + timedelta(hours=16):%H:00}"
        told = TOML.format(store=self.store, plugin=HERE / "carrier.py", night=night, port=self.port)
        (self.folder / "omnibus.toml").write_text(told)

    async def settle_in(self) -> None:
        """Make the people, each with an address, a consent, a cart and a name, as an import of the past would."""
        async with open_bus(self.folder / "omnibus.toml", environ={}) as bus:
            identity, now = bus.customers.recogniser.identity, datetime.now(UTC)
            starts = iter(range(0, self.people, PAGE))

            async def fill() -> None:
                for start in starts:
                    page = [f"c{number:07d}" for number in range(start, min(start + PAGE, self.people))]
                    known = [(each, [identity("email", f"{each}@example.com")]) for each in page]
                    await bus.parts.store.create(known, now)
                    await bus.parts.inbox.put([event for each in page for event in past(each, now)], quiet=True)

            await asyncio.gather(*(fill() for _ in range(3 if self.shared else 1)))

    def command(self, *told: str) -> list[str]:
        return [sys.executable, "-m", "omnibus", "-c", str(self.folder / "omnibus.toml"), *told]

    def run(self, *told: str, codes: tuple[int, ...] = (0,), seconds: float = 600) -> Any:
        """Run one command to its end; gives what it printed as JSON."""
        done = subprocess.run(
            self.command(*told, "--json"), capture_output=True, text=True, timeout=seconds, check=False
        )
        assert done.returncode in codes, f"omnibus {' '.join(told)}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return json.loads(done.stdout)

    def audit(self, may: tuple[str, ...] = ()) -> dict[str, int]:
        """Balance the books by the command; *may* names what may be amiss for now."""
        told: dict[str, int] = self.run("audit", codes=(0, CHECK) if may else (0,))
        assert faults(told).keys() <= set(may), told
        return told

    def handed(self) -> Iterator[tuple[float, str, str]]:
        """Read the provider's ledger: moment, key, address."""
        with self.ledger.open() as file:
            for line in file:
                at, key, address = line.split()
                yield float(at), key, address

    def lines(self) -> int:
        """Count the hand-overs so far."""
        return self.ledger.read_bytes().count(b"\n")

    async def attempts(self) -> dict[str, tuple[str, str]]:
        """Read the store's attempts from outside: key → customer and outcome."""
        asked = "SELECT id, customer, outcome FROM attempt"
        if self.shared:
            import psycopg

            async with await psycopg.AsyncConnection.connect(self.store) as db:
                return {key: (who, how) for key, who, how in await (await db.execute(asked)).fetchall()}
        import apsw

        db = apsw.Connection(str(self.folder / self.store.removeprefix("sqlite:")), flags=apsw.SQLITE_OPEN_READONLY)
        return {key: (who, how) for key, who, how in db.execute(asked)}

    def compared(self) -> dict[str, int]:
        """Hold the ledger against the store, once all is finished; every number but the first two must be nought."""
        keys = Counter(key for _, key, _ in self.handed())
        told = {key: address.partition("@")[0] for _, key, address in self.handed()}
        heard = Counter(told.values())
        stored = asyncio.run(self.attempts())
        accepted = {key for key, (_, how) in stored.items() if how == "accepted"}
        return {
            "told": len(heard),
            "same_attempt_again": sum(keys.values()) - len(keys),
            "told_by_two_attempts": sum(count > 1 for count in heard.values()),
            "nobody_told": self.people - len(heard),
            "in_the_ledger_only": len(told.keys() - accepted),
            "in_the_store_only": len(accepted - told.keys()),
            "of_another_customer": sum(key in stored and stored[key][0] != who for key, who in told.items()),
        }


def until(done: Callable[[], bool], meanwhile: Callable[[], None], seconds: float = 240) -> None:
    """Wait for something that other processes do.

    Raises:
        AssertionError: it did not come about in time, or *meanwhile* says that it cannot.
    """
    deadline = time.monotonic() + seconds
    while not done():
        meanwhile()
        assert time.monotonic() < deadline, "nothing goes on"
        time.sleep(0.005)


def past(customer: str, now: datetime) -> Iterator[Event]:
    """Say what is known of somebody before the campaign."""
    then = now - timedelta(hours=1)
    line = {"sku": "mug", "name": "Harbour mug", "price": "24.00", "quantity": 1}
    cart = {"id": customer, "currency": "GBP", "url": "https://acme.example/cart", "lines": [line]}
    yes = {"channel": "mail", "purpose": "marketing", "topic": "*"}
    yield Event(f"{customer}-yes", "test", "consent.granted", then, customer, yes)
    yield Event(f"{customer}-cart", "test", "cart.updated", then, customer, cart)
    yield Event(f"{customer}-name", "test", "customer.updated", then, customer, {"first_name": f"Ada {customer}"})


@contextmanager
def opened(folder: Path, store: str, people: int) -> Iterator[Yard]:
    """Open the provider, write the shop, and let people in; the provider goes when it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(HERE / "sink.py"), str(folder / "ledger")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sink:
        try:
            yard = Yard(folder, store, people, int(sink.stdout.readline()))  # type: ignore[union-attr]
            yard.write()
            asyncio.run(yard.settle_in())
            yield yard
        finally:
            with suppress(ProcessLookupError):
                sink.kill()
