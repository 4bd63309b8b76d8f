"""The account's token, kept alive: a long-lived one lasts 60 days and is exchanged for a fresh one every week.

Source: https://developers.facebook.com/docs/instagram-platform/reference/refresh_access_token (at least 24 hours old,
not expired; Instagram Login only: with Facebook Login a person logs in again).
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

from omnibus import Keep, OmnibusError
from omnibus_instagram.api import Api
from omnibus_instagram.notes import when

OLD = timedelta(days=7)  # of the 60 that it lives


class Token:
    """Use the configured token, or the one that it was last exchanged for; a newly configured one wins.

    Args:
        told: from the configuration.
    """

    def __init__(self, api: Api, told: str) -> None:
        self._api, self._told = api, told
        self._mark = hashlib.sha256(told.encode()).hexdigest()[:16]

    async def freshen(self, keep: Keep, now: datetime) -> None:
        """Let the calls bear the token that lives longest; exchange it when it is a week old."""
        note = _read(await keep.get("token"))
        if note.get("mark") != self._mark:
            await self._write(keep, self._told, now)
            return
        self._api.token = str(note.get("token") or self._told)
        if now - when(note.get("since")) < OLD:
            return
        try:
            told = await self._api.get("/refresh_access_token", grant_type="ig_refresh_token")
        except OmnibusError:
            return  # the old one still works for weeks: nobody's message waits for this
        if isinstance(told.get("access_token"), str) and told["access_token"]:
            self._api.token = told["access_token"]
            await self._write(keep, told["access_token"], now)

    async def _write(self, keep: Keep, token: str, now: datetime) -> None:
        await keep.set("token", json.dumps({"mark": self._mark, "token": token, "since": now.isoformat()}))


def _read(note: str | None) -> dict[str, Any]:
    told = json.loads(note) if note else {}
    return told if isinstance(told, dict) else {}
