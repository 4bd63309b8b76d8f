"""Write a whole mail as bytes from prepared parts: no MIME tree, no header objects.

Structure (RFC 2046): ``mixed``[ ``alternative``[ plain, ``related``[ html, pictures ] ], attachments ], each level
only where it is needed. Bodies are quoted-printable, so they contain neither long lines nor any of our
boundaries: after ``=`` quoted-printable never writes ``_``.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache
from typing import Literal

from omnibus import Refused
from omnibus_email import head
from omnibus_email.content import Attachment, EmailContent
from omnibus_email.quoted import quoted

MIXED, ALTERNATIVE, RELATED = b"=_om_mixed", b"=_om_alternative", b"=_om_related"
#: headers that this module writes itself; content may not bring them
OWN = frozenset({
    "from", "to", "cc", "bcc", "sender", "reply-to", "return-path", "date", "subject", "message-id", "references",
    "in-reply-to", "mime-version", "content-type", "content-transfer-encoding", "auto-submitted", "dkim-signature",
})  # fmt: skip
_SAFE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_REAL_ID = re.compile(r"[\x21-\x3b\x3d\x3f\x41-\x7e]+@[\x21-\x3b\x3d\x3f\x41-\x7e]+")


@dataclass(frozen=True, slots=True)
class Envelope:
    """Hold what the provider adds to a content: sender, recipient, ids and time.

    Args:
        sender: display name and address of From.
        message_id: without angle brackets.
        date: written to the second.
        reference: a second id by which an answer finds us, for providers that replace the Message-ID.
    """

    sender: tuple[str, str] = field(repr=False)
    to: str = field(repr=False)
    message_id: str
    date: datetime
    reply_to: tuple[str, str] | None = field(default=None, repr=False)
    reference: str = ""


def message_id(delivery: str, domain: str) -> str:
    """Name a mail by its delivery: the same on every resend, so that receivers can drop the second one."""
    local = delivery if _SAFE_ID.fullmatch(delivery) else hashlib.sha256(delivery.encode()).hexdigest()[:40]
    return f"om.{local}@{domain}"


def thread_id(thread: str, domain: str) -> str:
    """Name the root of a conversation; a real Message-ID stays what it is."""
    bare = thread.strip("<>")
    if "@" in bare and _REAL_ID.fullmatch(bare):
        return bare
    return f"thread.{hashlib.sha256(thread.encode()).hexdigest()[:32]}@{domain}"


def headers(content: EmailContent, envelope: Envelope) -> list[tuple[str, bytes]]:
    """Write the head but for the MIME fields, in a fixed order; every name appears once.

    Raises:
        Refused: a value with a control character in it, or a header that is not the content's to bring.
    """
    domain = envelope.sender[1].rpartition("@")[2]
    display, address = envelope.sender
    made = [
        ("Date", _date(envelope.date.replace(microsecond=0), envelope.date.utcoffset())),
        ("From", _mailbox("From", display or content.sender, address)),
        ("To", head.word("To", envelope.to)),
        ("Message-ID", head.word("Message-ID", f"<{envelope.message_id}>")),
        ("Subject", head.line("Subject", content.subject)),
    ]
    if envelope.reply_to:
        made.append(("Reply-To", _mailbox("Reply-To", *envelope.reply_to)))
    root = f"<{thread_id(content.thread, domain)}>" if content.thread else ""
    if root:
        made.append(("In-Reply-To", head.word("In-Reply-To", root)))
    if root or envelope.reference:
        mine = f"<{envelope.reference}>" if envelope.reference else ""
        made.append(("References", head.folded("References", [each for each in (root, mine) if each])))
    made.append(("Auto-Submitted", b"Auto-Submitted: auto-generated\r\n"))
    taken = set()
    for name, value in content.headers.items():
        low = name.lower()
        if low in OWN or low in taken:
            raise Refused("header_twice")
        taken.add(low)
        made.append((name, head.line(name, value)))
    return made


#: the same for every mail of a sender, and of a second
_mailbox = lru_cache(maxsize=64)(head.mailbox)


@lru_cache(maxsize=64)
def _date(second: datetime, _offset: timedelta | None) -> bytes:
    return f"Date: {format_datetime(second)}\r\n".encode()


def write(content: EmailContent, envelope: Envelope) -> bytes:
    """Write the mail, ready for ``DATA``: CRLF everywhere, no line over 998 octets.

    Raises:
        Refused: see ``headers``.
    """
    kind, body = _body(content)
    lines = [*headers(content, envelope), ("MIME-Version", b"MIME-Version: 1.0\r\n"), ("Content-Type", kind)]
    top = head.proved(b"".join([each for _, each in lines]), [name for name, _ in lines])
    return top + b"\r\n" + body


def _body(content: EmailContent) -> tuple[bytes, bytes]:
    text = quoted(content.text).encode("ascii")
    html = (content.coded or quoted(content.html)).encode("ascii")
    if not content.attachments:
        kind, (before, between, after) = _ALONE
        return kind, b"".join((before, text, between, html, after))
    inside = [each for each in content.attachments if each.cid]
    beside = [each for each in content.attachments if not each.cid]
    page = _text("html", html)
    if inside:
        page = _nested(RELATED, "related", [page, *map(_file, inside)])
    kind, body = _multipart(ALTERNATIVE, "alternative", [_text("plain", text), page])
    if beside:
        kind, body = _multipart(MIXED, "mixed", [kind + b"\r\n" + body, *map(_file, beside)])
    return kind, body


def _multipart(boundary: bytes, kind: str, parts: list[bytes]) -> tuple[bytes, bytes]:
    rule = b"--" + boundary
    body = b"".join([rule + b"\r\n" + part + b"\r\n" for part in parts]) + rule + b"--\r\n"
    return f'Content-Type: multipart/{kind};\r\n boundary="{boundary.decode()}"\r\n'.encode(), body


def _nested(boundary: bytes, kind: str, parts: list[bytes]) -> bytes:
    head_line, body = _multipart(boundary, kind, parts)
    return head_line + b"\r\n" + body


def _text(kind: Literal["plain", "html"], coded: bytes) -> bytes:
    top = f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    return top.encode("ascii") + coded


def _alone() -> tuple[bytes, list[bytes]]:
    """Make the skeleton of the mail that most are: two texts and no file."""
    kind, body = _multipart(ALTERNATIVE, "alternative", [_text("plain", b"\0"), _text("html", b"\0")])
    return kind, body.split(b"\0")


_ALONE = _alone()


@lru_cache(maxsize=64)
def _file(each: Attachment) -> bytes:
    """Write an attachment; cached, for a picture in the layout is the same in every mail."""
    if not re.fullmatch(r"[a-z]+/[a-z0-9.+-]+", each.media_type) or not re.fullmatch(r"[\w.@-]*", each.cid, re.ASCII):
        raise Refused("bad_attachment")
    name = _parameter("filename", head.checked(each.name))
    how = "inline" if each.cid else "attachment"
    lines = [f"Content-Type: {each.media_type}", "Content-Transfer-Encoding: base64"]
    lines += [f"Content-Disposition: {how};\r\n {name}"]
    lines += [f"Content-ID: <{each.cid}>"] if each.cid else []
    body = base64.encodebytes(each.data).replace(b"\n", b"\r\n").removesuffix(b"\r\n")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _parameter(name: str, value: str) -> str:
    """Write a MIME parameter: quoted where it is plain, by RFC 2231 where it is not."""
    if re.fullmatch(r"[A-Za-z0-9 ._()-]{1,60}", value):
        return f'{name}="{value}"'
    octets = value.encode()[:240]
    coded = [chr(each) if (chr(each).isalnum() and each < 128) or each in b"._-" else f"%{each:02X}" for each in octets]
    lines, now = [], ""
    for each in coded:
        if len(now) + len(each) > 50:
            lines.append(now)
            now = ""
        now += each
    lines.append(now)
    if len(lines) == 1:
        return f"{name}*=utf-8''{lines[0]}"
    first = [f"{name}*0*=utf-8''{lines[0]}"]
    return ";\r\n ".join(first + [f"{name}*{number}*={each}" for number, each in enumerate(lines[1:], 1)])
