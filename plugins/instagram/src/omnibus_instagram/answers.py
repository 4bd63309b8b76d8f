"""What the Graph API's codes mean for us: one table, code and sub-code → what to do next.

Source:
    https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/error-codes
    https://developers.facebook.com/docs/graph-api/guides/error-handling
    https://developers.facebook.com/docs/graph-api/overview/rate-limiting
    https://developers.facebook.com/docs/messenger-platform/error-codes
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from omnibus import OmnibusError, Refused, TryLater, Unknown, Unreachable
from omnibus.http import Answer, error_for

PAUSE = 300.0  # seconds to stop for when a limit names no time

#: ``later`` nothing was done · ``rate`` as later, by the usage headers · ``account`` as later, and the account pauses ·
#: ``anew`` as later, with a new container · ``fault`` may have been done if it was the last step · ``lost`` always so
Word = Literal["later", "rate", "account", "anew", "fault", "lost", "refused", "gone"]

ANSWERS: Mapping[tuple[int, int | None], Word] = {
    # unknown or service error
    (-1, None): "fault",
    (1, None): "fault",
    (2, None): "fault",
    (-1, 2207001): "fault",
    (-1, 2207032): "anew",  # the container could not be made
    (-1, 2207053): "anew",  # unknown error of the upload
    (-2, 2207003): "fault",  # the media took too long to fetch
    (-2, 2207020): "anew",  # the container expired
    (1, 1357046): "lost",  # invalid JSON from their inside: messages may have gone out
    (1, 1545133): "fault",
    (1, 2207057): "refused",  # thumbnail offset outside the video
    # rates
    (4, None): "rate",  # the app
    (17, None): "rate",  # the user
    (32, None): "rate",  # the page
    (613, None): "rate",  # a custom limit, e.g. private replies
    (80001, None): "rate",
    (80002, None): "rate",
    (80006, None): "rate",
    (4, 2207051): "account",  # looks like spam: stopped, not slowed
    (9, 2207042): "later",  # the publishing quota of a rolling day
    (-2, 2534013): "later",  # private replies: rate or policy
    # the token, the account
    (102, None): "account",
    (190, None): "account",
    (3, None): "account",
    (10, None): "account",  # permission; 200 to 299 likewise, see `word`
    (25, 2207050): "account",  # restricted, or waiting at a checkpoint
    (368, None): "account",  # blocked for policy, for a while
    # the person
    (10, 2534022): "refused",  # outside the messaging window
    (10, 2018278): "refused",  # the same in Messenger's words
    (10, 2534014): "gone",  # not found, or not eligible
    (100, 2534014): "gone",
    (100, 2534001): "gone",  # thread archived or deleted
    (100, 2018001): "gone",  # no matching user
    (551, None): "gone",  # turned messages off, or blocks us
    (100, 2534025): "refused",  # this comment is already answered privately, or is none
    # the media
    (24, 2207006): "anew",  # container not found
    (24, 2207008): "later",  # container not there yet
    (9004, 2207052): "later",  # the URL could not be fetched
    (9007, 2207027): "later",  # not ready: keep polling
    (36000, 2207004): "refused",  # too large
    (36001, 2207005): "refused",  # no JPEG
    (36003, 2207009): "refused",  # aspect ratio
    (36004, 2207010): "refused",  # caption too long
    (352, 2207026): "refused",  # video format
    (100, None): "refused",  # a parameter
}

#: words that need nothing but a reason
PLAIN: Mapping[Word, Callable[[str], OmnibusError]] = {
    "account": partial(TryLater, account=True),
    "anew": lambda reason: TryLater(f"anew:{reason}"),
    "gone": Unreachable,
    "later": TryLater,  # without a time: only a rate makes the whole account wait
    "lost": Unknown,
    "refused": Refused,
}

#: answers that are the same whatever code they come with
SUBCODES: Mapping[int, Word] = {sub: found for (_, sub), found in ANSWERS.items() if sub is not None}

#: our words for reasons that ops will look for; else ``<code>/<sub-code>``
REASONS: Mapping[tuple[int, int | None], str] = {
    (10, 2534022): "window_closed",
    (10, 2018278): "window_closed",
    (9, 2207042): "publishing_quota",
    (9007, 2207027): "container_not_ready",
    (9004, 2207052): "picture_not_fetched",
    (100, 2534025): "comment_already_answered",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Hold what an error body says; the texts are for people at Meta and are not kept."""

    code: int
    subcode: int | None = None
    transient: bool = False

    @property
    def reason(self) -> str:
        """Name it for `why` and the logs."""
        told = f"{self.code}/{self.subcode}" if self.subcode else str(self.code)
        return REASONS.get((self.code, self.subcode), told)

    @property
    def word(self) -> Word | None:
        """Look it up: the exact pair, the sub-code, the code; None when the table knows none."""
        known = ANSWERS.get((self.code, self.subcode)) or (SUBCODES.get(self.subcode) if self.subcode else None)
        if known is None and 200 <= self.code <= 299:
            return "account"
        return known or ANSWERS.get((self.code, None))


def read(answer: Answer) -> Fault | None:
    """Read the error of an answer; None when it has none, whatever its status."""
    try:
        told = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    error = told.get("error") if isinstance(told, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("code"), int):
        return None
    sub = error.get("error_subcode")
    return Fault(error["code"], sub if isinstance(sub, int) else None, error.get("is_transient") is True)


def error(answer: Answer, *, last: bool) -> OmnibusError:
    """Turn an answer into what to do next; *last* says that this call was the one that publishes or sends."""
    fault = read(answer)
    if fault is None:
        plain = error_for(answer)
        return TryLater(plain.reason) if isinstance(plain, Unknown) and not last else plain
    word, reason = fault.word, fault.reason
    if fault.transient and word not in {"rate", "account", "later", "anew", "lost"}:
        word = "fault"
    if word == "rate" or (word is None and answer.status == 429):
        return TryLater("rate_limited", retry_after=wait(answer) or answer.retry_after or PAUSE)
    return _plain(word, reason, last=last, status=answer.status)


def _plain(word: Word | None, reason: str, *, last: bool, status: int) -> OmnibusError:
    if word == "fault" or (word is None and status >= 500):
        return Unknown(reason) if last else TryLater(reason)
    return PLAIN[word or "refused"](reason)


def failed(status: str) -> OmnibusError:
    """Read why a container ended in ERROR, from its ``status`` text, e.g. ``Error: … error code 2207026``."""
    found = re.search(r"\b(2207\d{3})\b", status)
    word = SUBCODES.get(int(found[1])) if found else None
    reason = f"container:{found[1]}" if found else "container:error"
    return Refused(reason) if word == "refused" else TryLater(f"anew:{reason}")


def usage(headers: Mapping[str, str]) -> float:
    """Read how much of the hour's allowance is used, in per cent, the highest of all that is told; 0 for nothing."""
    return max((each for row in _rows(headers) for each in _numbers(row)), default=0.0)


def wait(answer: Answer) -> float | None:
    """Read how long to wait, in seconds; the header tells minutes. None when it does not say."""
    told = [row.get("estimated_time_to_regain_access") for row in _rows(answer.headers)]
    minutes = max((each for each in told if isinstance(each, int | float)), default=0)
    return minutes * 60.0 or None


def _rows(headers: Mapping[str, str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name in ("x-app-usage", "x-business-use-case-usage"):
        try:
            told = json.loads(headers.get(name, "{}"))
        except ValueError:
            continue  # a header that we cannot read slows nobody down
        if isinstance(told, dict):
            rows += (
                [told]
                if name == "x-app-usage"
                else [r for each in told.values() if isinstance(each, list) for r in each]
            )
    return [each for each in rows if isinstance(each, dict)]


def _numbers(row: Mapping[str, Any]) -> list[float]:
    names = ("call_count", "total_time", "total_cputime")
    return [float(row[each]) for each in names if isinstance(row.get(each), int | float)]
