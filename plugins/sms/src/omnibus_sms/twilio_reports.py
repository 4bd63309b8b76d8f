"""What Twilio tells us: status callbacks and messages from people, in our events; pure.

Source: https://www.twilio.com/docs/messaging/guides/track-outbound-message-status and
https://www.twilio.com/docs/messaging/guides/webhook-request
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from omnibus import Report
from omnibus_sms.carrier import CarrierSettings
from omnibus_sms.reports import Sent, arrived, heard
from omnibus_sms.twilio_codes import FATES, STATUSES


def reported(form: Mapping[str, str], attempt: str | None, now: datetime) -> Sequence[Report]:
    """Turn a status callback into events; states on the way are no news."""
    sid, status = form.get("MessageSid") or form.get("SmsSid", ""), form.get("MessageStatus", "")
    kind = STATUSES.get(status)
    if not sid or kind is None:
        return ()
    sent = Sent(f"{sid}:{status}", now, attempt, sid, form.get("To", ""))
    if kind != "message.failed":
        return [arrived(sent, kind)]
    code = form.get("ErrorCode", "")
    return FATES.failed(sent, code if code.isdecimal() and code != "0" else status)


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
