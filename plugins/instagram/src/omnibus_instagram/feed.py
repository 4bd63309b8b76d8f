"""The state of the sandbox's account, read from the world's ledger: nothing is kept in memory that a kill would lose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from omnibus.testing import Entry, World

FIRST_ID = 17_900_000_000_000_000  # where the ids of containers and media begin
NOTHING: Mapping[str, Any] = {}
DAY = timedelta(hours=24)


@dataclass(slots=True)
class Feed:
    """Ask the ledger what this account made, published, sent and heard."""

    world: World
    sandbox: str

    def next_id(self) -> str:
        """Give an id that was never given before, in this process or an earlier one."""
        return str(FIRST_ID + len(self.world.entries) + 1)

    def note(
        self,
        kind: str,
        id_: str,
        *,
        to: str = "",
        text: str = "",
        refused: str = "",
        data: Mapping[str, Any] = NOTHING,
        after: timedelta = timedelta(),
    ) -> Entry:
        """Write an entry durably; call before answering."""
        at = (self.world.now() + after).isoformat()
        return self.world.record(
            Entry(id_, at, "instagram", self.sandbox, kind, to=to, text=text, refused=refused, data=dict(data))
        )

    def of(self, *kinds: str) -> Iterator[Entry]:
        """List accepted entries of some kinds, oldest first."""
        return (
            each
            for each in self.world.entries
            if each.channel == "instagram" and each.kind in kinds and not each.refused
        )

    def container(self, id_: str) -> Entry | None:
        """Find a container."""
        return next((each for each in self.of("container") if each.id == id_), None)

    def children(self, fields: Mapping[str, Any]) -> list[Entry | None]:
        """Find the children of a carousel; None for one that there is not."""
        return [self.container(each) for each in str(fields.get("children", "")).split(",") if each]

    def published(self, container: str) -> Entry | None:
        """Find the media that a container became."""
        return next((each for each in self.of("post") if each.data.get("container") == container), None)

    def expired(self, container: Entry) -> bool:
        """Tell whether a container was not published within 24 hours."""
        return self.world.now() - when(container) >= DAY

    def quota_used(self) -> int:
        """Count what was published within a day; a carousel counts once."""
        return sum(self.world.now() - when(each) < DAY for each in self.of("post"))

    def known(self, person: str) -> bool:
        """Tell whether this person ever wrote or commented."""
        return any(each.data.get("from") == person for each in self.of("inbound", "comment"))

    def wrote(self, person: str) -> datetime | None:
        """Tell when this person last wrote to us directly."""
        told = (when(each) for each in self.of("inbound") if each.data.get("from") == person)
        return max((each for each in told if each <= self.world.now()), default=None)

    def comment(self, id_: str) -> Entry | None:
        """Find a comment."""
        return next((each for each in self.of("comment") if each.id == id_), None)

    def answered(self, comment: str) -> bool:
        """Tell whether a comment has had its one private reply."""
        return any(each.data.get("comment") == comment for each in self.of("direct"))

    def thread(self, person: str) -> list[Entry]:
        """List what was said with one person, newest first."""
        return [
            each for each in self.of("direct", "attachment", "inbound") if person in {each.to, each.data.get("from")}
        ][::-1]


def when(entry: Entry) -> datetime:
    """Read the time of an entry."""
    return datetime.fromisoformat(entry.at)


def stamp(entry: Entry) -> str:
    """Write the time of an entry as the Graph API does."""
    return when(entry).strftime("%Y-%m-%dT%H:%M:%S+0000")


def line(entry: Entry, account: str) -> dict[str, Any]:
    """Give one message of a conversation."""
    author = str(entry.data.get("from", account))
    return {"id": entry.id, "created_time": stamp(entry), "from": {"id": author}, "message": entry.text}


def between(
    account: str, sender: str, to: str, entry: Entry, what: Mapping[str, Any], later: timedelta = timedelta()
) -> dict[str, Any]:
    """Make a messaging webhook; its times are in milliseconds."""
    at = int((when(entry) + later).timestamp() * 1000)
    row = {"sender": {"id": sender}, "recipient": {"id": to}, "timestamp": at, **what}
    return {"object": "instagram", "entry": [{"id": account, "time": at, "messaging": [row]}]}


def changed(account: str, field: str, value: Mapping[str, Any], entry: Entry) -> dict[str, Any]:
    """Make a webhook of comments or mentions; its time is in seconds."""
    change = {"field": field, "value": value}
    return {
        "object": "instagram",
        "entry": [{"id": account, "time": int(when(entry).timestamp()), "changes": [change]}],
    }
