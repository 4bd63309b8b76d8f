"""Beyond 24 hours: a person's own words, one answer to a comment; in the policy and on the wire."""

import json
from dataclasses import asdict, replace
from datetime import timedelta

import pytest

from omnibus import Brand, Capabilities, Delivery, Drop, Event, Message, Purpose, Reach, Refused, Route, Send, State
from omnibus.testing import FakeClock, sample_context, sample_draft
from omnibus_instagram import Direct, Thread, Window
from omnibus_instagram.options import InstagramSettings

from .conftest import ADA

NOW = FakeClock().now()
HOUR = timedelta(hours=1)
HUMAN = Message("staff", Purpose.SERVICE, data={"instagram": {"human": True}})


def delivery(purpose=Purpose.SERVICE, message=None):
    inline = json.dumps(asdict(message), default=str) if message else ""
    return Delivery(
        "d1", "c1", "c1", "m", purpose, "acme", ("instagram",), State.SENDING, NOW, NOW, inline=inline
    )  # fmt: skip


def route(channel="instagram", audience="person"):
    return Route(channel, audience, "graph", None, Capabilities(), Reach(), 1)


def heard(hours, kind="message", **data):
    told = {"channel": "instagram", "text": "hello", "kind": kind, **data}
    return Event(f"{kind}{hours}", "instagram", "conversation.received", NOW - hours * HOUR, "c1", told)


COMMENTED = heard(100, "comment", comment="c9")


@pytest.mark.parametrize(
    ("events", "made", "verdict"),
    [
        ([heard(23)], delivery(), Send("they wrote within 24 h")),
        ([heard(25)], delivery(), Drop),
        ([heard(25)], delivery(message=HUMAN), Send("a person writes, within 7 days")),
        ([heard(25)], delivery(message=replace(HUMAN, data={})), Drop),
        ([heard(25)], delivery(message=replace(HUMAN, data={"instagram": 1})), Drop),
        ([heard(169)], delivery(message=HUMAN), Drop),
        ([], delivery(message=HUMAN), Drop),
        ([COMMENTED], delivery(), Send("a private reply to their comment")),
        ([COMMENTED], delivery(Purpose.MARKETING), Drop),
        ([heard(169, "comment", comment="c1")], delivery(), Drop),
    ],
)
def test_the_policy(events, made, verdict):
    got = Window().judge(made, route(), sample_context((Thread,), events), Brand("Acme"), NOW)
    assert isinstance(got, verdict) if verdict is Drop else got == verdict


@pytest.mark.parametrize("other", [route("sms"), route(audience="public")])
def test_the_policy_binds_nothing_else(other):
    assert Window().judge(delivery(), other, sample_context((Thread,)), Brand("Acme"), NOW) == Send()


def letter(shop, settings, message=None, events=()):
    draft = sample_draft("instagram")
    draft = replace(draft, message=message or draft.message)
    return Direct(InstagramSettings(**settings)).compose(draft, None, sample_context((Thread,), events))


async def test_a_persons_words_go_under_the_human_agent_tag(shop):
    await shop.sandbox.message_from(ADA, "hello")
    wrote = heard(0)
    shop.clock.advance(timedelta(days=6))
    for settings, message in (({}, HUMAN), ({"human_agent": True}, None)):
        with pytest.raises(Refused, match="window_closed"):
            await shop.graph.send(letter(shop, settings, message, [wrote]), ADA, shop.attempt(), shop.keep)
    made = letter(shop, {"human_agent": True}, HUMAN, [wrote])
    await shop.graph.send(made, ADA, shop.attempt(), shop.keep)
    (direct,) = shop.received("direct")
    assert direct.data["tag"] == "HUMAN_AGENT"
    shop.sandbox.human_agent = False
    with pytest.raises(Refused, match="window_closed"):
        await shop.graph.send(made, ADA, shop.attempt(2), shop.keep)
    shop.clock.advance(timedelta(days=1))
    with pytest.raises(Refused, match="window_closed"):
        await shop.graph.send(made, ADA, shop.attempt(3), shop.keep)


async def test_a_comment_has_one_private_reply(shop):
    comment = await shop.sandbox.comment_from(ADA, "m1", "How much?")
    events = [heard(0, "comment", comment=comment)]
    made = letter(shop, {"private_replies": True}, None, events)
    receipt = await shop.graph.send(made, ADA, shop.attempt(), shop.keep)
    (direct,) = shop.received("direct")
    assert (direct.to, direct.data["comment"], receipt.details) == (ADA, comment, {"comment": comment})
    with pytest.raises(Refused, match="comment_already_answered"):
        await shop.graph.send(made, ADA, shop.attempt(2), shop.keep)
    shop.clock.advance(timedelta(days=7))
    with pytest.raises(Refused, match="window_closed"):
        await shop.graph.send(made, ADA, shop.attempt(3), shop.keep)


async def test_a_message_is_preferred_to_a_private_reply(shop):
    await shop.sandbox.message_from(ADA, "hello")
    comment = await shop.sandbox.comment_from(ADA, "m1", "How much?")
    made = letter(shop, {"private_replies": True}, None, [heard(0), heard(0, "comment", comment=comment)])
    await shop.graph.send(made, ADA, shop.attempt(), shop.keep)
    (direct,) = shop.received("direct")
    assert direct.data["comment"] == ""
