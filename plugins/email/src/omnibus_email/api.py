"""What the providers with an HTTP API share: one client, the sender, reading answers and webhooks of any shape.

Each adapter beside this file is its tables and its payload.
"""

from __future__ import annotations

import hashlib
import hmac
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from omnibus import (
    Attempt,
    Event,
    Forged,
    InputError,
    Provider,
    ProviderSettings,
    Refused,
    Report,
    Request,
    TryLater,
    Unknown,
)
from omnibus.http import Answer, Client, error_for
from omnibus_email import head, incoming
from omnibus_email import letter as letters
from omnibus_email.channel import Email

MAX_AGE = 300  # seconds that a signed time may be off, either way


class ApiSettings(ProviderSettings):
    """Take what every mail API needs.

    Args:
        from_: our mailbox, ``Acme <hello@example.com>``.
        webhook_secret: what proves a webhook; *previous_webhook_secret* is good as well, for rotation.
        hook_secret: what a mailbox shows that posts raw mail to the hook; see the README.
    """

    from_: str = Field(alias="from", repr=False)
    reply_to: str = Field("", repr=False)
    base_url: str = ""
    webhook_secret: SecretStr = SecretStr("")
    previous_webhook_secret: SecretStr = SecretStr("")
    hook_secret: SecretStr = SecretStr("")
    previous_hook_secret: SecretStr = SecretStr("")


class KeySettings(ApiSettings):
    """Take the one key that logs in as well."""

    api_key: SecretStr

    @property
    def bearer(self) -> Mapping[str, Any]:
        """Give the arguments of ``Client`` that show it as a bearer token."""
        return {"headers": {"authorization": f"Bearer {self.api_key.get_secret_value()}"}}


class Api(Provider):
    """Hold the client and the sender."""

    channel = Email
    url: ClassVar[str]

    def __init__(self, settings: Any, **rest: Any) -> None:
        super().__init__(settings, **rest)
        self.sender = head.sender_of(settings.from_)
        self.reply_to = head.sender_of(settings.reply_to) if settings.reply_to else None
        self._client: Client | None = None
        self._closed = False

    @property
    def domain(self) -> str:
        """Give the domain that we send from."""
        return self.sender[1].rpartition("@")[2]

    def credentials(self) -> Mapping[str, Any]:
        """Give the arguments of ``Client`` that log in: ``headers`` or ``auth``; by default the key as a bearer token."""
        told: Mapping[str, Any] = self.settings.bearer
        return told

    @property
    def client(self) -> Client:
        """Give the one client, made at the first call.

        Raises:
            TryLater: closed.
        """
        if self._closed:
            raise TryLater("closed")
        if self._client is None:
            self._client = Client(self.settings.base_url or self.url, **self.credentials())
        return self._client

    def letter(self, content: object, address: str, attempt: Attempt) -> letters.Letter:
        """Check a mail and its address.

        Raises:
            DeliveryError: one of them is wrong.
        """
        return letters.Letter(letters.mail_of(content), head.address_of(address), attempt, self.sender, self.reply_to)

    #: path of a call that changes nothing and needs a good key
    harmless: ClassVar[str] = ""

    async def probe(self) -> Answer:
        """Make that call."""
        return await self.client.request("GET", self.harmless)

    async def check(self) -> None:
        """Make a harmless call.

        Raises:
            DeliveryError: what is wrong.
        """
        answer = await self.probe()
        if not answer.ok:
            raise error_for(answer)

    async def aclose(self) -> None:
        """Close the client."""
        self._closed = True
        if self._client is not None:
            await self._client.aclose()

    def verify(self, request: Request) -> None:
        """Check a webhook as the provider signs it; a raw mail by the mailbox's secret."""
        if not is_mail(request):
            self.prove(request)
        elif not shown(request, live(self.settings.hook_secret, self.settings.previous_hook_secret)):
            raise Forged("wrong hook secret")

    def parse(self, request: Request) -> Sequence[Report | Event]:
        """Read a webhook of the provider, or a raw mail that a mailbox posted."""
        if not is_mail(request):
            return self.events(request)
        mine = incoming.Mine(self.domain, frozenset({self.sender[1].lower()}))
        return incoming.read(request.body, mine, self.now())

    @abstractmethod
    def prove(self, request: Request) -> None:
        """Check the provider's own signature.

        Raises:
            Forged: it is wrong, stale, or nothing is configured to check it by.
        """

    @abstractmethod
    def events(self, request: Request) -> Sequence[Report | Event]:
        """Read the provider's own webhook."""

    def secrets(self) -> list[bytes]:
        """List the live webhook secrets.

        Raises:
            Forged: none is configured.
        """
        return live(self.settings.webhook_secret, self.settings.previous_webhook_secret)

    def fresh(self, stamp: str, back: float = MAX_AGE) -> None:
        """Refuse a signed time (unix seconds) that is more than *back* seconds old, or five minutes ahead.

        Raises:
            Forged: it is, or it is no time.
        """
        if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
            raise Forged("no time")
        if not -MAX_AGE <= self.now().timestamp() - int(stamp) <= back:
            raise Forged("too old, or of the future")


def fields_of(answer: Answer) -> dict[str, Any]:
    """Read an answer that should be a JSON object; of an unreadable refusal nothing is told.

    Raises:
        Unknown: a success without a readable object.
    """
    if not answer.ok and not answer.body.lstrip().startswith(b"{"):
        return {}
    try:
        told = answer.json()
    except Refused:
        return {}
    if isinstance(told, dict):
        return told
    if answer.ok:
        raise Unknown("unreadable_answer")
    return {}


def walk(value: Any, *path: str | int) -> Any:
    """Follow keys and places into JSON; None where the way ends."""
    for step in path:
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and len(value) > step:
            value = value[step]
        else:
            return None
    return value


def text(value: Any, *path: str | int) -> str:
    """Read a text or whole number inside JSON; empty for anything else."""
    found = walk(value, *path)
    if isinstance(found, bool) or not isinstance(found, (str, int)):
        return ""
    return str(found).encode("utf-8", "replace").decode() if not isinstance(found, int) or abs(found) < 10**30 else ""


def maps(value: Any) -> Iterator[Mapping[str, Any]]:
    """Give the objects of a JSON list; nothing for anything else."""
    return (each for each in (value if isinstance(value, list) else ()) if isinstance(each, dict))


def when(value: Any, now: datetime) -> datetime:
    """Read a time: ISO 8601, a mail date or unix seconds; *now* where there is none, and never later than that."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return min(datetime.fromtimestamp(value, UTC), now) if 0 <= value < 4e9 else now
    if not isinstance(value, str):
        return now
    try:
        told = datetime.fromisoformat(value) if value[:4].isdigit() else parsedate_to_datetime(value)
        told = told if told.tzinfo else told.replace(tzinfo=UTC)
        return min(told.astimezone(UTC), now)
    except (ValueError, TypeError, IndexError, OverflowError):
        return now


def name_of(*parts: str) -> str:
    """Make an event id of what identifies the fact; long or odd parts are hashed."""
    joined = ":".join(parts)
    return joined if len(joined) < 200 and joined.isascii() else hashlib.sha256(joined.encode()).hexdigest()


def signed_json(request: Request) -> Any:
    """Read a body whose signature is inside it.

    Raises:
        Forged: it is no JSON, so nobody signed it.
    """
    try:
        return request.json()
    except InputError:
        raise Forged("unsigned") from None


def is_mail(request: Request) -> bool:
    """Tell whether a mailbox posted a raw mail."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "message/rfc822"


def live(*secrets: SecretStr) -> list[bytes]:
    """List those that are set.

    Raises:
        Forged: none is, so the hook is shut.
    """
    found = [each.get_secret_value().encode() for each in secrets if each.get_secret_value()]
    if not found:
        raise Forged("no secret is configured")
    return found


def shown(request: Request, secrets: list[bytes]) -> bool:
    """Compare ``X-Hook-Secret`` with every live secret in constant time."""
    told = request.headers.get("x-hook-secret", "").encode("utf-8", "replace")
    return any([hmac.compare_digest(told, each) for each in secrets])  # noqa: C419 - all of them, so time tells nothing
