"""Notifications of the browser as a medium: a title, a few words, one link; they reach a person who is elsewhere.

Unlike a card a notification interrupts, so quiet hours and the budget bind it. Systems cut long ones on the screen
(about 65 characters of title and 240 of body are seen): the offer with code and deadline comes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from omnibus import Capabilities, Channel, Content, Context, Draft, Layout, Loss, MessageError, Preview
from omnibus_web.channel import picture
from omnibus_web.contrast import colours
from omnibus_web.preview import card_page
from omnibus_web.subscriptions import Subscriptions
from omnibus_web.words import Words, clean, fit

ROOM = 240  # characters that are seen at once
MAX_BYTES = 1_500  # of all words, link included: so that the whole, quoted as JSON, stays under 3,993
MAX_IMAGE = 400  # bytes of the picture's URL, for the same reason


@dataclass(frozen=True, slots=True, kw_only=True)
class PushContent(Content):
    """Hold one notification, complete.

    Args:
        until: when the offer ends (aware); *lasts*: how long after sending it makes sense; the sooner counts.
        to: identity value → the browser's subscription.
    """

    words: Words
    image: str = ""
    brand: str = ""
    locale: str = "en"
    colours: dict[str, str] = field(default_factory=dict)
    until: datetime | None = None
    lasts: timedelta | None = None
    to: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def body(self) -> str:
        """Write the words below the title, what may not be missed first."""
        return "\n".join(each for each in (self.words.sentence, self.words.body, *self.words.notes) if each)

    def payload(self) -> dict[str, Any]:
        """Give what the service worker reads."""
        words = self.words
        return {
            "title": words.headline, "body": self.body, "url": words.url, "label": words.label, "image": self.image,
            "lang": self.locale,
        }  # fmt: skip

    def preview(self) -> Preview:
        """Show it as a page of its own."""
        words = self.words
        card = {
            "kind": "push", "headline": words.headline, "body": self.body, "offer": "", "code": "", "deadline": "",
            "label": words.label, "url": words.url, "image": self.image, "alt": "", "notes": [self.brand],
            "colours": self.colours,
        }  # fmt: skip
        return Preview(self.text, "text/html", card_page(card, title="Notification").encode())


class Push(Channel):
    """Compose notifications for browsers that subscribed."""

    name = "push"
    identity: ClassVar[str | None] = "push"
    capabilities = Capabilities(max_length=MAX_BYTES, unit="bytes", media=True, reports=("delivered", "clicked"))

    def compose(self, draft: Draft, layout: Layout | None, context: Context) -> PushContent:
        """Fit the draft on a notification: the words of the highest rank go first, facts never.

        Raises:
            MessageError: the facts alone are too long, or the link is not http(s).
        """
        words, losses = fit(draft, "push", ROOM, "notification")
        if len(words.text.encode()) > MAX_BYTES and words.notes:  # letters of three bytes each
            words, losses = fit(draft, "push", 0, "notification")
        size = len(words.text.encode())
        if size > MAX_BYTES:
            raise MessageError(
                f"a notification holds {MAX_BYTES} bytes, this one needs {size}",
                where=draft.message.source or draft.message.name, fix="shorten `::: push` or the facts",
            )  # fmt: skip
        image, _, lost = picture(draft)
        if len(image.encode()) > MAX_IMAGE:
            image, lost = "", (Loss("picture", f"its URL is longer than {MAX_IMAGE} bytes"), *lost)
        return PushContent(
            text=words.text, losses=(*losses, *lost), words=words, image=image, brand=clean(draft.brand.name),
            locale=draft.locale, colours=colours(draft.brand), until=draft.offer.expires if draft.offer else None,
            lasts=draft.message.expires, to=dict(context[Subscriptions].held),
        )  # fmt: skip
