"""Meta's side of the wire on loopback: one professional account that refuses what Instagram would refuse.

Source: the pages named in ``publish.py``, ``letters.py``, ``hooks.py`` and ``answers.py``.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from omnibus import Request, Response
from omnibus.testing import Entry, HttpSandbox, World
from omnibus_instagram.api import proof
from omnibus_instagram.feed import Feed, between, changed, line, stamp, when
from omnibus_instagram.hooks import signature
from omnibus_instagram.picture import words
from omnibus_instagram.refusals import Refusal, post_fields, read_letter, refuse, said
from omnibus_instagram.shown import show_post, show_thread
from omnibus_instagram.thread import COMMENT, HUMAN, WINDOW

NOW, ECHO, READ = timedelta(), timedelta(seconds=1), timedelta(minutes=5)


class GraphSandbox(HttpSandbox):
    """Be the Graph API and the people on the other side.

    Attributes:
        looks: how often a container is IN_PROGRESS before it is FINISHED.
        quota: posts within 24 hours.
        human_agent: whether the app has that permission.
        readers: whether people read what is sent to them (five minutes later).
    """

    channel, name = "instagram", "graph"
    account: ClassVar[str] = "17841400000000001"
    username: ClassVar[str] = "acme"
    token: ClassVar[str] = "IGAA-sandbox-token"  # noqa: S105 - a sample
    app_secret: ClassVar[str] = "sandbox-app-secret"  # noqa: S105 - a sample
    verify_token: ClassVar[str] = "sandbox-verify-token"  # noqa: S105 - a sample

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.feed = Feed(world, self.name)
        self.looks, self.quota, self.human_agent, self.readers = 1, 50, True, True
        self._looked: dict[str, int] = {}

    @property
    def folder(self) -> Path:
        """Name where people would see the posts."""
        return self.world.folder / "instagram"

    def table(self) -> Mapping[str, Mapping[str, Any]]:
        """Give the table of ``[channels.instagram]``."""
        table = {
            "provider": "graph", "user_id": self.account, "access_token": self.token, "app_secret": self.app_secret,
            "verify_token": self.verify_token, "base_url": self.base_url, "poll_seconds": 0,
            "media_folder": str(self.folder / "media"), "media_base_url": f"{self.base_url}/shelf",
        }  # fmt: skip
        return {"instagram": table}

    # ---- what people do; webhooks come with ``world.pump()``

    async def message_from(
        self, igsid: str, text: str, *, story: str = "", reply_to: str = "", after: timedelta = NOW
    ) -> str:
        """Write to the account as a person, which opens the window; returns the ``mid``.

        Args:
            story: id of a story of ours that this answers; *reply_to*: mid of a message of ours.
        """
        mid = f"m_{self.feed.next_id()}"
        entry = self.feed.note("inbound", mid, to=self.account, text=text, data={"from": igsid}, after=after)
        message: dict[str, Any] = {"mid": mid, "text": text}
        if story:
            message["reply_to"] = {"story": {"id": story, "url": f"{self.base_url}/stories/{story}"}}
        elif reply_to:
            message["reply_to"] = {"mid": reply_to}
        self._owe(mid, between(self.account, igsid, self.account, entry, {"message": message}), after)
        return mid

    async def comment_from(
        self, igsid: str, media: str, text: str, *, username: str = "someone", after: timedelta = NOW
    ) -> str:
        """Comment on a post as a person; returns the comment's id. It opens no window."""
        entry = self.feed.note("comment", self.feed.next_id(), to=media, text=text, data={"from": igsid}, after=after)
        value = {
            "from": {"id": igsid, "username": username}, "media": {"id": media, "media_product_type": "FEED"},
            "id": entry.id, "text": text,
        }  # fmt: skip
        self._owe(entry.id, changed(self.account, "comments", value, entry), after)
        return entry.id

    async def mention_from(self, media: str, comment: str = "", *, after: timedelta = NOW) -> None:
        """Mention the account somewhere else; Instagram does not say who did."""
        entry = self.feed.note("mention", self.feed.next_id(), to=media, after=after)
        value = {"media_id": media, **({"comment_id": comment} if comment else {})}
        self._owe(entry.id, changed(self.account, "mentions", value, entry), after)

    async def react_from(self, igsid: str, mid: str, emoji: str = "❤", *, after: timedelta = NOW) -> None:
        """React to a direct message."""
        entry = self.feed.note("reaction", self.feed.next_id(), to=mid, text=emoji, data={"from": igsid}, after=after)
        reaction = {"mid": mid, "action": "react", "reaction": "love", "emoji": emoji}
        self._owe(entry.id, between(self.account, igsid, self.account, entry, {"reaction": reaction}), after)

    async def subscribe(self) -> bool:
        """Check the webhook address as the app's form does; tells whether it answered the challenge."""
        told = f"?hub.mode=subscribe&hub.verify_token={quote(self.verify_token)}&hub.challenge=1158201444"
        answer = await self.world.post(self.world.hook_url(self) + told, headers={}, body=b"", method="GET")
        return answer.status_code == 200 and answer.text == "1158201444"

    async def report(self, payload: Mapping[str, Any]) -> None:
        """Post a signed webhook; all but ASCII is escaped, as Meta writes it."""
        body = json.dumps(payload, ensure_ascii=True, separators=(",", ":")).encode()
        headers = {"content-type": "application/json", "x-hub-signature-256": signature(self.app_secret, body)}
        answer = await self.world.post(self.world.hook_url(self), headers=headers, body=body)
        answer.raise_for_status()

    def _owe(self, name: str, payload: Mapping[str, Any], after: timedelta = NOW) -> None:
        self.world.owe(self, name, after, payload)

    # ---- the API

    async def answer(self, request: Request) -> Response:
        """Answer one call; what is refused is written into the ledger too."""
        parts = [each for each in request.path.split("/") if each]
        if parts[:1] == ["shelf"]:
            return self._served(parts[-1])
        try:
            self._entitled(request)
            if request.method == "GET" and parts == ["refresh_access_token"]:
                return Response.of_json(self._renewed(request))
            if not parts or not re.fullmatch(r"v\d+\.\d+", parts[0]):
                raise refuse(2500, None, "Unknown path components")
            path = [self.account if each == "me" else each for each in parts[1:]]
            return Response.of_json(self._routed(request, path))
        except Refusal as refusal:
            self.feed.note("call", "", text=f"{request.method} {'/'.join(parts[2:])}", refused=refusal.name)
            return refusal.response

    def _entitled(self, request: Request) -> None:
        told = request.headers.get("authorization", "").removeprefix("Bearer ") or request.query.get("access_token", "")
        if not any(hmac.compare_digest(told.encode(), each.encode()) for each in self._tokens()):
            raise refuse(190, None, "Invalid OAuth access token - Cannot parse access token")
        proven = request.query.get("appsecret_proof", "")
        if not proven:
            raise refuse(100, None, "API calls from the server require an appsecret_proof argument")
        if not hmac.compare_digest(proven.encode(), proof(self.app_secret, told).encode()):
            raise refuse(100, None, "Invalid appsecret_proof provided in the API argument")

    def _tokens(self) -> list[str]:
        return [self.token, *(each.id for each in self.feed.of("token"))]

    def _renewed(self, request: Request) -> dict[str, Any]:
        if request.query.get("grant_type") != "ig_refresh_token":
            raise refuse(100, None, "Invalid grant_type")
        entry = self.feed.note("token", f"{self.token}-{self.feed.next_id()}")
        return {"access_token": entry.id, "token_type": "bearer", "expires_in": 60 * 86_400}

    def _routed(self, request: Request, path: list[str]) -> Any:  # noqa: PLR0911 - one route a line
        match request.method, path:
            case "POST", [self.account, "media"]:
                return self._made(said(request))
            case "POST", [self.account, "media_publish"]:
                return self._publish(said(request))
            case "POST", [self.account, "messages"]:
                return self._sent(said(request))
            case "GET", [self.account, "content_publishing_limit"]:
                config = {"quota_total": self.quota, "quota_duration": 86400}
                return {"data": [{"quota_usage": self.feed.quota_used(), "config": config}]}
            case "GET", [self.account, "media" | "stories" as edge]:
                posts = [
                    each for each in self.feed.of("post") if (each.data["kind"] == "STORIES") == (edge == "stories")
                ]
                return {"data": [{"id": each.id, "timestamp": stamp(each)} for each in posts[::-1][:10]]}
            case "GET", [self.account, "conversations"]:
                person = request.query.get("user_id", "")
                return {"data": [{"id": f"t_{person}"}] if self.feed.thread(person) else []}
            case "GET", [self.account]:
                return {"id": self.account, "username": self.username}
            case "GET", [id_] if id_.startswith("t_"):
                return {
                    "id": id_,
                    "messages": {"data": [line(each, self.account) for each in self.feed.thread(id_[2:])[:20]]},
                }
            case "GET", [id_]:
                return self._node(id_)
        raise refuse(100, 33, "Unsupported request. Object does not exist or the operation is not supported")

    def _node(self, id_: str) -> dict[str, Any]:
        post = next((each for each in self.feed.of("post") if each.id == id_), None)
        if post is not None:
            return {"id": id_, "permalink": post.data["permalink"]}
        container = self.feed.container(id_)
        if container is None:
            raise refuse(100, 33, "Unsupported get request. Object with this ID does not exist")
        self._looked[id_] = self._looked.get(id_, 0) + 1
        code = self.status(container)
        return {"id": id_, "status_code": code, "status": f"{code.title()}: see status_code"}

    def status(self, container: Entry) -> str:
        """Give a container's status code now."""
        if self.feed.published(container.id):
            return "PUBLISHED"
        if self.feed.expired(container):
            return "EXPIRED"
        return "FINISHED" if self._looked.get(container.id, 0) > self.looks else "IN_PROGRESS"

    def _made(self, told: Any) -> dict[str, str]:
        fields = post_fields(told, self._picture)
        if fields.get("media_type") == "CAROUSEL":
            children = self.feed.children(fields)
            if any(each is None or not each.data.get("is_carousel_item") for each in children):
                raise refuse(24, 2207006, "The media with the given creation ID cannot be found")
            if any(self.status(each) != "FINISHED" for each in children if each):
                raise refuse(9007, 2207027, "Media ID is not available")
        entry = self.feed.note("container", self.feed.next_id(), text=str(fields.get("caption", "")), data=fields)
        return {"id": entry.id}

    def _publish(self, told: Any) -> dict[str, str]:
        if not isinstance(told, dict) or set(told) != {"creation_id"}:
            raise refuse(100, None, "Param creation_id must be given, and nothing else")
        container = self.feed.container(str(told["creation_id"]))
        if container is None:
            raise refuse(24, 2207006, "The media with the given creation ID cannot be found")
        match self.status(container):
            case "EXPIRED":
                raise refuse(-2, 2207020, "The media you are trying to publish has expired")
            case "IN_PROGRESS" | "PUBLISHED":  # a published one is no longer available either
                raise refuse(9007, 2207027, "Media ID is not available")
        if container.data.get("is_carousel_item"):
            raise refuse(100, None, "A carousel item cannot be published by itself")
        if self.feed.quota_used() >= self.quota:
            raise refuse(9, 2207042, "You have reached the maximum number of posts that can be published")
        return {"id": self._shown(container).id}

    def _shown(self, container: Entry) -> Entry:
        kind = str(container.data.get("media_type", "IMAGE"))
        id_, place = self.feed.next_id(), f"stories/{self.username}" if kind == "STORIES" else "p"
        data = {
            "container": container.id, "kind": kind, "permalink": f"https://www.instagram.com/{place}/{id_}/",
            "fields": dict(container.data),
        }  # fmt: skip
        parts = [container.data, *(each.data for each in self.feed.children(container.data) if each)]
        urls = [str(each.get("image_url") or each.get("video_url") or "") for each in parts]
        pictures = [(each, self._picture(each)) for each in urls if each]
        drawn = next((words(data) for _, data in pictures if data and kind == "STORIES"), "")
        entry = self.feed.note("post", id_, text=container.text or drawn, data=data)
        show_post(self.folder, f"{'story' if kind == 'STORIES' else 'post'}-{id_}", entry, pictures)
        return entry

    def _sent(self, told: Any) -> dict[str, str]:
        letter = read_letter(told)
        person = letter.to
        if letter.comment:
            comment = self.feed.comment(letter.comment)
            if comment is None or self.feed.answered(letter.comment):
                raise refuse(100, 2534025, "The comment is invalid or already has a private reply")
            if self.world.now() - when(comment) >= COMMENT:
                raise refuse(10, 2534022, "This message is sent outside of allowed window")
            person = str(comment.data["from"])
        elif not self.feed.known(person):
            raise refuse(100, 2534014, "The requested user cannot be found")
        else:
            wrote, window = self.feed.wrote(person), HUMAN if letter.tag and self.human_agent else WINDOW
            if wrote is None or self.world.now() - wrote >= window:
                raise refuse(10, 2534022, "This message is sent outside of allowed window")
        kind, data = "direct", {"tag": letter.tag, "comment": letter.comment}
        if letter.picture:
            kind, data["picture"] = "attachment", letter.picture
        entry = self.feed.note(kind, f"m_{self.feed.next_id()}", to=person, text=letter.text, data=data)
        show_thread(self.folder, person, self.feed.thread(person)[::-1])
        body = {"attachments": [{"type": "image"}]} if letter.picture else {"text": letter.text}
        echo = {"message": {"mid": entry.id, **body, "is_echo": True}}
        self._owe(f"{entry.id}:echo", between(self.account, self.account, person, entry, echo), ECHO)
        if self.readers and not letter.picture:
            seen = between(self.account, person, self.account, entry, {"read": {"mid": entry.id}}, READ)
            self._owe(f"{entry.id}:read", seen, READ)
        return {"recipient_id": person, "message_id": entry.id}

    def _served(self, name: str) -> Response:
        path = self.folder / "media" / Path(name).name
        if not path.is_file():
            return Response(404)
        return Response(200, path.read_bytes(), {"content-type": "image/jpeg"})

    def _picture(self, url: str) -> bytes | None:
        """Fetch what Meta would fetch: our shelf is beside us, the rest of the world is out of reach and believed."""
        if not url.startswith("http://127.0.0.1") or "/shelf/" not in url:
            return None
        path = self.folder / "media" / Path(urlsplit(url).path).name
        if not path.is_file():
            raise refuse(9004, 2207052, "The media could not be fetched from this URI")
        return path.read_bytes()
