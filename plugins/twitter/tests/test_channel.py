"""Both channels keep the contract; what is X's own is weighed, parted and shortened here."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from omnibus import Channel, Content, Event, Fact, Media, MessageError, Reach
from omnibus.testing import ChannelContract, sample_context, sample_draft
from omnibus.testing.clock import START
from omnibus_twitter import Direct, Post, Twitter, TwitterSettings
from omnibus_twitter.weight import weight


class TestPost(ChannelContract):
    facets = (Twitter,)

    def channel(self) -> Channel:
        return Post()

    def measure(self, content: Content) -> int:
        return weight(content.text)


class TestThread(TestPost):
    def channel(self) -> Channel:
        return Post(TwitterSettings(thread=True))

    def measure(self, content: Any) -> int:
        assert content.text == "\n\n".join(content.posts)
        return max(content.weights, default=0)


class TestDirect(ChannelContract):
    facets = (Twitter,)

    def channel(self) -> Channel:
        return Direct()


def composed(channel: Channel, **changes: Any) -> Any:
    draft = sample_draft("twitter", type(channel).audience, **changes)
    return channel.compose(draft, None, sample_context((Twitter,)))


def test_a_post_leaves_out_the_highest_ranks_only() -> None:
    made = composed(
        Post(),
        paragraphs=(
            "We kept your Trail Boots for you, and will do so until Sunday evening, as promised.",
            "They are €39.00 now.",
        ),
    )
    assert made.text == (
        "Ada, your Trail Boots are waiting\n\nWe kept your Trail Boots for you, and will do so until Sunday evening, as promised.\n\n"
        "They are €39.00 now.\n\n15 % off with code ADA7-K2M9-3QXT until 24 November 2026\n\n"
        "Finish your order: https://acme.example/c/7Qx2\n\nAcme Ltd, 1 High Street, London"
    )
    assert made.weights == (weight(made.text),)
    assert [(each.what, each.why) for each in made.losses] == [("sign_off", "no room in 280 weighted units")]


def test_the_last_piece_is_shortened_and_the_facts_follow() -> None:
    made = composed(Post(), headline="Boots " * 60, paragraphs=(), cta=None, offer=None, facts=(Fact("price", "€9"),))
    assert made.text.endswith("…\n\n€9")
    assert 270 < weight(made.text) <= 280


def test_facts_that_cannot_fit_name_place_and_fix() -> None:
    with pytest.raises(MessageError, match=r"messages/cart-reminder.md: its facts alone weigh .*; shorten link"):
        composed(Post(), facts=(Fact("deadline", "soon " * 80),))


def test_a_thread_carries_everything() -> None:
    long = tuple(f"Paragraph {n} tells how the boots were made, stitch by stitch, in a small town." for n in range(12))
    made = composed(Post(TwitterSettings(thread=True)), paragraphs=long)
    assert not made.losses
    assert len(made.posts) > 3
    assert max(made.weights) <= 280
    assert all(each in made.text for each in long)


def test_a_message_may_ask_for_options_of_x() -> None:
    made = composed(Post(), data={"twitter": {"reply_to": "12", "paid_partnership": True}})
    assert (made.reply_to, made.options) == ("12", {"paid_partnership": True})


def test_marketing_by_direct_message_says_how_to_stop_in_their_language() -> None:
    assert composed(Direct(), locale="de-AT").text.endswith(
        "Antworten Sie STOP, um keine weiteren Nachrichten zu erhalten."
    )
    assert "STOP" not in composed(Direct(), purpose="service").text


def wrote(at: Any, **data: Any) -> Event:
    return Event(f"e-{at}", "x", "conversation.received", at, "c1", {"channel": "twitter", "text": "hi"} | data)


@pytest.mark.parametrize(
    ("events", "reach"),
    [
        ([], Reach(open=False, reason="they neither wrote to us on X lately nor agreed to messages there")),
        ([wrote(START - timedelta(days=2), place="direct")], Reach(until=START + timedelta(days=28))),
        ([wrote(START - timedelta(days=31), place="direct")], None),
        ([wrote(START - timedelta(days=2), place="mention", post="5")], None),
        ([wrote(START - timedelta(days=2), channel="sms")], None),
        ([Event("c", "t", "consent.granted", START - timedelta(days=9), "c1", {"channel": "twitter", "purpose": "marketing"})], Reach()),
        ([Event("c", "t", "consent.granted", START - timedelta(days=9), "c1", {"channel": "*"})], None),
    ],
)  # fmt: skip
def test_direct_messages_reach_who_wrote_or_agreed(events: list[Event], reach: Reach | None) -> None:
    told = Direct().reach(sample_context((Twitter,), events), START)
    assert told == reach or (reach is None and not told.open)


def test_the_facet_remembers_what_to_answer() -> None:
    context = sample_context((Twitter,), [wrote(START, place="mention", post="77")])
    assert context[Twitter] == Twitter(post="77")
    assert Twitter(wrote=START).holds("wrote", {}, START)
    with pytest.raises(KeyError):
        Twitter().holds("nonsense", {}, START)


def test_five_pictures_are_four_and_a_loss() -> None:
    pictures = [Media(f"https://acme.example/{n}.jpg") for n in range(5)]
    made = composed(Post(), media=pictures)
    assert made.media == tuple(pictures[:4])
    assert ("picture", "X shows 4") in [(each.what, each.why) for each in made.losses]
    assert composed(Direct(), media=pictures).media == tuple(pictures[:1])


def test_a_word_too_long_for_a_post_is_parted_and_told() -> None:
    made = composed(Post(TwitterSettings(thread=True)), paragraphs=("Pneumono" * 50,))
    assert max(made.weights) <= 280
    assert ("paragraph", "parted between posts") in [(each.what, each.why) for each in made.losses]
