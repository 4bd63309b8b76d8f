"""What Twilio tells us: status callbacks and messages from people, in our events; pure.

Source: https://www.twilio.com/docs/messaging/guides/track-outbound-message-status and
https://www.twilio.com/docs/messaging/guides/webhook-request
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from omnibus import Report
from omnibus_sms.carrier import CarrierSettings, heard
from omnibus_sms.twilio_codes import BOUNCES, OPT_OUTS, OURS, STATUSES


def reported(form: Mapping[str, str], attempt: str | None, now: datetime) -> Sequence[Report]:
    """Turn a status callback into events; states on the way are no news."""
    sid, status = form.get("MessageSid") or form.get("SmsSid", ""), form.get("MessageStatus", "")
    kind = STATUSES.get(status)
    if not sid or kind is None:
        return ()
    code = int(form["ErrorCode"]) if form.get("ErrorCode", "").isdecimal() else 0
    data: dict[str, Any] = {"reason": str(code or status)} if kind == "message.failed" else {}
    if code in BOUNCES:
        kind, data = "message.bounced", {"hard": BOUNCES[code], **data}
    if code in OURS:
        data["account"] = True
    told = [Report(f"{sid}:{status}", kind, now, attempt=attempt, provider_id=sid, data=data)]
    if code in OPT_OUTS and form.get("To"):
        scope = {"channel": "sms", "purpose": "marketing", "topic": "*", "reason": str(code)}
        told.append(Report(f"{sid}:opt-out", "consent.withdrawn", now, identity=("phone", form["To"]), data=scope))
    return told


def replied(settings: CarrierSettings, form: Mapping[str, str], now: datetime) -> Sequence[Report]:
    """Turn what a person wrote into consent or conversation; ``OptOutType`` is Twilio's own reading of it."""
    sid, person = form.get("MessageSid") or form.get("SmsSid", ""), form.get("From", "")
    if not sid or not person:
        return ()
    count = form.get("NumMedia", "0")
    media = [form.get(f"MediaUrl{n}", "") for n in range(min(int(count), 10))] if count.isdecimal() else []
    extra = {"media": [url for url in media if url]} if any(media) else {}
    said = {"STOP": "stop", "START": "start", "HELP": "help"}.get(form.get("OptOutType", "").upper())
    report = Report(f"{sid}:received", "conversation.received", now, identity=("phone", person), data=extra)
    return [heard(settings, report, form.get("Body", ""), said)]
