"""The policy that keeps a machine within its window, and lets a person's own words go further."""

from __future__ import annotations

import json
from datetime import datetime
from typing import ClassVar

from omnibus import Brand, Context, Delivery, Drop, Policy, Purpose, Route, Send
from omnibus_instagram.thread import COMMENT, HUMAN, Thread


class Window(Policy):
    """Judge direct messages beyond 24 hours: a person's own words within 7 days, or one answer to a comment.

    The channel's reach says until when anything may go; this says what. Marketing is no answer to a comment.

    Source:
        https://developers.facebook.com/docs/features-reference/human-agent
        https://developers.facebook.com/docs/instagram-platform/private-replies
    """

    name: ClassVar[str] = "instagram_window"

    def judge(self, delivery: Delivery, route: Route, context: Context, brand: Brand, now: datetime) -> Send | Drop:
        """Say Send, or Drop with what is missing."""
        if route.channel != "instagram" or route.audience != "person":
            return Send()
        thread = Thread.of(context)
        if thread.open(now):
            return Send("they wrote within 24 h")
        if by_a_person(delivery) and thread.wrote is not None and now < thread.wrote + HUMAN:
            return Send("a person writes, within 7 days")
        commented = thread.comments.get(thread.newest)
        if commented is not None and now < commented + COMMENT and delivery.purpose != Purpose.MARKETING:
            return Send("a private reply to their comment")
        return Drop("out of reach: only a person's own words, or an answer to a comment, may go now")


def by_a_person(delivery: Delivery) -> bool:
    """Tell whether somebody wrote this by hand: handed in whole, and said to be; a message file never is."""
    if not delivery.inline:
        return False
    told = json.loads(delivery.inline).get("data", {}).get("instagram", {})
    return isinstance(told, dict) and told.get("human") is True
