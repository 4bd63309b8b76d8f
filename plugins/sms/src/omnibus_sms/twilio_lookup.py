"""Ask Twilio's list for a message whose answer was lost; and read any of its answers.

Source: https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from omnibus import Unknown
from omnibus.http import Answer, Client, error_for
from omnibus_sms.carrier import body_of
from omnibus_sms.twilio_codes import ANSWERS

SKEW = timedelta(seconds=5)  # between our clock and Twilio's, whose dates have whole seconds
PAGE, PAGES = 200, 5  # messages to one number, and how often, that a lookup reads at most


def read(answer: Answer) -> dict[str, Any]:
    """Read an answer, or raise what its code or else its status says."""
    told = body_of(answer)
    if answer.ok:
        return told
    code = told.get("code")
    if isinstance(code, int) and code in ANSWERS and answer.status < 500:  # a 5xx is Unknown, whatever it says
        raise ANSWERS[code](str(code), answer.retry_after)
    raise error_for(answer)


async def sent(http: Client, url: str, address: str) -> Sequence[Mapping[str, Any]]:
    """List all that was sent to a number; neither filtered nor cut by DateSent, which a queued message has not got yet.

    Raises:
        Unknown: there is more than a lookup reads, so nothing can be said about what was not seen.
    """
    rows = list[Mapping[str, Any]]()
    params: dict[str, Any] | None = {"To": address, "PageSize": PAGE}
    for _ in range(PAGES):
        told = read(await http.request("GET", url, params=params))
        if not isinstance(told.get("messages"), list):
            raise Unknown("unreadable_answer")
        rows += [row for row in told["messages"] if isinstance(row, dict)]
        url, params = str(told.get("next_page_uri") or ""), None
        if not url:
            return rows
        if not url.startswith("/"):  # credentials go to no other host
            raise Unknown("unreadable_answer")
    raise Unknown("list_too_long")


def digest(words: str) -> str:
    """Reduce the words to what may be kept and compared."""
    return hashlib.sha256(words.encode()).hexdigest()


def created(row: Mapping[str, Any]) -> datetime | None:
    """Read when Twilio made a message (RFC 2822)."""
    try:
        made = parsedate_to_datetime(str(row.get("date_created", "")))
    except ValueError:
        return None
    return made if made.tzinfo else made.replace(tzinfo=UTC)


def matches(row: Mapping[str, Any], kept: str, since: datetime, until: datetime) -> bool:
    """Tell whether a listed message may be the lost one: ours, the same words, made while we waited."""
    made = created(row)
    same = digest(str(row.get("body", ""))) == kept and str(row.get("direction", "")).startswith("outbound")
    return same and bool(row.get("sid")) and made is not None and since <= made <= until
