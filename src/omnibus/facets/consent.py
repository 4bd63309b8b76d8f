"""What the person allowed, and which identities are dead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import ClassVar, Self

from omnibus.facet import Facet
from omnibus.model.event import Event
from omnibus.model.swift import swift

ANY = "*"


@swift
@dataclass(frozen=True, slots=True)
class ConsentEntry:
    """Hold the last word of one person (subject) on one scope, and the event that proves it."""

    granted: bool
    at: datetime
    event: str
    source: str


@swift
@dataclass(frozen=True, slots=True)
class Suppression:
    """Say why an identity is not written to any more."""

    reason: str
    at: datetime
    marketing_only: bool = False


@swift
@dataclass(frozen=True, slots=True)
class Consent(Facet):
    """Fold grants and withdrawals per (brand, channel, purpose, topic); ``*`` stands for all.

    Of all entries that match a question the latest decides. After a merge both persons' entries are kept
    apart, and both must allow: consent only ever gets stricter by a merge. A grant given *after* the merge
    speaks for the whole person.

    Args:
        entries: subject → ``brand/channel/purpose/topic`` → entry.
        merged: who was merged into this person, and when.
        suppressed: identity ref → suppression (hard bounces, complaints, opt-outs).
    """

    name: ClassVar[str] = "consent"
    hears: ClassVar[tuple[str, ...]] = (
        "consent.granted", "consent.withdrawn", "customer.merged", "customer.unmerged", "message.bounced", "message.complained",
        "message.unsubscribed", "message.failed",
    )  # fmt: skip

    entries: Mapping[str, Mapping[str, ConsentEntry]] = field(default_factory=dict)
    merged: Mapping[str, datetime] = field(default_factory=dict)
    suppressed: Mapping[str, Suppression] = field(default_factory=dict)

    def after(self, event: Event) -> Self:
        """Fold one event; `message.*` events suppress by ``data.identity`` when ``data.suppress`` says so."""
        if event.type == "customer.merged":
            return replace(self, merged={**self.merged, str(event.data.get("merged", "")): event.time})
        if event.type == "customer.unmerged":
            gone = str(event.data.get("unmerged", ""))
            return replace(self, merged={key: at for key, at in self.merged.items() if key != gone})
        if event.type in {"consent.granted", "consent.withdrawn", "message.unsubscribed"}:
            return self._said(event, granted=event.type == "consent.granted")
        ref, why = event.data.get("identity"), event.data.get("suppress")
        if not ref or not why:
            return self
        entry = Suppression(str(why), event.time, event.type == "message.complained")
        return replace(self, suppressed={**self.suppressed, str(ref): entry})

    def _said(self, event: Event, *, granted: bool) -> Self:
        data = event.data
        purpose = data.get("purpose") or ("marketing" if event.type == "message.unsubscribed" else ANY)
        scope = "/".join((
            str(data.get("brand") or ANY), str(data.get("channel") or ANY), str(purpose), str(data.get("topic") or ANY),
        ))  # fmt: skip
        entry = ConsentEntry(granted, event.time, event.id, event.source)
        one_voice = granted and bool(self.merged) and event.time > max(self.merged.values())
        subjects = {*self.entries, event.subject} if one_voice else {event.subject}
        entries = dict(self.entries)
        for subject in sorted(subjects):
            mine = entries.get(subject, {})
            known = mine.get(scope)
            if granted and known is not None and not known.granted and known.at == event.time:
                continue  # of a yes and a no in one moment, the no stands
            entries[subject] = {**mine, scope: entry}
        suppressed = self.suppressed
        ref = data.get("identity")
        if granted and ref in suppressed:  # START after STOP lifts the opt-out of this identity
            suppressed = {key: value for key, value in suppressed.items() if key != ref}
        return type(self)(entries, self.merged, suppressed)

    def answer(self, brand: str, channel: str, purpose: str, topic: str) -> ConsentEntry | None:
        """Give the entry that decides: the latest of each subject, of those the first that withdrew; None when nobody said anything."""
        asked, yes = (brand, channel, purpose, topic), None
        for entries in self.entries.values():
            mine = [entry for scope, entry in entries.items() if _matches(scope, asked)]
            if not mine:
                continue
            latest = mine[0] if len(mine) == 1 else max(mine, key=lambda entry: (entry.at, not entry.granted))
            if not latest.granted:
                return latest
            yes = yes or latest
        return yes


@lru_cache(maxsize=4096)
def _matches(scope: str, asked: tuple[str, ...]) -> bool:
    return all(part in (ANY, want) for part, want in zip(scope.split("/"), asked, strict=False))
