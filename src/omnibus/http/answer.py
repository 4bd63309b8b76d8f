"""What a provider answered, and which error that means."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isnan
from typing import Any

from pydantic_core import from_json

from omnibus.errors import DeliveryError, Refused, TryLater, Unknown
from omnibus.model.swift import swift

MAX_BODY = 1_000_000  # bytes of an answer, unpacked, that we are ready to read
MAX_RETRY_AFTER = 86_400.0  # seconds; absurd values are capped to a day


@swift
@dataclass(frozen=True, slots=True)
class Answer:
    """Hold a provider's answer; headers have lower-case names."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def ok(self) -> bool:
        """Tell whether the status is 2xx (which is not yet success with every provider)."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Read the body as JSON.

        Raises:
            Unknown: a 2xx with an unreadable body: it was probably done.
            DeliveryError: another status with an unreadable body: what ``error_for`` says of the status.
        """
        try:
            return _loads(self.body)
        except (ValueError, RecursionError):
            if self.ok:
                raise Unknown("unreadable_answer") from None
            raise error_for(self) from None

    @property
    def retry_after(self) -> float | None:
        """Read ``Retry-After`` (seconds or an HTTP date) as seconds, at most a day; None without one."""
        told = self.headers.get("retry-after", "").strip()
        if not told:
            return None
        try:
            seconds = float(told)
        except ValueError:
            try:
                seconds = (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds()
            except (ValueError, TypeError):
                return None
        return None if isnan(seconds) else min(max(seconds, 0.0), MAX_RETRY_AFTER)


def _loads(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError:  # other encodings, a byte order mark, half a pair of surrogates: slower, and more patient
        return jsonlib.loads(body)


def error_for(answer: Answer) -> DeliveryError:
    """Map a status that no provider's own table explains.

    429 → TryLater; 401, 403 → TryLater, pausing the account; 408, 409, 5xx → Unknown; 3xx and other 4xx → Refused.
    Source: reference table of lost answers (docs/concepts/lost-answers.md).
    """
    status, reason = answer.status, f"http_{answer.status}"
    if status == 429:
        return TryLater("rate_limited", retry_after=answer.retry_after)
    if status in (401, 403):
        return TryLater(reason, account=True)
    if status in (408, 409) or status >= 500:
        return Unknown(reason)
    return Refused("redirect" if 300 <= status < 400 else reason)
