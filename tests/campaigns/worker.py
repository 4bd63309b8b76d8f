"""A worker process to be killed: it carries to a sink that its parent keeps, one line per hand-over.

Called with the configuration's folder, the sink's port and a lease's seconds; works until it is killed or nothing is
left to do.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any, ClassVar

from omnibus import Attempt, Content, Keep, Provider, Receipt, Unknown, hookimpl
from omnibus.build import open_bus
from omnibus.cli.watching import follow
from omnibus.testing import FakeChannel


class Mail(FakeChannel):
    name: ClassVar[str] = "mail"


class Sink(Provider):
    channel, scheme, idempotency, key_window = Mail, "sink", "key", 0
    port: ClassVar[int] = 0

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(f"{attempt.id} {address}\n".encode())
            answer = await reader.readline()
            writer.close()
            await writer.wait_closed()
        except OSError:
            raise Unknown("answer_lost") from None
        if not answer:
            raise Unknown("answer_lost")
        return Receipt(answer.decode().strip())


class Plugin:
    __name__ = "sink-plugin"

    @hookimpl
    def omnibus_register(self, register: Any) -> None:
        register(Mail, Sink)


def bus(folder: Path) -> Any:
    return open_bus(folder / "omnibus.toml", plugins=[Plugin()], environ={})


async def main(folder: Path, port: int, term: float) -> None:
    Sink.port = port
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
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
