"""Publishing as a resumable sequence: container → FINISHED → publish, each step kept before the next.

The container is the idempotency handle: its id is kept before it is published, a delivery never has two living ones,
and PUBLISHED means done. So a crash at any point neither repeats nor loses the post.

Source: https://developers.facebook.com/docs/instagram-platform/content-publishing
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from omnibus import Absent, Attempt, Keep, OmnibusError, Receipt, Refused, TryLater, Unknown
from omnibus_instagram.answers import failed
from omnibus_instagram.api import Api
from omnibus_instagram.media import video
from omnibus_instagram.notes import Notes, ident, rows, when
from omnibus_instagram.post import PostContent

Address = Callable[[PostContent, int], Awaitable[str]]  # the public URL of the n-th picture

UNKNOWN_CONTAINER = frozenset({"100/33", "anew:24/2207006"})
ALIVE = frozenset({"IN_PROGRESS", "FINISHED", "PUBLISHED"})


class Press:
    """Publish the posts of one account.

    Args:
        pause: seconds between two looks at a container; *looks*: how many within one hand-over.
    """

    def __init__(self, api: Api, account: str, *, pause: float, looks: int) -> None:
        self._api, self._account, self._pause, self._looks = api, account, pause, looks

    async def publish(self, content: PostContent, attempt: Attempt, keep: Keep, address: Address) -> Receipt:
        """Go on where an earlier attempt of this delivery stopped, and publish.

        Raises:
            DeliveryError: Unknown only from the publishing call itself.
        """
        notes = Notes(keep, attempt.delivery)
        container = await notes.get("container")
        status = await self._status(container) if container else ""
        if container and status == "PUBLISHED":
            return await self._published(container, notes)
        await self._quota()
        if not container or status not in ALIVE:
            await notes.set("since", attempt.started.isoformat())
            container = await self._make(content, notes, address)
        await self._finished(container)
        return await self._out(container, notes)

    async def lookup(self, attempt: Attempt, keep: Keep) -> Receipt | Absent:
        """Tell whether a lost attempt was published; only a PUBLISHED container was."""
        notes = Notes(keep, attempt.delivery)
        container = await notes.get("container")
        if container and await self._status(container) == "PUBLISHED":
            return await self._published(container, notes)
        return Absent()

    async def _make(self, content: PostContent, notes: Notes, address: Address) -> str:
        path = f"{self._account}/media"
        if content.kind != "carousel":
            body = payload(content, await address(content, 0), 0)
            return await notes.set("container", _id(await self._api.post(path, body)))
        children = []
        for at in range(len(content.media)):
            child = await notes.get(f"child:{at}")
            if not child or await self._status(child) not in ALIVE:
                body = payload(content, await address(content, at), at)
                child = await notes.set(f"child:{at}", _id(await self._api.post(path, body)))
            children.append(child)
        for child in children:
            await self._finished(child)
        album = {"media_type": "CAROUSEL", "children": ",".join(children), "caption": content.caption}
        return await notes.set("container", _id(await self._api.post(path, album | extras(content))))

    async def _out(self, container: str, notes: Notes) -> Receipt:
        try:
            told = await self._api.post(f"{self._account}/media_publish", {"creation_id": container}, last=True)
        except (Refused, TryLater):
            # an earlier request of ours may have been on its way when we asked; then the refusal is proof of success
            if await self._status(container) == "PUBLISHED":
                return await self._published(container, notes)
            raise
        media = ident(told.get("id"))
        if not media:
            raise Unknown("no_media_id")
        await notes.set("media", media)
        return Receipt(media, {"container": container, "permalink": await self._permalink(media)})

    async def _published(self, container: str, notes: Notes) -> Receipt:
        media = await notes.get("media") or await self._newest(await notes.get("since"))
        if media:
            await notes.set("media", media)
            return Receipt(media, {"container": container, "permalink": await self._permalink(media)})
        return Receipt(container, {"container": container, "permalink": ""})

    async def _newest(self, since: str | None) -> str | None:
        """Find the media of a publish whose answer was lost: the only one since the container was made, else nothing."""
        start = when(since) - timedelta(seconds=60)  # their clock and ours
        found = []
        for edge in ("media", "stories"):
            told = await self._api.get(f"{self._account}/{edge}", fields="id,timestamp", limit="10")
            found += rows(told)
        ours = {ident(each.get("id")) for each in found if when(each.get("timestamp")) >= start}
        return ours.pop() if len(ours) == 1 else None

    async def _permalink(self, media: str) -> str:
        try:
            told = await self._api.get(media, fields="permalink")
        except OmnibusError:
            return ""  # the post is out: a missing link must not make it look undecided
        return str(told.get("permalink") or "")

    async def _status(self, container: str) -> str:
        try:
            told = await self._api.get(container, fields="status_code,status")
        except (Refused, TryLater) as error:
            if error.reason in UNKNOWN_CONTAINER:
                return "GONE"  # so it was never published
            raise
        if not isinstance(told.get("status_code"), str):
            raise TryLater("no_container_status")
        return str(told["status_code"])

    async def _finished(self, container: str) -> None:
        for look in range(self._looks):
            told = await self._api.get(container, fields="status_code,status")
            code = told.get("status_code")
            if code in {"FINISHED", "PUBLISHED"}:
                return
            if code == "ERROR":
                raise failed(str(told.get("status") or ""))
            if code == "EXPIRED":
                raise TryLater("anew:expired")
            if look + 1 < self._looks:
                await asyncio.sleep(self._pause)
        raise TryLater("container_not_ready")

    async def _quota(self) -> None:
        told = await self._api.get(f"{self._account}/content_publishing_limit", fields="quota_usage,config")
        used, total = quota(told)
        if total is not None and used >= total:
            raise TryLater("publishing_quota")


def payload(content: PostContent, url: str, at: int) -> dict[str, Any]:
    """Give the parameters of the *at*-th container of a post."""
    media, moving = content.media[at] if content.media else None, video(url)
    body: dict[str, Any] = {"video_url" if moving else "image_url": url}
    if media is not None and media.alt and not moving and content.kind in {"image", "carousel"}:
        body["alt_text"] = media.alt
    match content.kind:
        case "story":
            return {"media_type": "STORIES", **body}
        case "carousel":
            return {"is_carousel_item": True, **({"media_type": "VIDEO"} if moving else {}), **body}
        case "reel":
            return {"media_type": "REELS", **body, "caption": content.caption} | reel(content) | extras(content)
    tags = [each.model_dump() for each in content.options.user_tags]
    return {**body, "caption": content.caption} | extras(content) | ({"user_tags": tags} if tags else {})


def extras(content: PostContent) -> dict[str, Any]:
    """Give the options that image, carousel and reel have in common."""
    told = {"location_id": content.options.location_id, "collaborators": list(content.options.collaborators)}
    return {name: value for name, value in told.items() if value}


def reel(content: PostContent) -> dict[str, Any]:
    """Give the options of a reel."""
    told = content.options
    found: dict[str, Any] = {"cover_url": told.cover, "audio_name": told.audio_name}
    found = {name: value for name, value in found.items() if value}
    if told.thumb_offset is not None:
        found["thumb_offset"] = told.thumb_offset
    if told.share_to_feed is not None:
        found["share_to_feed"] = told.share_to_feed
    return found


def quota(told: dict[str, Any]) -> tuple[int, int | None]:
    """Read (used, total) of the publishing limit; a total that is not told is None, for it is never assumed."""
    row = next(iter(rows(told)), {})
    config = row.get("config")
    total = config.get("quota_total") if isinstance(config, dict) else None
    used = row.get("quota_usage")
    return used if isinstance(used, int) else 0, total if isinstance(total, int) else None


def _id(told: dict[str, Any]) -> str:
    made = ident(told.get("id"))
    if not made:
        raise TryLater("no_container_id")
    return made
