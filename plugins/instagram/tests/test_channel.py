"""Both channels: the inherited contract, and what is Instagram's own."""

from dataclasses import replace
from datetime import timedelta

import pytest

from omnibus import Event, Fact, Loss, Media, MessageError, Reach
from omnibus.testing import ChannelContract, FakeClock, sample_context, sample_draft
from omnibus_instagram import Direct, Posts, Thread
from omnibus_instagram.caption import hashtags, mentions, units
from omnibus_instagram.options import InstagramSettings
from omnibus_instagram.picture import Card

NOW = FakeClock().now()
HOUR = timedelta(hours=1)


def heard(at=NOW, kind="message", **data):
    told = {"channel": "instagram", "text": "hello", "kind": kind, **data}
    return Event(f"{kind}-{at.isoformat()}", "instagram", "conversation.received", at, "c1", told)


def post(**changes):
    draft = sample_draft("instagram", "public", **changes)
    return Posts().compose(draft, None, sample_context())


def direct(*events, settings=None, **changes):
    draft = sample_draft("instagram", "person", **changes)
    return Direct(settings).compose(draft, None, sample_context((Thread,), events))


class TestPosts(ChannelContract):
    facets = (Thread,)

    def channel(self):
        return Posts()


class TestStories(ChannelContract):
    facets = (Thread,)

    def channel(self):
        return Posts()

    def draft(self, **changes):
        return super().draft(data={"instagram": {"kind": "story"}}, **changes)

    def test_a_picture_is_carried_or_reported(self):
        content = self.composed(self.draft(media=(Media("https://acme.example/boots.jpg"),)))
        assert Loss("image", "words are drawn on a file, not on a picture elsewhere") in content.losses


class TestDirect(ChannelContract):
    facets = (Thread,)

    def channel(self):
        return Direct()


def test_a_post_without_a_picture_gets_a_card_in_the_brands_colours():
    content = post()
    assert (content.kind, content.media) == ("image", ())
    assert content.card == Card(
        "Ada, your Trail Boots are waiting", "", "Acme", background="#0b5d3b", ink="#ffffff", accent="#c8553d"
    )
    assert content.caption.startswith("Ada, your Trail Boots are waiting\n\nWe kept")
    assert content.losses == (Loss("link", "stands as text: links in a caption cannot be tapped"),)


def test_a_story_draws_its_words_on_the_picture():
    content = post(media=[Media("boots.png")], data={"instagram": {"kind": "story"}})
    assert (content.kind, content.caption) == ("story", "")
    assert content.card.size == (1080, 1920)
    assert f"{content.card.headline}\n\n{content.card.text}" == content.text
    assert content.media == (Media("boots.png"),)


def test_a_story_has_room_for_few_lines():
    content = post(paragraphs=["a", "b", "c", "d"] * 9, data={"instagram": {"kind": "story"}})
    assert content.text.count("\n") < 20
    assert Loss("paragraph", "no room") in content.losses


@pytest.mark.parametrize(
    ("media", "data", "kind"),
    [
        ([Media("https://a.example/1.jpg")], {}, "image"),
        ([Media("https://a.example/1.jpg"), Media("https://a.example/2.jpg")], {}, "carousel"),
        ([Media("https://a.example/1.mp4")], {}, "reel"),
        ([], {"video": "https://a.example/1.mov?x=1"}, "reel"),
        ([Media("https://a.example/1.jpg")], {"kind": "story"}, "story"),
    ],
)
def test_the_kind_is_told_or_guessed(media, data, kind):
    assert post(media=media, data={"instagram": data}).kind == kind


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": {"instagram": {"knid": "story"}}}, "`knid`"),
        ({"data": {"instagram": "story"}}, "no mapping"),
        ({"data": {"instagram": {"kind": "reel"}}}, "a reel needs a video"),
        ({"data": {"instagram": {"kind": "carousel"}}, "media": [Media("a.jpg")]}, "needs two pictures"),
        ({"data": {"instagram": {"kind": "image"}}, "media": [Media("a.mp4")]}, "cannot show a video"),
        ({"data": {"instagram": {"kind": "story"}}, "media": [Media("a.mp4")]}, "carries no words"),
        ({"block": " ".join(f"#t{n}" for n in range(31)), "facts": [Fact("code", "#t30")]}, "31st hashtag"),
    ],
)
def test_what_cannot_be_posted_is_an_error_of_the_message(changes, said):
    with pytest.raises(MessageError, match=said) as caught:
        post(**changes)
    assert caught.value.where.startswith("messages/cart-reminder.md")
    assert caught.value.fix


def test_hashtags_go_below_and_first_when_room_is_short():
    content = post(data={"instagram": {"hashtags": ["boots", "#trail", "boots"]}})
    assert content.text.endswith("\n\n#boots #trail")
    many = post(data={"instagram": {"hashtags": [f"t{n}" for n in range(40)]}})
    assert hashtags(many.text) == 30
    assert Loss("hashtag", "10 more had no room") in many.losses


def test_signs_above_the_limits_go_and_the_words_stay():
    content = post(block=" ".join(f"@shop{n} #tag{n}" for n in range(33)))
    assert (mentions(content.text), hashtags(content.text)) == (20, 30)
    assert "shop32" in content.text
    assert {each.what for each in content.losses} == {"hashtag", "mention", "link"}


def test_a_caption_is_counted_in_utf16_units():
    content = post(paragraphs=["😀" * 1_500])
    assert units(content.text) <= 2_200


def test_a_carousel_shows_ten():
    media = [Media(f"https://a.example/{n}.jpg") for n in range(12)]
    content = post(media=media)
    assert len(content.media) == 10
    assert content.losses.count(Loss("image", "above 10 in a carousel")) == 2


@pytest.mark.parametrize(
    ("events", "settings", "reach"),
    [
        ([], {}, Reach(open=False, reason="they never wrote to us on Instagram")),
        ([heard(NOW - HOUR)], {}, Reach(until=NOW + 23 * HOUR)),
        ([heard(NOW - 24 * HOUR)], {}, Reach(open=False, until=NOW, reason="no message from them in 24 h")),
        ([heard(NOW - 24 * HOUR)], {"human_agent": True}, Reach(until=NOW + 144 * HOUR)),
        ([heard(NOW - HOUR, "comment", comment="c9")], {}, Reach(open=False, reason="they never wrote to us on Instagram")),
        ([heard(NOW - HOUR, "comment", comment="c9")], {"private_replies": True}, Reach(until=NOW + 167 * HOUR)),
        ([heard(NOW - HOUR, "edit")], {}, Reach(open=False, reason="they never wrote to us on Instagram")),
        ([heard(NOW - HOUR, "reaction")], {}, Reach(open=False, reason="they never wrote to us on Instagram")),
        ([heard(NOW - HOUR, "story_reply")], {}, Reach(until=NOW + 23 * HOUR)),
    ],
)  # fmt: skip
def test_reach_is_open_for_a_day_after_they_wrote(events, settings, reach):
    channel = Direct(InstagramSettings(**settings))
    assert channel.reach(sample_context((Thread,), events), NOW) == reach


def test_reach_reads_the_conversation_where_the_facet_is_missing():
    context = sample_context((), [heard(NOW - HOUR)])
    assert Direct().reach(context, NOW) == Reach(until=NOW + 23 * HOUR)


def test_a_comment_is_answered_privately_once():
    sent = Event(
        "s", "omnibus", "message.sent", NOW, "c1", {"channel": "instagram", "audience": "person", "comment": "c9"}
    )
    settings = InstagramSettings(private_replies=True)
    comment = heard(NOW - HOUR, "comment", comment="c9")
    assert direct(comment, settings=settings).comment == "c9"
    assert direct(comment, sent, settings=settings).comment == ""
    assert direct(comment).comment == ""


def test_a_message_file_is_never_a_humans_message():
    settings = InstagramSettings(human_agent=True)
    assert not direct(heard(), settings=settings, data={"instagram": {"human": True}}).human


def test_an_automated_chat_says_so_at_its_start():
    settings = InstagramSettings(disclosure="You are talking to Acme's assistant.")
    told = Event("s", "omnibus", "message.sent", NOW, "c1", {"channel": "instagram", "audience": "person"})
    assert direct(heard(), settings=settings).text.startswith("You are talking to Acme's assistant.\n\n")
    assert "assistant" not in direct(heard(NOW - HOUR), told, settings=settings).text


def test_a_direct_message_keeps_to_bytes():
    content = direct(heard(), paragraphs=["é" * 900])
    assert len(content.text.encode()) <= 1_000
    assert content.losses


def test_a_path_that_a_template_made_opens_no_file():
    hidden, seen = Media("/srv/private/passport.jpg"), Media("https://a.example/1.jpg")
    draft = sample_draft("instagram", "person", media=[Media("{{ cart.lines[0].image }}"), seen])
    rendered = replace(draft, media=(hidden, seen))
    content = Direct().compose(rendered, None, sample_context((Thread,), [heard()]))
    assert content.picture == seen
    assert Loss("image", "is no web address") in content.losses
    content = Posts().compose(replace(rendered, media=(hidden,)), None, sample_context())
    assert content.media == ()
    assert Loss("image", "is no web address") in content.losses


def test_a_direct_message_shows_one_picture():
    content = direct(
        heard(), media=[Media("https://a.example/1.mp4"), Media("https://a.example/2.jpg"), Media("3.jpg")]
    )
    assert content.picture == Media("https://a.example/2.jpg")
    assert content.losses == (Loss("image", "a direct message shows one picture"),) * 2
    assert b"2.jpg" in content.preview().picture


def test_the_window_premise():
    thread = sample_context((Thread,), [heard(NOW - HOUR)])[Thread]
    assert Thread.premises() == ("open",)
    assert thread.holds("open", {}, NOW)
    assert not thread.holds("open", {}, NOW + 24 * HOUR)
    with pytest.raises(KeyError):
        thread.holds("opne", {}, NOW)
