"""PORT: a medium. It knows its limits and windows, and composes for itself; who carries it is the provider's matter."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from omnibus.model.brand import Brand
from omnibus.model.capabilities import Audience, Capabilities
from omnibus.model.content import Content, Layout
from omnibus.model.context import Context
from omnibus.model.draft import Draft
from omnibus.model.message import Message
from omnibus.model.verdict import Reach

_OPEN = Reach()


class ChannelSettings(BaseModel):
    """Be the base of what a channel itself takes from its TOML table (the rest goes to the provider)."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Channel(ABC):
    """Compose for one medium and one audience.

    Registered by (name, audience): a person's direct message and a public post are two channels of one name.

    Args:
        identity: which identity kind reaches a person; None where none is needed (public, ambient, printer).
        Settings: what this channel reads from ``[channels.<name>]``.
    """

    name: ClassVar[str]
    audience: ClassVar[Audience] = "person"
    identity: ClassVar[str | None] = None
    capabilities: ClassVar[Capabilities] = Capabilities()
    Settings: ClassVar[type[ChannelSettings]] = ChannelSettings

    def __init__(self, settings: Any = None) -> None:
        self.settings: Any = settings if settings is not None else self.Settings()

    def layout(self, message: Message, brand: Brand, locale: str) -> Layout | None:
        """Prepare what is the same for everybody; called once per message version, brand and language."""
        return None

    @abstractmethod
    def compose(self, draft: Draft, layout: Layout | None, context: Context) -> Content:
        """Shape a draft for this medium; pure.

        Every ``draft.facts`` text stands in ``Content.text``; what had to go is in ``Content.losses``.

        Raises:
            MessageError: the mandatory facts alone do not fit.
        """

    def reach(self, context: Context, now: datetime) -> Reach:
        """Tell whether and until when this channel may speak to this customer; open by default."""
        return _OPEN
