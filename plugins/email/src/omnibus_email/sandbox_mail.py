"""The mails that come back in the sandbox, what a strict server refuses, and the page a person would see."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_NEEDED = ("date", "from", "message-id", "mime-version")
_ONCE = ("date", "from", "to", "subject", "message-id", "reply-to", "mime-version", "content-type", "list-unsubscribe")


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sandbox")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, secret = folder / "smtp.pem", folder / "smtp.key"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return cert, secret


def fault_of(mail: EmailMessage, raw: bytes) -> str:
    """Say what a strict receiver refuses in a mail (RFC 5322 §3.6, Gmail's rules); empty where all is well."""
    faults = {
        "550 5.6.11 bare line end": re.search(rb"(?<!\r)\n|\r(?!\n)", raw),
        "550 5.6.0 line too long": any(len(line) > 998 for line in raw.split(b"\r\n")),
        "550 5.7.1 a header is missing": any(mail.get(name) is None for name in _NEEDED),
        "550 5.7.1 a header stands there twice": any(len(mail.get_all(name, [])) > 1 for name in _ONCE),
        "550 5.7.1 not one sender": mail.get("from") is None or len(mail["from"].addresses) != 1,
        "550 5.7.1 one-click without an address": "list-unsubscribe-post" in mail and "list-unsubscribe" not in mail,
        "550 5.6.0 broken MIME": any(part.defects for part in mail.walk()),
    }
    return next((text for text, found in faults.items() if found), "")


def picture_of(mail: EmailMessage) -> bytes:
    """Give the page that the reader sees, inline pictures put in."""
    body = mail.get_body(("html", "plain"))
    html = str(body.get_content()) if body is not None else ""
    if body is not None and body.get_content_type() == "text/plain":
        html = f"<pre>{html.replace('&', '&amp;').replace('<', '&lt;')}</pre>"
    for part in mail.walk():
        cid = str(part.get("content-id", "")).strip("<> ")
        if cid:
            held = part.get_payload(decode=True)
            data = base64.b64encode(held if isinstance(held, bytes) else b"").decode()
            html = html.replace(f"cid:{cid}", f"data:{part.get_content_type()};base64,{data}")
    return html.encode()


def digest(text: str) -> str:
    """Shorten a text to a name."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _head(original: bytes) -> bytes:
    return original.split(b"\r\n\r\n")[0] + b"\r\n"


def bounce(to: str, back: str, envelope_id: str, status: str, original: bytes, at: datetime) -> bytes:
    """Write a delivery report as a mail server does (RFC 3464)."""
    rule, fields = "=_report", [f"Original-Envelope-Id: {envelope_id}"] if envelope_id else []
    top = [
        "Return-Path: <>", "From: Mail Delivery System <mailer-daemon@mx.sandbox.example>", f"To: {back}",
        f"Date: {format_datetime(at)}", f"Message-ID: <dsn.{digest(to + status + envelope_id)}@mx.sandbox.example>",
        "Subject: Undelivered Mail Returned to Sender", "Auto-Submitted: auto-replied", "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="{rule}"', "", f"--{rule}",
        "Content-Type: text/plain; charset=utf-8", "", "Your message could not be delivered.", "", f"--{rule}",
        "Content-Type: message/delivery-status", "", "Reporting-MTA: dns; mx.sandbox.example", *fields,
        f"Arrival-Date: {format_datetime(at)}", "", f"Final-Recipient: rfc822; {to}", "Action: failed",
        f"Status: {status}", "Remote-MTA: dns; mail.example", f"Diagnostic-Code: smtp; 550 {status} refused", "",
        f"--{rule}", "Content-Type: text/rfc822-headers", "",
    ]  # fmt: skip
    return _lines(top) + _head(original) + _lines(["", f"--{rule}--"])


def complaint(to: str, back: str, original: bytes, at: datetime) -> bytes:
    """Write a complaint as mailbox providers do (RFC 5965)."""
    rule = "=_report"
    top = [
        "From: abuse@mx.sandbox.example", f"To: {back}", f"Date: {format_datetime(at)}",
        f"Message-ID: <arf.{digest(to)}.{digest(original.decode('latin-1'))}@mx.sandbox.example>", "Subject: FW: a mail",
        "MIME-Version: 1.0", f'Content-Type: multipart/report; report-type=feedback-report; boundary="{rule}"', "",
        f"--{rule}", "Content-Type: text/plain; charset=utf-8", "", "This is an abuse report.", "", f"--{rule}",
        "Content-Type: message/feedback-report", "", "Feedback-Type: abuse", "User-Agent: Sandbox/1", "Version: 1",
        f"Original-Rcpt-To: {to}", "", f"--{rule}", "Content-Type: message/rfc822", "",
    ]  # fmt: skip
    return _lines(top) + _head(original) + _lines(["", "(body left out)", f"--{rule}--"])


def answer(sender: str, to: str, text: str, at: datetime, *, subject: str, parent: str = "", quoted: str = "") -> bytes:
    """Write a person's mail; with *parent* (a Message-ID) it answers that one and quotes it."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"], mail["Date"] = sender, to, subject, format_datetime(at)
    mail["Message-ID"] = f"<{digest(sender + subject + text + parent)}@mail.example>"
    if parent:
        mail["In-Reply-To"] = mail["References"] = f"<{parent}>"
        old = "\n".join(f"> {line}" for line in quoted.splitlines())
        text = f"{text}\n\nOn {format_datetime(at)}, {to} wrote:\n\n{old}\n"
    mail.set_content(text)
    return mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _lines(lines: list[str]) -> bytes:
    return "".join(f"{each}\r\n" for each in lines).encode()
