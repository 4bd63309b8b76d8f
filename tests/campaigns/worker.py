"""A worker process to be killed, and the plugin that it carries by: to a sink that its parent keeps, one line per hand-over.

Called with the configuration's folder and a lease's seconds; works until it is killed or nothing is left to do.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any, ClassVar

from omnibus import Attempt, Content, Keep, Provider, ProviderSettings, Receipt, Unknown, hookimpl
from omnibus.build import open_bus
from omnibus.cli.watching import follow
from omnibus.testing import FakeChannel


class Mail(FakeChannel):
    name: ClassVar[str] = "mail"


class Sink(Provider):
    channel, scheme, idempotency, key_window = Mail, "sink", "key", 0

    class Settings(ProviderSettings):
        host: str
        port: int

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        try:
            reader, writer = await asyncio.open_connection(self.settings.host, self.settings.port)
            writer.write(f"{attempt.id} {address}\n".encode())
            answer = await reader.readline()
            writer.close()
            await writer.wait_closed()
        except OSError:
            raise Unknown("answer_lost") from None
        if not answer:
            raise Unknown("answer_lost")
        return Receipt(answer.decode().strip())


@hookimpl
def omnibus_register(register: Any) -> None:
    register(Mail, Sink)


def bus(folder: Path) -> Any:
    return open_bus(folder / "omnibus.toml", environ={})


async def main(folder: Path, term: float) -> None:
    opening = bus(folder)
    opening.parts.road.lease_term = term
    async with opening as opened:
        stop = asyncio.Event()

        async def until_finished() -> None:
            await follow(opened, "spring")
            stop.set()
            opened.parts.bell.ring()

        async with asyncio.TaskGroup() as group:
            group.create_task(until_finished())
            group.create_task(opened.work(stop))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2])))
