"""What goes with a push message and what a push service's answer means: RFC 8030, in tables.

https://mozilla-services.github.io/autopush-rs/errors.html · https://developer.apple.com/documentation/usernotifications/sending-web-push-notifications-in-web-apps-and-browsers
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from omnibus import Attempt, OmnibusError, Purpose, Refused, TryLater, Unreachable
from omnibus.http import Answer, error_for
from omnibus_web.push import PushContent
from omnibus_web.vapid import url64

MAX_TTL = 28 * 86_400  # seconds; what Google keeps at most

#: RFC 8030 §5.3
URGENCY = {Purpose.TRANSACTIONAL: "high", Purpose.SERVICE: "normal", Purpose.MARKETING: "low"}

#: RFC 8030 §7.3, https://mozilla-services.github.io/autopush-rs/errors.html; all others: ``error_for``
ERRORS: dict[int, Callable[[], OmnibusError]] = {
    400: partial(Refused, "bad_request"),  # no TTL, bad crypto headers: ours to mend
    401: partial(TryLater, "bad_vapid", account=True),
    403: partial(TryLater, "vapid_forbidden", account=True),
    404: partial(Unreachable, "gone"),  # the subscription is over
    410: partial(Unreachable, "gone"),  # … and will not come back
    413: partial(Refused, "too_big"),
}


def topic(delivery: str) -> str:
    """Name a delivery in 32 characters of base64url, RFC 8030 §5.4."""
    return url64(hashlib.sha256(delivery.encode()).digest())[:32]


def seconds(content: PushContent, attempt: Attempt, most: int) -> int:
    """Reckon how long it may wait for the browser: no longer than its reason lasts."""
    ends = [attempt.started + timedelta(seconds=most)]
    ends += [attempt.started + content.lasts] if content.lasts is not None else []
    ends += [content.until] if content.until is not None else []
    return max(0, min(MAX_TTL, int((min(ends) - attempt.started).total_seconds())))


def meaning(answer: Answer) -> OmnibusError:
    """Say what a push service's answer means.

    Google answers 400 ``UnauthorizedRegistration`` to a wrong key; a 5xx with Retry-After was not processed.
    """
    if answer.status == 400 and b"UnauthorizedRegistration" in answer.body:
        return TryLater("bad_vapid", account=True)
    if answer.status >= 500 and answer.retry_after is not None:
        return TryLater(f"http_{answer.status}", retry_after=answer.retry_after)
    known = ERRORS.get(answer.status)
    return known() if known else error_for(answer)
