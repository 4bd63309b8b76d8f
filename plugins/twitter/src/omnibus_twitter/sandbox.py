"""X's side of the wire, on loopback: it refuses what X refuses, shows what X shows, and reports as X does.

It keeps its timeline in the world's ledger, so a killed run finds it again; what a reader would see is written to
``<world>/twitter/`` as one JSON file and one HTML page for every post and message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from omnibus import Request, Response
from omnibus.testing import Entry, HttpSandbox, World
from omnibus_twitter.activity import SIGNATURE, mac
from omnibus_twitter.card import Face, card
from omnibus_twitter.sandbox_allowance import Allowance
from omnibus_twitter.sandbox_door import Door
from omnibus_twitter.sandbox_media import MediaShelf
from omnibus_twitter.sandbox_rows import direct, direct_row, mention, millis, page, post_row, read, stamp
from omnibus_twitter.sandbox_rules import (
    CLOSED,
    DUPLICATE,
    UNAUTHORIZED,
    forbidden,
    invalid,
    problem,
    signed,
    wrong_message,
    wrong_post,
)
from omnibus_twitter.timeline import EPOCH

ME, HANDLE = "2244994945", "acme"
KEYS = ("sandbox-consumer-key", "sandbox-consumer-secret", f"{ME}-sandbox-token", "sandbox-token-secret")
_DAY = timedelta(days=1)


class XSandbox(HttpSandbox):
    """Be X for one account.

    Args:
        closed: ids of people who take no messages from us.
        lost: how many of the next accepted writes are answered 503, as if the answer were lost.
        lag: seconds until an own post shows on the timeline.
        allowance: limits per window, and credits.
        door: OAuth 2 tokens; ``door.authorize(url)`` acts as the account in the browser.
    """

    channel, name = "twitter", "x"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.folder = world.folder / "twitter"
        self.folder.mkdir(exist_ok=True)
        self.shelf = MediaShelf(self.folder / "media", self.new_id)
        self.closed: set[str] = set()
        self.lost, self.lag = 0, 0.0
        self.allowance = Allowance(world, ME)
        self.hook = ""
        self._valid, self._nonces = False, set[str]()
        self._last = self._mark = int(_read(self.folder / "last-id") or 0)
        self.door = Door(self.folder / "tokens.json", self.new_id)

    def table(self) -> Mapping[str, Mapping[str, Any]]:
        """Give the configuration of the account."""
        key, secret, token, token_secret = KEYS
        return {
            "twitter": {
                "provider": "x", "consumer_key": key, "consumer_secret": secret, "access_token": token,
                "access_token_secret": token_secret, "user_id": ME, "handle": HANDLE, "base_url": self.base_url,
            }
        }  # fmt: skip

    # ---- act as the person

    def message_from(self, user_id: str, text: str, *, after: timedelta = timedelta()) -> str:
        """Let a person write us a direct message; returns its id. The webhook comes with the next ``world.pump()``."""
        id_ = self.new_id()
        self._owe(id_, after, "dm.received", direct(id_, user_id, ME, text, self.world.now()))
        return id_

    def mention_from(self, user_id: str, text: str, *, answers: str = "", after: timedelta = timedelta()) -> str:
        """Let a person mention us in a post, or answer one of ours (*answers*: its id); returns the post's id."""
        id_ = self.new_id()
        payload = mention(id_, user_id, ME, text, answers, self.world.now())
        self._owe(id_, after, "post.reply.create" if answers else "post.mention.create", payload)
        return id_

    def read_by(self, user_id: str, message_id: str, *, after: timedelta = timedelta()) -> None:
        """Let a person read our direct message."""
        self._owe(f"read-{message_id}", after, "dm.read", read(user_id, ME, message_id, self.world.now()))

    # ---- webhooks

    async def register(self, url: str = "") -> None:
        """Check the webhook's owner (CRC) as X does when a webhook is registered.

        Raises:
            RuntimeError: the answer was not the right one.
        """
        self.hook = url or self.hook or self.world.hook_url(self)
        token = f"crc-{self.new_id()}"
        answer = await self.world.post(f"{self.hook}?crc_token={token}", headers={}, body=b"", method="GET")
        right = {"response_token": mac(KEYS[1], token.encode())}
        if answer.status_code != 200 or answer.json() != right:
            raise RuntimeError(f"CRC failed: HTTP {answer.status_code}")
        self._valid = True

    async def report(self, payload: Mapping[str, Any]) -> None:
        """Send an activity, signed over its raw bytes; a webhook never checked is checked first."""
        if not self._valid:
            await self.register()
        body = json.dumps({"data": dict(payload)}, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {"content-type": "application/json", SIGNATURE: mac(KEYS[1], body)}
        answer = await self.world.post(self.hook, headers=headers, body=body)
        if not 200 <= answer.status_code < 300:
            raise RuntimeError(f"webhook answered HTTP {answer.status_code}")

    def _owe(self, id_: str, after: timedelta, event_type: str, payload: Mapping[str, Any]) -> None:
        told = {"event_uuid": id_, "filter": {"user_id": ME}, "event_type": event_type, "payload": payload}
        self.world.owe(self, f"{event_type}:{id_}", after, told)

    # ---- the API

    async def answer(self, request: Request) -> Response:
        """Answer one call: authorisation first, then limits, then the call itself."""
        if request.path == "/2/oauth2/token":
            return self.door.token(request)
        if not self._authorised(request):
            return UNAUTHORIZED
        for method, pattern, handle in self._routes():
            match = re.fullmatch(pattern, request.path)
            if match and method == request.method:
                result = handle(request, *match.groups())
                return result if isinstance(result, Response) else await result
        return problem(404, "Not Found Error", "Not Found", "https://api.x.com/2/problems/resource-not-found")

    def _routes(self) -> tuple[tuple[str, str, Callable[..., Any]], ...]:
        return (
            ("POST", r"/2/tweets", self._create),
            ("DELETE", r"/2/tweets/([0-9]+)", self._delete),
            ("GET", rf"/2/users/{ME}/tweets", self._timeline),
            (
                "GET",
                r"/2/users/me",
                lambda _: Response.of_json({"data": {"id": ME, "username": HANDLE, "name": "Acme"}}),
            ),
            ("POST", r"/2/dm_conversations/with/([0-9]+)/messages", self._send),
            ("GET", r"/2/dm_conversations/with/([0-9]+)/dm_events", self._events),
            ("POST", r"/2/media/upload/initialize", self.shelf.start),
            ("POST", r"/2/media/upload/([0-9]+)/append", self.shelf.append),
            ("POST", r"/2/media/upload/([0-9]+)/finalize", self.shelf.finish),
            ("GET", r"/2/media/upload", self.shelf.status),
            ("POST", r"/2/media/metadata", self.shelf.describe),
            ("POST", r"/2/webhooks", self._hook),
        )

    def _authorised(self, request: Request) -> bool:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.door.lets_in(bearer):
            return True
        return signed(request, KEYS, self.world.now(), self._nonces)

    def _create(self, request: Request) -> Response:
        body = _json(request)
        wrong = wrong_post(body, self.shelf.ready) or self.allowance.refuse("post")
        text = str(body.get("text", "")) if isinstance(body, dict) else ""
        if wrong is None and text and any(each.text == text for each in self._posts() if self._age(each) < _DAY):
            wrong = forbidden(DUPLICATE)
        return wrong or self._write("post", "", body)

    def _send(self, request: Request, to: str) -> Response:
        body = _json(request)
        wrong = wrong_message(body, self.shelf.ready) or self.allowance.refuse("direct")
        if wrong is None and to in self.closed:
            wrong = forbidden(CLOSED)
        return wrong or self._write("direct", to, body)

    def _write(self, kind: str, to: str, body: Mapping[str, Any]) -> Response:
        """Record, show, and only then answer."""
        id_, text = self.new_id(), str(body.get("text") or "")
        attached = [str(each.get("media_id")) for each in body.get("attachments") or ()]
        pictures = attached or [str(each) for each in (body.get("media") or {}).get("media_ids", [])]
        entry = Entry(
            id_, self.world.now().isoformat(), "twitter", "x", kind, to=to, text=text,
            data={"media": pictures, "reply": (body.get("reply") or {}).get("in_reply_to_tweet_id", "")},
        )  # fmt: skip
        self.world.record(entry)
        self._show(entry, body)
        self.allowance.spend()
        if self.world.public_url:
            event = "dm.sent" if to else "post.create"
            self._owe(
                id_,
                timedelta(seconds=1),
                event,
                direct(id_, ME, to, text, self.world.now()) if to else post_row(entry, ME),
            )
        if self.lost > 0:
            self.lost -= 1
            return problem(503, "Service Unavailable", "Service Unavailable")
        said = {"dm_conversation_id": f"{min(ME, to, key=int)}-{max(ME, to, key=int)}", "dm_event_id": id_} if to else {
            "id": id_, "text": text, "edit_history_tweet_ids": [id_]}  # fmt: skip
        answer = Response.of_json({"data": said}, 201)
        return Response(201, answer.body, {**answer.headers, **self.allowance.left(kind)})

    def _delete(self, request: Request, id_: str) -> Response:
        if id_ not in {each.id for each in self._posts()}:
            return problem(404, "Not Found Error", "Not Found", "https://api.x.com/2/problems/resource-not-found")
        self.world.record(
            Entry(f"{id_}-deleted", self.world.now().isoformat(), "twitter", "x", "deletion", data={"post": id_})
        )
        return Response.of_json({"data": {"deleted": True}})

    def _timeline(self, request: Request) -> Response:
        found = [post_row(each, ME) for each in self._posts() if self._age(each) >= timedelta(seconds=self.lag)]
        return page(found, request)

    def _events(self, request: Request, who: str) -> Response:
        found = [direct_row(each, ME) for each in self.world.of("twitter", kind="direct") if each.to == who]
        return page(found, request)

    async def _hook(self, request: Request) -> Response:
        body = _json(request)
        url = body.get("url") if isinstance(body, dict) else None
        if not isinstance(url, str) or not url or len(url) > 200:
            return invalid("$.url: 1 to 200 characters", url=url)
        try:
            await self.register(url)
        except RuntimeError:
            return invalid("CRC validation failed", url=url)
        made = {"id": self.new_id(), "url": url, "valid": True, "created_at": stamp(self.world.now())}
        return Response.of_json({"data": made})

    # ---- inside

    def new_id(self) -> str:
        """Give the next id: rising, of the present time, never the same again after a restart."""
        self._last = max(self._last + 1, (millis(self.world.now()) - EPOCH) << 22)
        if self._last > self._mark:
            self._mark = self._last + 10_000
            (self.folder / "last-id").write_text(str(self._mark), encoding="utf-8")
        return str(self._last)

    def _posts(self) -> list[Entry]:
        gone = {each.data["post"] for each in self.world.of("twitter", kind="deletion")}
        return [each for each in self.world.of("twitter", kind="post") if each.id not in gone]

    def _age(self, entry: Entry) -> timedelta:
        return self.world.now() - datetime.fromisoformat(entry.at)

    def _show(self, entry: Entry, body: Mapping[str, Any]) -> None:
        """Write what a reader sees: the request as JSON, and a page."""
        name = f"{entry.kind}-{entry.id}"
        (self.folder / f"{name}.json").write_text(json.dumps(body, ensure_ascii=False, indent=1), encoding="utf-8")
        foot = f"to {entry.to} · {entry.at}" if entry.to else entry.at
        pictures = self.shelf.pictures(entry.data["media"])
        page = card(Face("Acme", f"@{HANDLE}"), [(entry.text, foot)], pictures)
        (self.folder / f"{name}.html").write_bytes(page)


def _json(request: Request) -> Any:
    try:
        return json.loads(request.body)
    except ValueError:
        return None


def _read(path: Any) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
