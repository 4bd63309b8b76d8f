"""What only Instagram knows of a message: ``data: { instagram: … }`` of its front matter.

::

    data:
      instagram:
        kind: story            # image, carousel, reel or story; guessed from the pictures when absent
        hashtags: [lamps, light]
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from omnibus import ChannelSettings, Message, MessageError

Kind = Literal["image", "story", "carousel", "reel"]


class UserTag(BaseModel):
    """Tag an account in a picture; *x* and *y* are fractions of width and height, from the top left."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    username: str
    x: float = Field(ge=0, le=1)
    y: float = Field(ge=0, le=1)


class Options(BaseModel):
    """Hold what a message says under ``data: { instagram: … }``.

    Args:
        kind: what to publish; None guesses it from the pictures.
        hashtags: put below the caption, with or without ``#``; the first to go when room is short.
        video: https URL or file of a reel or a story (MOV or MP4).
        cover: https URL of a reel's cover; *thumb_offset* takes a frame instead (milliseconds).
        collaborators: at most three accounts invited as co-authors.
        human: a person wrote this direct message, so it may go under the human-agent tag.

    Source:
        https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-user/media
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    kind: Kind | None = None
    hashtags: tuple[str, ...] = ()
    video: str = ""
    cover: str = ""
    thumb_offset: int | None = Field(default=None, ge=0)
    share_to_feed: bool | None = None
    audio_name: str = ""
    collaborators: tuple[str, ...] = Field(default=(), max_length=3)
    location_id: str = ""
    user_tags: tuple[UserTag, ...] = ()
    human: bool = False


def options(message: Message) -> Options:
    """Read what a message says for Instagram alone.

    Raises:
        MessageError: an unknown key or a wrong value; its text names the key and never quotes the value.
    """
    where = f"{message.source or message.name}, data.instagram"
    told = message.data.get("instagram") or {}
    if not isinstance(told, dict):
        raise MessageError("this is no mapping", where=where, fix="write `data: { instagram: { kind: story } }`")
    try:
        return Options.model_validate(told)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(each) for each in first["loc"])
        fix = f"known keys: {', '.join(sorted(Options.model_fields))}"
        raise MessageError(f"`{key}`: {first['msg']}", where=where, fix=fix) from None


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
