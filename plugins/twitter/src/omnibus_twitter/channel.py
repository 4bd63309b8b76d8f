"""X as a medium: public posts of 280 weighted units, and direct messages to people who wrote or agreed.

Rules: https://docs.x.com/fundamentals/counting-characters · https://docs.x.com/x-api/posts/create-post ·
https://docs.x.com/x-api/direct-messages/create-dm-message-by-participant-id ·
https://help.x.com/en/rules-and-policies/x-automation (automated direct messages only to people who asked for them)
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import Field

from omnibus import Capabilities, Channel, ChannelSettings, Consent, Context, Draft, Layout, Loss, Reach
from omnibus_twitter.card import Face
from omnibus_twitter.compose import LIMIT_DIRECT, direct_text, fit, options, thread
from omnibus_twitter.contents import DirectContent, PostContent
from omnibus_twitter.facet import Twitter
from omnibus_twitter.weight import MAX_WEIGHT

MAX_PICTURES = 4  # of one post: up to four images
MAX_DIRECT_PICTURES = 1  # of one direct message


class TwitterSettings(ChannelSettings):
    """Hold what both channels named ``twitter`` read from ``[channels.twitter]``.

    Args:
        max_weight: weighted units of one post; Premium accounts may raise it up to 25,000.
        thread: part a post that is too long into a thread instead of leaving pieces out.
        direct_window_days: how long after their last direct message we may answer with automated ones.
    """

    max_weight: int = Field(MAX_WEIGHT, ge=40, le=25_000)
    thread: bool = False
    direct_window_days: float = Field(30, gt=0)


class Post(Channel):
    """Compose public posts for everyone who follows the account."""

    name, audience, identity = "twitter", "public", None
    capabilities = Capabilities(
        max_length=MAX_WEIGHT, unit="weighted", media=True, withdraw=True, replies=True, reports=("replied",)
    )
    Settings = TwitterSettings

    def compose(self, draft: Draft, layout: Layout | None, context: Context) -> PostContent:
        """Fit the draft into one post (or a thread): the lowest ranks go first, facts stay, losses are told.

        Raises:
            MessageError: the facts alone weigh more than a post may.
        """
        limit, wanted = self.settings.max_weight, options(draft.message)
        losses: tuple[Loss, ...] = ()
        if self.settings.thread or wanted.pop("thread", False):
            posts, losses = thread(draft, limit)
        else:
            text, losses = fit(draft, limit)
            posts = (text,)
        too_many = tuple(Loss("picture", f"X shows {MAX_PICTURES}") for _ in draft.media[MAX_PICTURES:])
        return PostContent(
            text="\n\n".join(posts), losses=losses + too_many, posts=posts, media=draft.media[:MAX_PICTURES],
            reply_to=str(wanted.pop("reply_to", "")), options=wanted, limit=limit,
            face=Face.of(draft.brand, draft.locale),
        )  # fmt: skip


class Direct(Channel):
    """Compose direct messages to one person."""

    name, audience, identity = "twitter", "person", "x"
    capabilities = Capabilities(max_length=LIMIT_DIRECT, media=True, replies=True, reports=("opened", "replied"))
    Settings = TwitterSettings

    def compose(self, draft: Draft, layout: Layout | None, context: Context) -> DirectContent:
        """Write the whole draft as plain text, with a way out below marketing.

        Raises:
            MessageError: the facts alone are longer than a direct message may be.
        """
        text, losses = direct_text(draft)
        extra = tuple(Loss("picture", "a direct message carries one") for _ in draft.media[MAX_DIRECT_PICTURES:])
        return DirectContent(
            text=text, losses=losses + extra, media=draft.media[:MAX_DIRECT_PICTURES],
            face=Face.of(draft.brand, draft.locale),
        )  # fmt: skip

    def reach(self, context: Context, now: datetime) -> Reach:
        """Allow automated messages to whom X allows them: those who wrote lately, or agreed to hear from us on X."""
        wrote = context[Twitter].wrote
        window = timedelta(days=self.settings.direct_window_days)
        if wrote is not None and now <= wrote + window:
            return Reach(until=wrote + window)
        if agreed(context):
            return Reach()
        return Reach(open=False, reason="they neither wrote to us on X lately nor agreed to messages there")


def agreed(context: Context) -> bool:
    """Tell whether this person's last word on messages by X itself was a yes; consent for all channels is not enough."""
    said = [
        entry
        for entries in context[Consent].entries.values()
        for scope, entry in entries.items()
        if scope.split("/")[1] == "twitter"
    ]
    return bool(said) and max(said, key=lambda entry: (entry.at, not entry.granted)).granted
