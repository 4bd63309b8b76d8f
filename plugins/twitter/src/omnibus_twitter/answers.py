"""What X's answers mean: one table from status and words to one of our four errors.

Sources: https://docs.x.com/x-api/fundamentals/response-codes-and-errors · https://docs.x.com/x-api/fundamentals/rate-limits ·
codes of v1.1 that v2 still lets through: https://developer.x.com/en/support/x-api/error-troubleshooting
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from omnibus import Refused, TryLater, Unknown, Unreachable
from omnibus.http import Answer, error_for

CREDIT_PAUSE = 900.0  # seconds until we ask again whether credits were bought
LONGEST_PAUSE = 86_400.0  # seconds; a reset further away is not believed
Kind = Literal["later", "refused", "unreachable", "opt_out"]


@dataclass(frozen=True, slots=True)
class Row:
    """Hold one row: *words* is a lower-case part of title, detail, type or message, ``code:N`` a v1.1 code, empty for any."""

    status: int
    words: str
    kind: Kind
    reason: str
    account: bool = False


#: first match counts; a status that is not here falls through to ``omnibus.http.error_for``
TABLE = (
    Row(400, "", "refused", "invalid_request"),
    Row(401, "", "later", "unauthorized", account=True),
    Row(402, "", "later", "credits_depleted", account=True),  # pay-per-use credits are used up: nothing was posted
    Row(403, "duplicate content", "refused", "duplicate"),  # after our own lost answer this is the proof of success
    Row(403, "code:187 ", "refused", "duplicate"),
    Row(403, "permission to dm", "unreachable", "messages_closed"),  # their settings; nothing we send will arrive
    Row(403, "code:349 ", "unreachable", "messages_closed"),
    Row(403, "code:150 ", "unreachable", "messages_closed"),
    Row(403, "code:136 ", "opt_out", "blocked"),  # they blocked us: they said no
    Row(403, "suspended", "later", "suspended", account=True),
    Row(403, "code:64 ", "later", "suspended", account=True),
    Row(403, "code:326 ", "later", "locked", account=True),
    Row(403, "code:226 ", "later", "looks_automated", account=True),
    Row(403, "client-not-enrolled", "later", "client_not_enrolled", account=True),  # the app's set-up, not this post
    Row(403, "unsupported-authentication", "later", "unsupported_authentication", account=True),
    Row(403, "oauth1", "later", "app_permissions", account=True),  # the app may only read: ops must change that
    Row(403, "code:261 ", "later", "app_permissions", account=True),
    Row(403, "client-forbidden", "refused", "client_forbidden", account=True),
    Row(403, "reply to this conversation", "refused", "reply_not_summoned"),
    Row(403, "", "refused", "not_permitted"),
    Row(404, "", "refused", "not_found"),
    Row(413, "", "refused", "too_large"),
)


def error_of(answer: Answer, now: datetime) -> Exception:
    """Choose the error for an answer that is no success; *now* is business time, against which resets are reckoned."""
    if answer.status == 429:
        return TryLater("rate_limited", retry_after=pause(answer, now))
    said = words(answer)
    for row in TABLE:
        if row.status == answer.status and (not row.words or row.words in said):
            return _error(row)
    return error_for(answer)


def _error(row: Row) -> Exception:
    match row.kind:
        case "later":
            pause_for = CREDIT_PAUSE if row.status == 402 else None
            return TryLater(row.reason, retry_after=pause_for, account=row.account)
        case "unreachable" | "opt_out":
            return Unreachable(row.reason, opt_out=row.kind == "opt_out")
    return Refused(row.reason, account=row.account)


def words(answer: Answer) -> str:
    """Collect title, detail, type, reason and messages of an error body, lower-case; unreadable bodies say nothing."""
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        return ""
    said: list[str] = []
    for each in (body, *errors(body)):
        if isinstance(each, dict):
            said += [str(each.get(name, "")) for name in ("title", "detail", "type", "reason", "message")]
            said.append(f"code:{each.get('code')} ")
    return " ".join(said).lower()


def errors(body: Any) -> list[Any]:
    """List the ``errors`` of a body; none when there are none."""
    found = body.get("errors") if isinstance(body, dict) else None
    return found if isinstance(found, list) else []


def pause(answer: Answer, now: datetime) -> float | None:
    """Tell how many seconds a 429 asks us to wait: the exhausted 24-hour window first, else the endpoint's own."""
    end = exhausted(answer.headers) or _number(answer.headers, "x-rate-limit-reset")
    if end is None:
        return answer.retry_after
    return min(max(end - now.timestamp(), 1.0), LONGEST_PAUSE)


def exhausted(headers: Mapping[str, str]) -> float | None:
    """Tell at which unix second an exhausted window ends; None while something remains."""
    for window in ("app-limit-24hour", "user-limit-24hour", "rate-limit"):
        if headers.get(f"x-{window}-remaining", "").strip() == "0":
            return _number(headers, f"x-{window}-reset")
    return None


def _number(headers: Mapping[str, str], name: str) -> float | None:
    told = headers.get(name, "").strip()
    return float(told) if told.isdigit() else None


def id_at(answer: Answer, *path: str) -> str:
    """Read X's numeric id deep inside a success body.

    Raises:
        Unknown: it is not there: X said yes, but not to what.
    """
    value: Any = answer.json()
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, str) or not re.fullmatch("[0-9]{1,19}", value):
        raise Unknown("unreadable_answer")
    return value
