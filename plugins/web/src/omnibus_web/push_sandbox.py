"""A push service and the browsers behind it: it refuses what the real ones refuse, and opens what they would show."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec

from omnibus import Request, Response
from omnibus.testing import Entry, HttpSandbox, World
from omnibus_web.sealed import OVERHEAD, RECORD, public_bytes, unseal
from omnibus_web.vapid import public_text, raw64, url64, vouched

HOST = "push.sandbox.example"
ORIGIN = f"https://{HOST}"
#: the sandbox's own key pair, for loopback only
PRIVATE_KEY = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"

_AUTHORIZATION = re.compile(r"vapid t=([^,\s]+), ?k=([A-Za-z0-9_-]+)")
_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}")
_URGENCY = {"very-low", "low", "normal", "high"}


@dataclass(slots=True)
class Browser:
    """Hold one browser: its keys, whether it still subscribes, and what it shows by tag."""

    name: str
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    auth: bytes = field(repr=False)
    sender: str = ""
    shows: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def subscription(self) -> dict[str, Any]:
        """Give what its page would post."""
        keys = {"p256dh": url64(public_bytes(self.key)), "auth": url64(self.auth)}
        return {"endpoint": f"{ORIGIN}/wp/{self.name}", "expirationTime": None, "keys": keys}


class PushSandbox(HttpSandbox):
    """Be the push service and every browser that subscribed there.

    A shown notification is in the ledger (kind ``notification``, *to*: the browser's name) and in
    ``<world>/push/<name>.json``; a second later the browser reports that it was shown.
    """

    channel: ClassVar[str] = "push"
    name: ClassVar[str] = "push"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.browsers: dict[str, Browser] = {}
        self._trouble: tuple[int, dict[str, str], bytes] | None = None
        self._reports: dict[str, dict[str, Any]] = {}
        for entry in world.entries:
            if entry.channel == self.channel:
                self._remember(entry)

    def table(self) -> Mapping[str, Mapping[str, Any]]:
        """Point the channels at this service: ``push``, and what ``web`` must know of it."""
        push = {
            "provider": "push", "private_key": PRIVATE_KEY, "subject": "mailto:push@acme.example", "hosts": [HOST],
            "base_url": self.base_url,
        }  # fmt: skip
        return {"push": push, "web": {"push_key": public_text(PRIVATE_KEY), "push_hosts": [HOST]}}

    def browser(self, name: str) -> Browser:
        """Give the browser of one person, subscribed with our key; its keys are the same after a restart."""
        if name not in self.browsers:
            key = ec.generate_private_key(ec.SECP256R1())
            made = Browser(name, key, os.urandom(16), public_text(PRIVATE_KEY))
            self._record(name, "subscribed", "", {"private": _private(key), "auth": url64(made.auth)})
        return self.browsers[name]

    def unsubscribe(self, name: str) -> None:
        """End a subscription: the service answers 410 from now on."""
        self._record(name, "unsubscribed", "", {})

    def answer_next(self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        """Answer the next request so, whatever it is: for example 429 with Retry-After."""
        self._trouble = status, dict(headers or {}), body

    async def click(self, name: str, tag: str = "") -> None:
        """Click a notification (the last one): the service worker reports it."""
        shows = self.browsers[name].shows
        told = shows.pop(tag or list(shows)[-1])
        await self.report({"to": told["report"], "type": "clicked"})

    async def report(self, payload: Mapping[str, Any]) -> None:
        """Post what the service worker posts."""
        body = json.dumps({"type": payload["type"]}).encode()
        answer = await self.world.post(payload["to"], headers={"content-type": "text/plain;charset=UTF-8"}, body=body)
        if not answer.is_success:
            raise RuntimeError(f"the report was answered {answer.status_code}")

    async def answer(self, request: Request) -> Response:
        """Take a message as a push service does."""
        if self._trouble is not None:
            (status, headers, body), self._trouble = self._trouble, None
            return Response(status, body, headers)
        name = request.path.removeprefix("/wp/")
        refused = self._refusal(request, name)
        if refused is not None:
            status, why = refused
            self._record(name, "push", "", {"status": status}, refused=why)
            return Response.of_json({"code": status, "errno": 0, "error": why}, status)
        try:
            told = json.loads(unseal(request.body, self.browsers[name].key, self.browsers[name].auth))
        except ValueError:
            # a real service cannot look inside: it accepts, and the browser shows nothing
            self._record(name, "push", "", {}, refused="the browser cannot read it")
            return Response(201, b"", {"location": f"{ORIGIN}/m/lost"})
        return self._shown(name, told, request)

    def _refusal(self, request: Request, name: str) -> tuple[int, str] | None:
        headers, known = request.headers, self.browsers.get(name)
        if known is None or request.method != "POST" or not request.path.startswith("/wp/"):
            return 404, "unknown subscription"
        checks = (
            (bool(known.sender), 410, "the subscription is over"),
            (headers.get("ttl", "").isdecimal(), 400, "missing TTL"),
            (headers.get("content-encoding") == "aes128gcm", 400, "unknown content encoding"),
            (headers.get("urgency", "normal") in _URGENCY, 400, "bad Urgency"),
            (_TOPIC.fullmatch(headers.get("topic", "x")) is not None, 400, "bad Topic"),
            (len(request.body) <= RECORD, 413, "too big"),
            (len(request.body) >= OVERHEAD, 400, "no record"),
        )
        for good, status, why in checks:
            if not good:
                return status, why
        return self._voucher_refused(headers.get("authorization", ""), known.sender)

    def _voucher_refused(self, header: str, sender: str) -> tuple[int, str] | None:
        """Check who sends, as Mozilla and Apple do."""
        found = _AUTHORIZATION.fullmatch(header)
        if found is None:
            return 401, "no VAPID header"
        try:
            claims = vouched(found[1], found[2])
        except ValueError:
            return 401, "bad signature"
        left = timedelta(seconds=claims.get("exp", 0)) - timedelta(seconds=self.world.now().timestamp())
        if claims.get("aud") != ORIGIN or not timedelta() < left <= timedelta(hours=24):
            return 403, "BadJwtToken"
        if not re.fullmatch(r"mailto:[^\s<>]+@[^\s<>]+|https://[^\s<>]+", str(claims.get("sub"))):
            return 403, "BadJwtToken"
        return None if found[2] == sender else (403, "the key differs from the subscription's")

    def _shown(self, name: str, told: dict[str, Any], request: Request) -> Response:
        words = "\n".join(each for each in (told.get("title"), told.get("body"), told.get("url")) if each)
        head = {key: request.headers[key] for key in ("ttl", "urgency", "topic") if key in request.headers}
        attempt = dict(parse_qsl(urlsplit(told.get("report", "")).query)).get("attempt", "")
        entry = self._record(name, "notification", words, {"told": told, "headers": head}, attempt=attempt)
        folder = self.world.folder / "push"
        folder.mkdir(exist_ok=True)
        path = folder / f"{re.sub(r'[^A-Za-z0-9_-]', '_', name)}.json"
        path.write_text(
            json.dumps(list(self.browsers[name].shows.values()), ensure_ascii=False, indent=2), encoding="utf-8"
        )
        if told.get("report"):
            self.world.owe(self, f"{attempt}:shown", timedelta(seconds=1), {"to": told["report"], "type": "shown"})
        return Response(201, b"", {"location": f"{ORIGIN}/m/{entry.id}"})

    def _record(
        self, name: str, kind: str, words: str, data: dict[str, Any], *, attempt: str = "", refused: str = ""
    ) -> Entry:
        id_ = f"push-{len(self.world.entries) + 1}"
        at = self.world.now().isoformat()
        entry = Entry(id_, at, self.channel, self.name, kind, name, attempt, words, refused, data)
        self._remember(self.world.record(entry))
        return entry

    def _remember(self, entry: Entry) -> None:
        """Rebuild from the ledger what browsers know."""
        match entry.kind:
            case "subscribed":
                number = int.from_bytes(raw64(entry.data["private"]), "big")
                key, auth = ec.derive_private_key(number, ec.SECP256R1()), raw64(entry.data["auth"])
                self.browsers[entry.to] = Browser(entry.to, key, auth, public_text(PRIVATE_KEY))
            case "unsubscribed":
                self.browsers[entry.to].sender = ""
            case "notification":
                told = dict(entry.data["told"])
                self.browsers[entry.to].shows[str(told.get("tag"))] = told


def _private(key: ec.EllipticCurvePrivateKey) -> str:
    return url64(key.private_numbers().private_value.to_bytes(32, "big"))
