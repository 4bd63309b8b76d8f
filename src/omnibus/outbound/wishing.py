"""WISHING: what apps, journeys and campaigns ask for, in the form in which the outbox takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from omnibus.errors import InputError, MessageError
from omnibus.model.delivery import Delivery
from omnibus.model.ids import Ids
from omnibus.model.mailing import Mailing
from omnibus.model.message import Message
from omnibus.outbound.outbox import Form, Forms, public_customer
from omnibus.outbound.resolve import Lines
from omnibus.store import Wish


class Wishes:
    """Make wishes; nothing is stored here.

    Raises (every call):
        NotFound: no such message.
        MessageError: no channel may carry it.

    Args:
        pick: name of a message → the message.
        brand: who speaks.
        now: business time.
    """

    def __init__(
        self, pick: Callable[[str], Message], lines: Lines, ids: Ids, brand: str, now: Callable[[], datetime]
    ) -> None:
        self._pick, self._lines, self._ids, self._brand, self._now = pick, lines, ids, brand, now
        self._forms = Forms(pick, lines, brand)

    def wish(
        self, message: str | Message, customer: str, values: Mapping[str, Any], key: str = "",
        at: datetime | None = None, origin: str = "",
    ) -> Wish:  # fmt: skip
        """Ask for one message to one customer, not before *at*."""
        form, now = self._forms.of(message), self._now()
        return form.wish(customer, self._ids, now=now, values=values, key=key, origin=origin, at=at)

    def keyed(
        self, message: str | Message, customers: Sequence[str], values: Mapping[str, Any], key: str
    ) -> list[Wish]:
        """Ask for the same for many, under a key of each one's own."""
        form, ids, now = self._forms.of(message), self._ids, self._now()
        return [form.wish(each, ids, now=now, values=values, key=f"{key}:{each}") for each in customers]

    def mailing(self, message: str | Message, customers: Sequence[str], values: Mapping[str, Any]) -> Mailing:
        """Ask for the same for many, without keys."""
        return self._forms.of(message).mailing(customers, self._ids, now=self._now(), values=values)

    def of_journey(self, message: str, customer: str, values: Mapping[str, Any], key: str, at: datetime | None) -> Wish:
        """Ask for what a run has come to say; the run is its origin, the step its *key*."""
        return self.wish(message, customer, values, key, at, origin=key.rpartition(":")[0])

    def of_campaign(self, message: str, values: Mapping[str, Any], origin: str) -> tuple[Delivery, ...]:
        """Make the deliveries that each customer of a campaign gets, as made for nobody.

        Raises:
            InputError: it is said to the public.
        """
        if self._pick(message).audience != "person":
            raise InputError(f"`{message}` is said to the public", fix="use `publish`, or `omnibus publish`")
        return self.wish(message, "", values, origin=origin).deliveries

    def publication(
        self, message: str, via: Sequence[str], values: Mapping[str, Any], key: str, at: datetime | None = None
    ) -> list[Wish]:
        """Ask for a message to the public: one wish for each channel, each with its own *key*.

        Raises:
            MessageError: it speaks to one person, or no channel is named, here or in the message.
        """
        found = self._pick(message)
        if found.audience != "public":
            what = f"`{message}` speaks to one person"
            raise MessageError(what, where=found.source, fix="send it, or give it `audience: public`")
        allowed = via or found.via
        if not allowed:
            raise MessageError("no channel to publish on", where=found.source, fix="give `via: [twitter, instagram]`")
        return [self._post(found, name, values, f"{key}:{name}" if key else "", at) for name in allowed]

    def _post(self, message: Message, channel: str, values: Mapping[str, Any], key: str, at: datetime | None) -> Wish:
        form = Form(message, self._lines, self._brand, channel=channel)
        account = public_customer(channel, self._lines)
        return form.wish(account, self._ids, now=self._now(), values=values, key=key, at=at)
