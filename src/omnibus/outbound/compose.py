"""COMPOSE: draft + layout + context → what one channel will carry."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from omnibus.channel import Channel
from omnibus.errors import MessageError
from omnibus.facets.profile import Profile
from omnibus.model.brand import Brand
from omnibus.model.content import Content, Layout
from omnibus.model.context import Context
from omnibus.model.delivery import Delivery
from omnibus.model.draft import Draft, OptOut
from omnibus.model.message import Message
from omnibus.model.offer import Terms


class Drafter(Protocol):
    """Make a draft of a message for one customer and language (``omnibus.writing.drafts.Writer``)."""

    def draft(
        self, message: Message, *, view: dict[str, Any], values: dict[str, Any], locale: str, zone: str, delivery: str,
        terms: Terms | None, opt_out: OptOut, now: datetime,
    ) -> Draft:  # fmt: skip
        """Render it."""

    def wants(self, message: Message) -> Collection[str] | None:
        """List the names its texts ask for; None for all."""


@dataclass(slots=True)
class Composer:
    """Compose for any channel; layouts are kept per message version, brand and language.

    Args:
        pick: message of a delivery in a language.
        opt_out: how this customer stops, per delivery.
        tracked: lets the links of formatted messages lead over us; None leaves them.
    """

    drafter: Drafter
    brand: Brand
    pick: Callable[[Delivery, str], Message]
    opt_out: Callable[[Delivery], OptOut]
    tracked: Callable[[Draft, Delivery], Draft] | None = None
    _layouts: dict[tuple[str, str, str, str, str], Layout | None] = field(default_factory=dict)

    def compose(
        self, delivery: Delivery, channel: Channel, context: Context, terms: Terms | None, now: datetime
    ) -> tuple[Message, Content]:
        """Draft, then let the channel shape it.

        Raises:
            MessageError: a template misses a value, or the mandatory facts do not fit.
        """
        profile = context[Profile]
        locale = profile.locale or self.brand.locale
        message = self.pick(delivery, locale)
        wants = self.drafter.wants(message)
        try:
            draft = self._draft(delivery, message, context, profile, wants, terms, now)
        except MessageError:
            if wants is None:
                raise  # with all names there are, so that the error can suggest one
            draft = self._draft(delivery, message, context, profile, None, terms, now)
        if self.tracked is not None and channel.capabilities.html:
            draft = self.tracked(draft, delivery)
        content = channel.compose(draft, self._layout(channel, message, locale), context)
        text = content.text
        if missing := [fact.kind for fact in draft.facts if fact.text not in text]:
            what = f"{channel.name} lost {', '.join(missing)}"
            raise MessageError(what, where=message.source or message.name, fix="shorten the text around it")
        return message, content

    def _draft(
        self, delivery: Delivery, message: Message, context: Context, profile: Profile, wants: Collection[str] | None,
        terms: Terms | None, now: datetime,
    ) -> Draft:  # fmt: skip
        view = context.view(wants)
        view.pop("profile", None)
        view["customer"] = {"id": context.customer.id}
        if wants is None or "customer" in wants:
            view["customer"] = {**profile.view(), "id": context.customer.id}
        told = message.data.get("values")
        return self.drafter.draft(
            message, view=view, values={**told, **delivery.values} if told else delivery.values,
            locale=profile.locale or self.brand.locale, zone=profile.zone or self.brand.zone, delivery=delivery.id,
            terms=terms, opt_out=self.opt_out(delivery), now=now,
        )  # fmt: skip

    def _layout(self, channel: Channel, message: Message, locale: str) -> Layout | None:
        key = (channel.name, channel.audience, message.name, message.version, locale)
        if key not in self._layouts:
            self._layouts[key] = channel.layout(message, self.brand, locale)
        return self._layouts[key]
