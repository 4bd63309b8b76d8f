"""What one person reads in their messages: 1,000 UTF-8 bytes, within 24 hours of their last message.

Source: https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/messaging-api
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from omnibus import Capabilities, Channel, Content, Context, Draft, Layout, Loss, Media, Preview, Reach
from omnibus_instagram import preview
from omnibus_instagram.caption import DIRECT, line, place, shape, size
from omnibus_instagram.media import shown, video
from omnibus_instagram.options import InstagramSettings, options
from omnibus_instagram.thread import COMMENT, HUMAN, WINDOW, Thread


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectContent(Content):
    """Hold a complete direct message.

    Args:
        wrote: their last message to us, which the window is reckoned from; None when they never wrote.
        comment: a comment of theirs that this may answer privately when the window is closed; *commented*: when.
        human: a person wrote it, and the account may say so.
        picture: goes first, as a message of its own; the words never wait for it.
    """

    picture: Media | None = None
    wrote: datetime | None = None
    comment: str = ""
    commented: datetime | None = None
    human: bool = False
    sender: str = ""

    def preview(self) -> Preview:
        """Show the words, and the bubble as SVG."""
        return Preview(
            self.text, "image/svg+xml", preview.bubble(self.sender, self.text, self.picture.url if self.picture else "")
        )


class Direct(Channel):
    """Compose what one person reads in their messages."""

    name, audience, identity = "instagram", "person", "instagram"
    capabilities = Capabilities(
        max_length=DIRECT, unit="bytes", media=True, replies=True, reports=("opened", "replied"), points=2
    )
    Settings = InstagramSettings

    def compose(self, draft: Draft, layout: Layout | None, context: Context) -> DirectContent:
        """Shape a text of at most 1,000 bytes.

        Raises:
            MessageError: the mandatory facts alone do not fit, or an unknown option.
        """
        human = options(draft.message).human and not draft.message.source  # a message file is no human's message
        thread = Thread.of(context)
        opening = "" if human or not self._discloses(thread) else f"{self.settings.disclosure}\n\n"
        words = shape(draft, lambda text: size(opening + text) <= DIRECT, block="instagram", where=place(draft))
        media, losses = shown(draft)
        stills = [each for each in media if not video(each.url)]
        more = [Loss("image", "a direct message shows one picture")] * (len(media) - len(stills[:1]))
        comment = thread.newest if self.settings.private_replies else ""
        return DirectContent(
            text=opening + words.text, losses=(*words.losses, *losses, *more), wrote=thread.wrote,
            picture=stills[0] if stills else None, sender=line(draft.brand.name),
            comment=comment, commented=thread.comments.get(comment), human=human and self.settings.human_agent,
        )  # fmt: skip

    def reach(self, context: Context, now: datetime) -> Reach:
        """Tell until when we may write: 24 hours after their last message; longer where the settings allow more."""
        thread = Thread.of(context)
        ends = [] if thread.wrote is None else [thread.wrote + (HUMAN if self.settings.human_agent else WINDOW)]
        if self.settings.private_replies and thread.newest:
            ends.append(thread.comments[thread.newest] + COMMENT)
        until = max(ends, default=None)
        if until is not None and now < until:
            return Reach(until=until)
        days = "7 days" if self.settings.human_agent else "24 h"
        told = f"no message from them in {days}" if thread.wrote else "they never wrote to us on Instagram"
        return Reach(open=False, until=until, reason=told)

    def _discloses(self, thread: Thread) -> bool:
        if not self.settings.disclosure:
            return False
        return thread.told is None or (thread.wrote is not None and thread.wrote - thread.told > WINDOW)
