"""The two channels named ``instagram``: what an account publishes, and what it writes to one person.

A caption carries 2,200 characters, 30 hashtags and 20 @names, and its links cannot be tapped; a story carries no
caption at all, so its words are drawn on the picture. A direct message carries 1,000 UTF-8 bytes, within 24 hours
of the person's last message.

Source:
    https://developers.facebook.com/docs/instagram-platform/content-publishing
    https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/messaging-api
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from pydantic import Field

from omnibus import (
    Capabilities,
    Channel,
    ChannelSettings,
    Content,
    Context,
    Draft,
    Layout,
    Loss,
    Media,
    MessageError,
    Preview,
    Reach,
)  # fmt: skip
from omnibus_instagram import preview
from omnibus_instagram.caption import CAPTION, DIRECT, clean, shape, size, tagged, tamed, units
from omnibus_instagram.options import Kind, Options, options
from omnibus_instagram.picture import SQUARE, STORY, Card
from omnibus_instagram.thread import COMMENT, HUMAN, WINDOW, Thread

STORY_WORDS, STORY_LINES = 500, 20  # characters and lines; more would be too small to read on a card
ALT = 1_000  # characters of alternative text
CAROUSEL = 10  # pictures; two at least
VIDEOS = (".mp4", ".mov")


class InstagramSettings(ChannelSettings):
    """Hold what the channels themselves take from ``[channels.instagram]``.

    Args:
        private_replies: a service message may answer a comment privately when the window is closed (once, in 7 days).
        human_agent: Meta granted the human-agent permission: what a person wrote may go out for 7 days.
        media_folder: what the bus's server serves at ``/instagram/media``; the provider writes there.
        disclosure: opens an automated chat where law asks for it, e.g. ``You are talking to Acme's assistant.``
    """

    private_replies: bool = False
    human_agent: bool = False
    media_folder: str = "instagram-media"
    disclosure: str = Field(default="", max_length=200)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostContent(Content):
    """Hold a complete post.

    Args:
        media: https URLs or files, in order; a video is recognised by ``.mp4`` or ``.mov``.
        card: words to be drawn, on the first picture's file if there is one, else on the brand's colour.
    """

    kind: Kind
    media: tuple[Media, ...] = ()
    card: Card | None = field(default=None, repr=False)
    options: Options = field(default_factory=Options)
    handle: str = ""

    @property
    def caption(self) -> str:
        """Give the words below the picture; a story has none."""
        return "" if self.kind == "story" else self.text

    def preview(self) -> Preview:
        """Show the words, and the post as SVG."""
        urls = [each.url for each in self.media]
        if self.kind == "story":
            return Preview(self.text, "image/svg+xml", preview.story(self.handle, urls, self.card))
        return Preview(self.text, "image/svg+xml", preview.post(self.handle, urls, self.caption, self.card))


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


class Posts(Channel):
    """Compose what everyone who follows the account may see."""

    name, audience, identity = "instagram", "public", None
    capabilities = Capabilities(max_length=CAPTION, media=True, replies=True)
    Settings = InstagramSettings

    def compose(self, draft: Draft, layout: Layout | None, context: Context) -> PostContent:
        """Shape a caption, or a story's words, and choose the pictures.

        Raises:
            MessageError: the mandatory facts do not fit, an unknown option, or media that this kind cannot carry.
        """
        told = options(draft.message)
        media = (Media(told.video, draft.headline),) if told.video else draft.media
        kind = told.kind or _guessed(media)
        handle = _line(draft.brand.handles.get("instagram", draft.brand.name))
        made = PostContent(kind=kind, text="", media=media, options=told, handle=handle)
        return _story(made, draft) if kind == "story" else _post(made, draft)


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
        words = shape(draft, lambda text: size(opening + text) <= DIRECT, block="instagram", where=_place(draft))
        stills = [each for each in draft.media if not video(each.url)]
        more = [Loss("image", "a direct message shows one picture")] * (len(draft.media) - len(stills[:1]))
        comment = thread.newest if self.settings.private_replies else ""
        return DirectContent(
            text=opening + words.text, losses=(*words.losses, *more), wrote=thread.wrote,
            picture=stills[0] if stills else None, sender=_line(draft.brand.name),
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


def _guessed(media: tuple[Media, ...]) -> Kind:
    if len(media) > 1:
        return "carousel"
    return "reel" if media and video(media[0].url) else "image"


def _story(made: PostContent, draft: Draft) -> PostContent:
    def fits(text: str) -> bool:
        return units(text) <= STORY_WORDS and text.count("\n") < STORY_LINES

    words = shape(draft, fits, block="instagram", where=_place(draft))
    losses = list(words.losses)
    first = made.media[:1]
    if made.media[1:]:
        losses.append(Loss("image", "a story shows one picture"))
    if first and video(first[0].url):
        if draft.facts:
            raise MessageError(
                "a video story carries no words", where=_place(draft), fix="give a picture, or no price, code and link"
            )
        return replace(made, text="", media=first, losses=(*losses, Loss("text", "a video story carries no words")))
    if words.text and first and _remote(first[0].url):
        losses.append(Loss("image", "words are drawn on a file, not on a picture elsewhere"))
        first = ()
    card = _card(draft, words.text, STORY) if words.text else None
    if card is None and not first:
        raise MessageError("a story needs a picture or words", where=_place(draft), fix="give `image:`")
    return replace(made, text=words.text, media=first, card=card, losses=(*losses, *_links(draft, "a story")))


def _post(made: PostContent, draft: Draft) -> PostContent:
    def fits(text: str) -> bool:
        return units(text) <= CAPTION

    words = tagged(shape(draft, fits, block="instagram", where=_place(draft)), made.options.hashtags, fits)
    calm = tamed(words.text)
    if any(each.text in words.text and each.text not in calm.text for each in draft.facts):
        raise MessageError("a fact holds the 31st hashtag or 21st @name", where=_place(draft), fix="use fewer of them")
    losses = [*words.losses, *calm.losses, *_links(draft, "a caption")]
    media = made.media
    if made.kind == "carousel":
        if len(media) < 2:
            raise MessageError("a carousel needs two pictures", where=_place(draft), fix="give 2 to 10 images")
        losses += [Loss("image", f"above {CAROUSEL} in a carousel")] * len(media[CAROUSEL:])
        media = media[:CAROUSEL]
    else:
        losses += [Loss("image", f"one {made.kind} shows one")] * len(media[1:])
        media = media[:1]
    if made.kind == "reel" and not (media and video(media[0].url)):
        raise MessageError("a reel needs a video", where=_place(draft), fix="give `data: { instagram: { video: … } }`")
    if made.kind == "image" and media and video(media[0].url):
        raise MessageError(
            "an image post cannot show a video", where=_place(draft), fix="say `data: { instagram: { kind: reel } }`"
        )
    body = "" if media else clean(draft.headline) or _line(draft.brand.name)
    card = _card(draft, body, SQUARE) if body else None
    return replace(made, text=calm.text, media=_described(media), card=card, losses=tuple(losses))


def _card(draft: Draft, text: str, area: tuple[int, int]) -> Card:
    theme, headline = draft.brand.theme, clean(draft.headline)
    headline, rest = (headline, text[len(headline) :]) if text.startswith(headline) else ("", text)
    return Card(headline, rest.strip(), _line(draft.brand.name), theme.primary, theme.on_primary, theme.accent, area)


def _links(draft: Draft, what: str) -> list[Loss]:
    linked = any(each.kind == "link" for each in draft.facts) or draft.cta is not None
    return [Loss("link", f"stands as text: links in {what} cannot be tapped")] if linked else []


def _described(media: tuple[Media, ...]) -> tuple[Media, ...]:
    return tuple(Media(each.url, each.alt[:ALT]) for each in media)


def _place(draft: Draft) -> str:
    return draft.message.source or draft.message.name


def _line(text: str) -> str:
    return " ".join(clean(text).split())


def _remote(url: str) -> bool:
    return url.startswith(("https://", "http://"))


def video(url: str) -> bool:
    """Tell a video by the ending of its URL or file name."""
    return url.lower().partition("?")[0].endswith(VIDEOS)
