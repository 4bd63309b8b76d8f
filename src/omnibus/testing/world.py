"""The outside world on loopback: a ledger of everything it fully received, and the webhooks it still owes us.

A *sandbox* is one provider's side of the wire. The world starts them, keeps what they received in
``ledger.ndjson`` (one fsynced line each, written *before* the sandbox answers), and delivers their
webhooks when business time has come. Everything is on disk, so a killed run goes on where it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Protocol

import httpx


@dataclass(frozen=True, slots=True)
class Entry:
    """Hold one thing a sandbox fully received and accepted (or refused, with the reason).

    Args:
        id: the sandbox's own id for it (the provider id it answered with).
        channel: e.g. ``sms``; *sandbox*: e.g. ``twilio``.
        kind: ``message``, ``post``, ``direct``, ``mail``, ``receipt``, ``call`` …
        to: address as received (the ledger is test data, it may hold addresses).
        attempt: our idempotency reference if the wire carries one, else empty.
        text: words as a person would read them.
        refused: why the sandbox refused it; empty when accepted.
    """

    id: str
    at: str
    channel: str
    sandbox: str
    kind: str
    to: str = ""
    attempt: str = ""
    text: str = ""
    refused: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


class Side(Protocol):
    """Be a provider's side of the wire; ``Sandbox`` is the class to inherit."""

    channel: ClassVar[str]
    name: ClassVar[str]

    async def start(self) -> Mapping[str, Mapping[str, Any]]:
        """Listen; returns the ``[channels.*]`` tables."""

    async def stop(self) -> None:
        """Stop listening."""

    async def report(self, payload: Mapping[str, Any]) -> None:
        """Send a promised webhook."""


class World:
    """Run sandboxes on loopback for tests, for the demo, and for users who test their own set-up.

    Args:
        folder: where ledger, pending webhooks and what people would see (mails, receipts) are written.
        now: business time (aware UTC); virtual in the demo.
        public_url: base URL of the bus's server, to which webhooks are posted; may be set later.
    """

    def __init__(self, folder: Path, now: Callable[[], datetime], public_url: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.now, self.public_url = folder, now, public_url
        self.entries: list[Entry] = [Entry(**each) for each in _lines(folder / "ledger.ndjson")]
        self._names: set[str] = set()  # of every promise ever made
        self.sandboxes: list[Side] = []
        self._owed: dict[str, dict[str, Any]] = {}
        for each in _lines(folder / "owed.ndjson"):
            self._names.add(each["name"])
            if each.get("paid"):
                self._owed.pop(each["name"], None)
            else:
                self._owed[each["name"]] = each
        self._ledger = (folder / "ledger.ndjson").open("a", encoding="utf-8")
        self._debts = (folder / "owed.ndjson").open("a", encoding="utf-8")
        self._client: httpx.AsyncClient | None = None

    # ---- what sandboxes call

    def record(self, entry: Entry) -> Entry:
        """Write an entry durably; call this before answering the request."""
        self.entries.append(entry)
        _append(self._ledger, asdict(entry))
        return entry

    def of(self, channel: str, *, kind: str | None = None, accepted: bool = True) -> list[Entry]:
        """List what one channel's sandboxes received, oldest first."""
        return [
            each
            for each in self.entries
            if each.channel == channel and (kind is None or each.kind == kind) and bool(each.refused) != accepted
        ]

    def owe(self, sandbox: Side, name: str, after: timedelta, payload: Mapping[str, Any]) -> None:
        """Promise a webhook: ``sandbox.report(payload)`` is awaited once business time is *after* from now.

        Args:
            name: unique for this promise, e.g. ``SM123:delivered``; promising it again is a no-op, kept or not.
        """
        name = f"{sandbox.channel}/{sandbox.name}/{name}"
        if name in self._names:
            return
        self._names.add(name)
        debt = {
            "name": name, "channel": sandbox.channel, "sandbox": sandbox.name, "due": (self.now() + after).isoformat(),
            "payload": dict(payload),
        }  # fmt: skip
        self._owed[name] = debt
        _append(self._debts, debt)

    async def post(
        self, path_or_url: str, *, headers: Mapping[str, str], body: bytes, method: str = "POST"
    ) -> httpx.Response:
        """Send a webhook to the bus over real HTTP; a path is put below *public_url*."""
        if self._client is None:
            self._client = httpx.AsyncClient(trust_env=False, timeout=10)
        url = path_or_url if "://" in path_or_url else self.public_url + path_or_url
        return await self._client.request(method, url, headers=dict(headers), content=body)

    def hook_url(self, sandbox: Side) -> str:
        """Name the URL at which the bus takes this provider's webhooks."""
        return f"{self.public_url}/hooks/{sandbox.channel}/{sandbox.name}"

    # ---- what tests, the demo and users call

    async def start(self, *sandboxes: Callable[[World], Side]) -> dict[str, dict[str, Any]]:
        """Start sandboxes; returns the ``[channels.*]`` tables that point at them."""
        tables: dict[str, dict[str, Any]] = {}
        for kind in sandboxes:
            sandbox = kind(self)
            self.sandboxes.append(sandbox)
            for channel, table in (await sandbox.start()).items():
                tables.setdefault(channel, {}).update(table)
        return tables

    async def stop(self) -> None:
        """Stop all sandboxes and close the files; may be called twice."""
        for sandbox in self.sandboxes:
            await sandbox.stop()
        self.sandboxes.clear()
        if self._client is not None:
            await self._client.aclose()
            self._client = None
        self._ledger.close()
        self._debts.close()

    def sandbox(self, channel: str) -> Any:
        """Give the started sandbox of a channel.

        Raises:
            KeyError: none is running.
        """
        for sandbox in self.sandboxes:
            if sandbox.channel == channel:
                return sandbox
        raise KeyError(channel)

    @property
    def next_due(self) -> datetime | None:
        """Tell when the next promised webhook is due, None when nothing is owed."""
        dues = [datetime.fromisoformat(each["due"]) for each in self._owed.values()]
        return min(dues) if dues else None

    async def pump(self) -> int:
        """Deliver every webhook that is due now, in order; returns how many.

        One that fails is kept for the next pump, and its error is raised.
        """
        paid = 0
        ready = [each for each in self._owed.values() if datetime.fromisoformat(each["due"]) <= self.now()]
        for debt in sorted(ready, key=lambda each: (each["due"], each["name"])):
            sandbox = next(
                (s for s in self.sandboxes if (s.channel, s.name) == (debt["channel"], debt["sandbox"])), None
            )
            if sandbox is None:
                continue
            await sandbox.report(debt["payload"])
            self._owed.pop(debt["name"])
            _append(self._debts, {"name": debt["name"], "paid": True})
            paid += 1
        return paid


def _append(file: Any, line: Mapping[str, Any]) -> None:
    file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
    file.flush()
    os.fsync(file.fileno())


def _lines(path: Path) -> Sequence[dict[str, Any]]:
    """Read whole lines; the torn last one of a killed run is cut off, for what is written next must not run into it."""
    if not path.exists():
        return []
    body = path.read_bytes()
    whole = body.rfind(b"\n") + 1
    if whole < len(body):  # it was never answered
        os.truncate(path, whole)
    return [json.loads(line) for line in body[:whole].splitlines() if line.strip(b"\0 ")]
