"""What everyone who follows the account may see: picture, carousel, reel or story.

A caption carries 2,200 characters, 30 hashtags and 20 @names, and its links cannot be tapped; a story carries no
caption at all, so its words are drawn on the picture.

Source: https://developers.facebook.com/docs/instagram-platform/content-publishing
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from omnibus import Capabilities, Channel, Content, Context, Draft, Layout, Loss, Media, MessageError, Preview
from omnibus_instagram import preview
from omnibus_instagram.caption import CAPTION, clean, line, place, shape, tagged, tamed, units
from omnibus_instagram.media import remote, shown, video
from omnibus_instagram.options import InstagramSettings, Kind, Options, options
from omnibus_instagram.picture import SQUARE, STORY, Card

STORY_WORDS, STORY_LINES = 500, 20  # characters and lines; more would be too small to read on a card
ALT = 1_000  # characters of alternative text
CAROUSEL = 10  # pictures; two at least


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
        media, losses = shown(draft)
        if told.video:
            media = (Media(told.video, draft.headline),)
        kind = told.kind or _guessed(media)
        handle = line(draft.brand.handles.get("instagram", draft.brand.name))
        made = PostContent(kind=kind, text="", media=media, options=told, handle=handle, losses=tuple(losses))
        return _story(made, draft) if kind == "story" else _post(made, draft)


def _guessed(media: tuple[Media, ...]) -> Kind:
    if len(media) > 1:
        return "carousel"
    return "reel" if media and video(media[0].url) else "image"


def _story(made: PostContent, draft: Draft) -> PostContent:
    def fits(text: str) -> bool:
        return units(text) <= STORY_WORDS and text.count("\n") < STORY_LINES

    words = shape(draft, fits, block="instagram", where=place(draft))
    losses = [*made.losses, *words.losses]
    first = made.media[:1]
    if made.media[1:]:
        losses.append(Loss("image", "a story shows one picture"))
    if first and video(first[0].url):
        if draft.facts:
            raise MessageError(
                "a video story carries no words", where=place(draft), fix="give a picture, or no price, code and link"
            )
        return replace(made, text="", media=first, losses=(*losses, Loss("text", "a video story carries no words")))
    if words.text and first and remote(first[0].url):
        losses.append(Loss("image", "words are drawn on a file, not on a picture elsewhere"))
        first = ()
    card = _card(draft, words.text, STORY) if words.text else None
    if card is None and not first:
        raise MessageError("a story needs a picture or words", where=place(draft), fix="give `image:`")
    return replace(made, text=words.text, media=first, card=card, losses=(*losses, *_links(draft, "a story")))


def _post(made: PostContent, draft: Draft) -> PostContent:
    def fits(text: str) -> bool:
        return units(text) <= CAPTION

    words = tagged(shape(draft, fits, block="instagram", where=place(draft)), made.options.hashtags, fits)
    calm = tamed(words.text)
    if any(each.text in words.text and each.text not in calm.text for each in draft.facts):
        raise MessageError("a fact holds the 31st hashtag or 21st @name", where=place(draft), fix="use fewer of them")
    losses = [*made.losses, *words.losses, *calm.losses, *_links(draft, "a caption")]
    media = made.media
    if made.kind == "carousel":
        if len(media) < 2:
            raise MessageError("a carousel needs two pictures", where=place(draft), fix="give 2 to 10 images")
        losses += [Loss("image", f"above {CAROUSEL} in a carousel")] * len(media[CAROUSEL:])
        media = media[:CAROUSEL]
    else:
        losses += [Loss("image", f"one {made.kind} shows one")] * len(media[1:])
        media = media[:1]
    if made.kind == "reel" and not (media and video(media[0].url)):
        raise MessageError("a reel needs a video", where=place(draft), fix="give `data: { instagram: { video: … } }`")
    if made.kind == "image" and media and video(media[0].url):
        raise MessageError(
            "an image post cannot show a video", where=place(draft), fix="say `data: { instagram: { kind: reel } }`"
        )
    body = "" if media else clean(draft.headline) or line(draft.brand.name)
    card = _card(draft, body, SQUARE) if body else None
    return replace(made, text=calm.text, media=_described(media), card=card, losses=tuple(losses))


def _card(draft: Draft, text: str, area: tuple[int, int]) -> Card:
    theme, headline = draft.brand.theme, clean(draft.headline)
    headline, rest = (headline, text[len(headline) :]) if text.startswith(headline) else ("", text)
    return Card(headline, rest.strip(), line(draft.brand.name), theme.primary, theme.on_primary, theme.accent, area)


def _links(draft: Draft, what: str) -> list[Loss]:
    linked = any(each.kind == "link" for each in draft.facts) or draft.cta is not None
    return [Loss("link", f"stands as text: links in {what} cannot be tapped")] if linked else []


def _described(media: tuple[Media, ...]) -> tuple[Media, ...]:
    return tuple(Media(each.url, each.alt[:ALT]) for each in media)
