"""Read a mail that came back: delivery reports, complaints, replies, and what people write on their own.

Only a mail that names one of ours (envelope id, VERP address or Message-ID) can report about it; what merely claims
to be a bounce says nothing. Sources: RFC 3464 (reports), RFC 6522 (multipart/report), RFC 5965 (complaints),
RFC 3834 (machine mail), RFC 5322 §3.6.4 (threading).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, message_from_string
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any

from flufl.bounce import all_failures

from omnibus import InputError, Report, Unreachable
from omnibus_email.answers import fault
from omnibus_email.reply import spoken

MAX_PARTS = 200  # MIME parts that we are ready to look at
MAX_TEXT = 20_000  # characters of a reply that are kept

#: ``Action`` of a delivery report → our event; ``delayed``, ``relayed`` and ``expanded`` bring no news
ACTIONS = {"failed": "message.bounced", "delivered": "message.delivered"}
#: ``Feedback-Type`` of a complaint → our event (https://www.iana.org/assignments/marf-parameters)
FEEDBACK = {
    "abuse": "message.complained",
    "fraud": "message.complained",
    "virus": "message.complained",
    "other": "message.complained",
    "opt-out": "message.unsubscribed",
    "opt-out-list": "message.unsubscribed",
}
#: whole answers that mean "no more", beside the one-click header
STOP_WORDS = frozenset({"unsubscribe", "stop", "abmelden", "abbestellen", "désabonner", "baja", "uitschrijven"})

_IDS = re.compile(r"<([^<>\s]{1,250})>")
_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_CODE = re.compile(r"\b([45]\d\d)[ -]")


@dataclass(frozen=True, slots=True)
class Mine:
    """Say what is ours: the domain of our Message-IDs, our addresses, the pattern of the return path."""

    domain: str
    addresses: frozenset[str] = field(default=frozenset(), repr=False)
    return_path: str = field(default="", repr=False)


def read(raw: bytes, mine: Mine, now: datetime) -> list[Report]:
    """Give the reports that a mail makes; empty where it brings no news.

    Raises:
        InputError: it is no mail at all.
    """
    mail = _parsed(raw)
    at = _time(mail, now)
    name = _text(mail, "message-id").strip("<> ") or hashlib.sha256(raw).hexdigest()
    kind = str(mail.get_content_type()), str(mail.get_param("report-type", "")).lower()
    if kind == ("multipart/report", "delivery-status"):
        return list(_bounces(mail, mine, name, at))
    if kind == ("multipart/report", "feedback-report"):
        return list(_complaints(mail, mine, name, at))
    if _machine(mail):
        return list(_free_form(mail, raw, mine, name, at))
    return list(_words(mail, mine, name, at))


def _parsed(raw: bytes) -> Message:
    try:
        mail = message_from_bytes(raw)
        parts = sum(1 for _ in mail.walk())
    except RecursionError:
        raise InputError("the mail is nested too deeply") from None
    if not mail.keys() or parts > MAX_PARTS:
        raise InputError("this is no mail", fix="post the raw message, headers first")
    return mail


def _text(mail: Message, name: str) -> str:
    """Read a header as one line of text, whatever it holds; empty without it."""
    value = mail.get(name)
    if value is None:
        return ""
    try:
        text = str(make_header(decode_header(str(value))))
    except (LookupError, ValueError, MessageError):  # an unknown charset or broken base64: take it as it stands
        text = str(value)
    return " ".join(text.split())


def _time(mail: Message, now: datetime) -> datetime:
    try:
        told = parsedate_to_datetime(_text(mail, "date"))
    except (TypeError, ValueError, IndexError, OverflowError):
        return now
    return min(told if told.tzinfo else told.replace(tzinfo=UTC), now)


def _groups(part: Message) -> list[Message]:
    """Give the groups of fields of a ``message/delivery-status`` or ``message/feedback-report`` part."""
    held = part.get_payload()
    return [each for each in held if isinstance(each, Message)] if isinstance(held, list) else []


def _parts(mail: Message, *kinds: str) -> Iterator[Message]:
    return (each for each in mail.walk() if each.get_content_type() in kinds)


def _about(mail: Message, mine: Mine, envelope: str = "") -> dict[str, Any]:
    """Find which of our mails a report is about: by return path, envelope id, then Message-ID; empty if none."""
    if "{attempt}" in mine.return_path:
        before, after = (re.escape(each) for each in mine.return_path.split("{attempt}", 1))
        for name in ("to", "delivered-to", "x-original-to"):
            found = re.search(rf"{before}([A-Za-z0-9-]{{8,64}}){after}", _text(mail, name), re.IGNORECASE)
            if found:
                return {"attempt": found[1]}
    if envelope:
        return {"attempt": envelope}
    for part in _parts(mail, "message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"):
        held = part.get_payload()
        inner = held[0] if isinstance(held, list) and held else _parsed(_bytes(part) or b"X: \n")
        if isinstance(inner, Message) and (named := ours(f"{inner['message-id']} {inner['references']}", mine.domain)):
            return named
    return {}


def ours(text: str, domain: str) -> dict[str, Any]:
    """Find the last id that we made: of an attempt (``oma.``), else the Message-ID of a mail (``om.``)."""
    found = [each for each in _IDS.findall(text) if each.endswith(f"@{domain}")]
    attempts = [each[4:].rpartition("@")[0] for each in found if each.startswith("oma.")]
    if attempts:
        return {"attempt": attempts[-1]}
    mails = [each for each in found if each.startswith("om.")]
    return {"provider_id": mails[-1]} if mails else {}


def _bytes(part: Message) -> bytes:
    body = part.get_payload(decode=True)
    return body if isinstance(body, bytes) else b""


def _bounces(mail: Message, mine: Mine, name: str, at: datetime) -> Iterator[Report]:
    kinds = ("message/delivery-status", "message/global-delivery-status")
    groups = [group for part in _parts(mail, *kinds) for group in _groups(part)]
    envelope = _text(groups[0], "original-envelope-id") if groups else ""
    about = _about(mail, mine, _unxtext(envelope))
    for number, group in enumerate(groups):
        type_ = ACTIONS.get(_text(group, "action").lower().split(" ")[0])
        if about and type_:
            data = _reason(group) if type_ == "message.bounced" else {}
            yield Report(id=f"dsn:{name}:{number}", type=type_, at=at, data=data, **about)


def _unxtext(value: str) -> str:
    return re.sub(r"\+([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), value)


def _reason(group: Message) -> dict[str, Any]:
    """Tell why it came back; hard only where the same answer in the dialogue would make the address dead."""
    told, words = _text(group, "status"), _text(group, "diagnostic-code")
    found = _STATUS.search(words) if told.endswith(".0.0") or not _STATUS.search(told) else _STATUS.search(told)
    status = found[0] if found else ""
    basic = _CODE.search(words)
    code = int(status[0]) * 100 + 50 if status else int(basic[1]) if basic else 500
    hard = isinstance(fault(code, words, status), Unreachable)
    return {"hard": hard, "reason": status or (basic[1] if basic else told) or "failed"}


def _complaints(mail: Message, mine: Mine, name: str, at: datetime) -> Iterator[Report]:
    for part in _parts(mail, "message/feedback-report"):
        held = _groups(part)
        fields = held[0] if held else _parsed(_bytes(part) or b"X: \n")
        type_ = FEEDBACK.get(_text(fields, "feedback-type").lower())
        about = _about(mail, mine, _unxtext(_text(fields, "original-envelope-id")))
        if about and type_:
            data = {"reason": _text(fields, "feedback-type").lower()}
            yield Report(id=f"arf:{name}", type=type_, at=at, data=data, **about)


def _free_form(mail: Message, raw: bytes, mine: Mine, name: str, at: datetime) -> Iterator[Report]:
    """Read a bounce in a mail server's own words: about a third of all; it must quote the id of one of our mails.

    Hard only where it shows a status that says so.
    """
    about = ours(raw.decode("latin-1"), mine.domain)
    if not about:
        return
    waiting, lost = all_failures(_readable(raw))
    if lost or waiting:
        found = _STATUS.search(_plain_body(mail))
        status = found[0] if found else ""
        code = (int(status[0]) * 100 + 50) if status else 550
        hard = bool(lost and status) and isinstance(fault(code, "", status), Unreachable)
        data = {"hard": hard, "reason": status or "bounced"}
        yield Report(id=f"dsn:{name}:0", type="message.bounced", at=at, data=data, **about)


def _readable(raw: bytes) -> Message:
    """Parse again for the library, which falls over headers of raw bytes and over a mail from nobody."""
    mail = message_from_string(raw.decode("latin-1"))
    if not getaddresses([mail.get("from", "")]):
        del mail["from"]
        mail["From"] = "nobody"
    return mail


def _plain_body(mail: Message) -> str:
    return " ".join(_bytes(part).decode("latin-1") for part in _parts(mail, "text/plain"))[:MAX_TEXT]


def _words(mail: Message, mine: Mine, name: str, at: datetime) -> Iterator[Report]:
    """Read what a person wrote; our own echoes are no words."""
    sender = next((address.lower() for _, address in getaddresses([_text(mail, "from")]) if "@" in address), "")
    if not sender or sender in mine.addresses:
        return
    text = spoken(mail)[:MAX_TEXT]
    identity = ("email", sender)
    if {_text(mail, "subject").lower(), text.strip().lower()} & STOP_WORDS:
        data = {"channel": "email", "purpose": "marketing", "topic": "*"}
        yield Report(id=f"mail:{name}", type="consent.withdrawn", at=at, identity=identity, data=data)
        return
    about = ours(f"{mail.get('in-reply-to', '')} {mail.get('references', '')}", mine.domain)
    data = {"channel": "email", "text": text, "subject": _text(mail, "subject")[:250]}
    # the identity stands in where the attempt is no longer known: a person's words are never lost
    type_ = "message.replied" if about else "conversation.received"
    yield Report(id=f"mail:{name}", type=type_, at=at, identity=identity, data=data, **about)


def _machine(mail: Message) -> bool:
    """Tell whether no person wrote it (RFC 3834 §2, and what older responders send)."""
    if _text(mail, "auto-submitted").lower() not in ("", "no") or _text(mail, "return-path") == "<>":
        return True
    if _text(mail, "precedence").lower() in {"bulk", "junk", "list", "auto_reply"}:
        return True
    return any(
        mail.get(name) is not None for name in ("list-id", "x-autoreply", "x-autorespond", "x-auto-response-suppress")
    )
