"""What all SMS sandboxes share: the ledger, the STOP list, what a phone shows, and answers that never come."""

from __future__ import annotations

import asyncio
import hashlib
from abc import abstractmethod
from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from aiohttp import web

from omnibus.testing import Entry, HttpSandbox, Sandbox, World
from omnibus_sms.keywords import folded
from omnibus_sms.picture import Bubble, bubble

Fault = Literal["429", "500", "lost", "timeout", "garbage", "partial", "early", ""]

#: words by which networks themselves keep a STOP list
_LISTS = dict.fromkeys(("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "optout", "revoke"), "stop")
_LISTS |= dict.fromkeys(("start", "unstop", "yes"), "start")


class Silence(Exception):
    """Carry out of the answer that there shall be none."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(kind)


class Phones(Sandbox):
    """Be the phones behind a carrier: what they show, what people answer, whom the STOP list holds."""

    channel: ClassVar[str] = "sms"
    number: ClassVar[str] = "+15005550006"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._faults: deque[tuple[Fault, float]] = deque()

    # ---- what a test or the demo may do

    def fault(self, kind: Fault, times: int = 1, retry_after: float = 2.0) -> None:
        """Answer the next *times* messages badly: 429 and 500 (nothing done), lost, timeout and garbage (all done)."""
        self._faults.extend([(kind, retry_after)] * times)

    def blocked(self, phone: str) -> bool:
        """Tell whether this number is on the STOP list."""
        words = [each for each in self.world.entries if each.kind == "reply" and each.data.get("from") == phone]
        said = [each.data["list"] for each in words if each.data.get("list")]
        return bool(said) and said[-1] == "stop"

    async def reply(self, phone: str, text: str) -> None:
        """Act as the person: STOP puts them on the list, START takes them off, and the bus is told at once.

        Raises:
            RuntimeError: the bus did not answer 2xx.
        """
        entry_id = self.new_id()
        data = {"from": phone, "list": _LISTS.get(folded(text), "")}
        self.record(entry_id, "reply", self.number, text, data=data)
        await self.incoming(entry_id, phone, text)

    @abstractmethod
    async def incoming(self, id: str, phone: str, text: str) -> None:
        """Post what a person wrote to the bus, signed."""

    # ---- inside

    def next_fault(self) -> tuple[Fault, float]:
        """Take the next fault; an empty one for none."""
        return self._faults.popleft() if self._faults else ("", 0.0)

    def new_id(self, prefix: str = "SM") -> str:
        """Make an id that never repeats: the ledger, which outlives us, only grows."""
        return prefix + hashlib.sha256(f"{self.name}:{len(self.world.entries)}".encode()).hexdigest()[:32]

    def record(
        self, id: str, kind: str, to: str, text: str, attempt: str = "", *, refused: str = "",
        data: Mapping[str, Any] | None = None,
    ) -> Entry:  # fmt: skip
        """Write to the ledger; what was accepted also lights up the phone: ``sms/<id>.txt`` and ``.svg``."""
        at = self.world.now().isoformat()
        entry = self.world.record(Entry(id, at, "sms", self.name, kind, to, attempt, text, refused, data or {}))
        if kind == "message" and not refused:
            self._show(entry)
        return entry

    def _show(self, entry: Entry) -> None:
        folder, sender, parts = self.world.folder / "sms", str(entry.data["from"]), entry.data["parts"]
        folder.mkdir(exist_ok=True)
        told = f"From: {sender}\nTo: {entry.to}\nDate: {entry.at}\n\n{entry.text}\n"
        (folder / f"{entry.id}.txt").write_text(told, encoding="utf-8")
        note = f"{entry.at[:16].replace('T', ' ')} · {parts} part{'s' * (parts != 1)}"
        picture = bubble(Bubble(sender, entry.text, note, "#1f3a5f", len(entry.data.get("media", ()))))
        (folder / f"{entry.id}.svg").write_bytes(picture)


class Handsets(Phones, HttpSandbox):
    """Be a carrier that speaks HTTP on loopback."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._stopping = asyncio.Event()

    async def stop(self) -> None:
        """Stop listening, and let go whom it left hanging."""
        self._stopping.set()
        await super().stop()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, method: str = "POST") -> None:
        """Post a webhook.

        Raises:
            RuntimeError: the bus did not answer 2xx.
        """
        answer = await self.world.post(url, headers=headers, body=body, method=method)
        if not answer.is_success:
            raise RuntimeError(f"the bus answered {answer.status_code}")

    async def _handle(self, request: web.Request) -> web.Response:
        try:
            return await super()._handle(request)
        except Silence as silence:
            if silence.kind == "timeout":
                await self._stopping.wait()
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
