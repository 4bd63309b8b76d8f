"""Who we talk to: a customer, the ways to reach them, and the public of a sending account."""

from __future__ import annotations

from dataclasses import dataclass, field

from omnibus.model.swift import swift

PUBLIC = "public:"  # customer ids that begin so are an account's followers, not a person

#: the kinds of identity that the core knows; a plugin may add its own
IDENTITY_KINDS = ("email", "phone", "x", "instagram", "web", "push", "loyalty")


@swift
@dataclass(frozen=True, slots=True)
class Identity:
    """Hold one way to recognise or reach a customer.

    Args:
        kind: ``email``, ``phone``, ``x``, ``instagram``, ``web``, ``push``, ``loyalty`` or a plugin's own.
        value: normalised address (lower-case email, E.164 phone, numeric X id …); never in ``repr``.
        ref: keyed hash of kind and value, safe to log and to store in events.
        verified: the person proved that it is theirs.
        evidence: where we have it from, e.g. ``till``, ``import``, ``web form``.
    """

    kind: str
    value: str = field(repr=False)
    ref: str = ""
    verified: bool = False
    evidence: str = ""


@swift
@dataclass(frozen=True, slots=True)
class Customer:
    """Hold a person with one id and many identities (or the public of one account)."""

    id: str
    identities: tuple[Identity, ...] = field(default=(), repr=False)

    @property
    def public(self) -> bool:
        """Tell whether this is an account's public rather than a person."""
        return self.id.startswith(PUBLIC)

    def reached_by(self, kind: str) -> tuple[Identity, ...]:
        """List the identities of one kind, verified ones first, else in the order they were learnt."""
        mine = [each for each in self.identities if each.kind == kind]
        if len(mine) > 1:
            mine.sort(key=lambda each: not each.verified)
        return tuple(mine)


def public(channel: str, account: str) -> str:
    """Name the reserved customer that stands for the followers of *account* on *channel*."""
    return f"{PUBLIC}{channel}:{account}"
