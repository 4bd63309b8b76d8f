"""A browser's push subscription: its endpoint, a URL given by a stranger, and its keys.

Written as one text, ``<endpoint>#p256dh=…&auth=…&k=…``; *k* is the sender's public key it was made with, for a
subscription works with that one only. The identity ``push`` is its digest: short, and it opens nothing. The whole
is kept, encrypted, in the facet ``Subscriptions``, where the channel finds it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self
from urllib.parse import parse_qsl, urlsplit

from omnibus import Event, Facet, InputError
from omnibus_web.sealed import point
from omnibus_web.vapid import raw64, url64

#: push services of the browsers; ``*.`` stands for any host below
HOSTS = (
    "fcm.googleapis.com", "updates.push.services.mozilla.com", "*.push.apple.com", "*.notify.windows.com",
)  # fmt: skip
MAX_ENDPOINT = 1_000  # characters


KEPT = 10  # browsers of one customer


@dataclass(frozen=True, slots=True)
class Subscriptions(Facet):
    """Fold `push.subscribed` (data ``{"id", "subscription"}``): what is needed to reach each of a person's browsers.

    Args:
        held: identity value → subscription as text, the latest ten.
    """

    name: ClassVar[str] = "subscriptions"
    hears: ClassVar[tuple[str, ...]] = ("push.subscribed",)
    private: ClassVar[tuple[str, ...]] = ("held",)

    held: Mapping[str, str] = field(default_factory=dict, repr=False)

    def after(self, event: Event) -> Self:
        """Add a browser."""
        name, text = str(event.data.get("id") or ""), str(event.data.get("subscription") or "")
        if not name or not text or self.held.get(name) == text:
            return self
        rest = {key: value for key, value in self.held.items() if key != name}
        return replace(self, held=dict([*rest.items(), (name, text)][-KEPT:]))


@dataclass(frozen=True, slots=True)
class Subscription:
    """Hold where and for whom to encrypt; all of it is secret.

    Args:
        endpoint: https URL of an allowed push service.
        browser: public point, 65 bytes; *auth*: 16 bytes.
        key: the sender's public key as base64url, empty when unknown.
    """

    endpoint: str = field(repr=False)
    browser: bytes = field(repr=False)
    auth: bytes = field(repr=False)
    key: str = field(default="", repr=False)

    @property
    def id(self) -> str:
        """Give the value of its identity ``push``."""
        return url64(hashlib.sha256(self.text.encode()).digest())

    @property
    def text(self) -> str:
        """Write it as one text; ``read`` reads it."""
        return f"{self.endpoint}#p256dh={url64(self.browser)}&auth={url64(self.auth)}&k={self.key}"


def subscription(told: object, hosts: Iterable[str], key: str) -> Subscription:
    """Read what the browser gave the page: ``{"endpoint", "keys": {"p256dh", "auth"}}``.

    Raises:
        InputError: no subscription, or of a push service that is not allowed; nothing of it is quoted.
    """
    keys = told.get("keys") if isinstance(told, Mapping) else None
    if not isinstance(told, Mapping) or not isinstance(keys, Mapping):
        raise InputError("a subscription has `endpoint` and `keys`", where="subscription")
    texts = [told.get("endpoint"), keys.get("p256dh"), keys.get("auth")]
    if not all(isinstance(each, str) for each in texts):
        raise InputError("`endpoint`, `p256dh` and `auth` must be texts", where="subscription")
    return _checked(*map(str, texts), hosts=hosts, key=key)


def read(text: str, hosts: Iterable[str]) -> Subscription:
    """Read what ``Subscription.text`` wrote.

    Raises:
        InputError: it is none, or its push service is not allowed (any more).
    """
    endpoint, _, rest = text.partition("#")
    told = dict(parse_qsl(rest))
    return _checked(endpoint, told.get("p256dh", ""), told.get("auth", ""), hosts=hosts, key=told.get("k", ""))


def _checked(endpoint: str, browser: str, auth: str, *, hosts: Iterable[str], key: str) -> Subscription:
    if not allowed(endpoint, hosts):
        raise InputError("the endpoint is not of an allowed push service", where="subscription", fix="see `push_hosts`")
    try:
        made = Subscription(endpoint, raw64(browser), raw64(auth), key)
        point(made.browser)
    except ValueError:
        raise InputError("`p256dh` is no point of P-256, or not base64url", where="subscription") from None
    if len(made.auth) != 16:
        raise InputError("`auth` must have 16 bytes", where="subscription")
    return made


def allowed(endpoint: str, hosts: Iterable[str]) -> bool:
    """Tell whether we may post there: https, a listed host, its usual port unless the list names one, no user, no spaces.

    Only names that are listed are ever resolved, so no stranger's URL reaches an inner address.
    """
    if (
        len(endpoint) > MAX_ENDPOINT
        or not endpoint.isascii()
        or not endpoint.isprintable()
        or set(endpoint) & set(' "<>\\^`{|}#')
    ):
        return False
    try:
        parts = urlsplit(endpoint)
        place = parts.hostname or ""
        if parts.port not in {None, 443}:
            place += f":{parts.port}"
    except ValueError:
        return False
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc:
        return False
    return any(place.endswith(each[1:]) if each.startswith("*.") else place == each for each in map(str.lower, hosts))
