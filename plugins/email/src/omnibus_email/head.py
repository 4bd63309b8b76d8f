"""Write mail headers so that no value can become another header: our own guard, whatever the Python version.

Raw line ends are refused, and so are those inside RFC 2047 encoded words (CVE-2024-6923): some decoders unfold them
later. Whatever is not plain ASCII, or looks like an encoded word, leaves as encoded words made here.
Sources: RFC 5322 §2.1.1, §2.2.3; RFC 2047 §2, §5.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable

from omnibus import InputError, Refused, Unreachable

MAX_LINE = 998  # octets of one line, RFC 5322 §2.1.1
FOLD_AT = 76  # characters; RFC 2047 §2 wants lines with encoded words to be at most that long
WORD_BYTES = 39  # bytes in one encoded word: 39 * 4/3 + 12 of frame = 64, so that it fits behind `Subject: `, too

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ENCODED_WORD = re.compile(r"=\?[^?]*\?([bBqQ])\?([^?]*)\?=")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")
_WIDE = re.compile(
    r"[^\x00-\x20\x7f-\xa0\u2028\u2029()<>\[\]:;@\\,\"]+@[^\x00-\x20\x7f-\xa0\u2028\u2029()<>\[\]:;@\\,\"]+"
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,75}")


def checked(value: str) -> str:
    """Return *value* itself when neither it nor what its encoded words say holds a control character.

    Raises:
        Refused: ``header_injection``.
    """
    if value.isprintable() and "=?" not in value:  # no control character is printable
        return value
    if _UNSAFE.search(value):
        raise Refused("header_injection")
    if "=?" in value:
        for kind, body in _ENCODED_WORD.findall(value):
            if _UNSAFE.search(_decoded(kind, body)):
                raise Refused("header_injection")
    return value


def _decoded(kind: str, body: str) -> str:
    try:
        raw = base64.b64decode(body + "=" * (-len(body) % 4)) if kind in "bB" else binascii.a2b_qp(body, header=True)
    except (binascii.Error, ValueError):  # not decodable by anyone
        return ""
    return raw.decode("utf-8", "replace")


def line(name: str, value: str) -> bytes:
    """Write one unstructured header, folded, CRLF at its end.

    Raises:
        Refused: control characters, or a word too long for a line.
    """
    if not _NAME.fullmatch(name):
        raise Refused("header_name")
    checked(value)
    if "=?" in value or not value.isascii():
        return folded(name, encoded_words(value))
    if len(name) + len(value) + 2 <= FOLD_AT + 2:
        return f"{name}: {value}\r\n".encode()
    return folded(name, value.split(" "))


def word(name: str, value: str) -> bytes:
    """Write a header of one word, which nothing can break.

    Raises:
        Refused: it is too long for a line.
    """
    made = f"{name}: {value}\r\n".encode()
    if len(made) > MAX_LINE + 2:
        raise Refused("header_too_long")
    return made


def folded(name: str, words: Iterable[str]) -> bytes:
    """Write a header of words that must not be broken, a new line before each that does not fit."""
    lines, now = [], f"{name}:"
    for word in words:
        if len(now) + 1 + len(word) > FOLD_AT and now.strip() and now != f"{name}:" and word:
            lines.append(now)
            now = ""
        now += f" {word}"
    lines.append(now)
    if any(len(each) > MAX_LINE for each in lines):
        raise Refused("header_too_long")
    return ("\r\n".join(lines) + "\r\n").encode("ascii")


def encoded_words(text: str) -> list[str]:
    """Split text into encoded words of whole characters (base64, UTF-8)."""
    raw, words, at = text.encode(), [], 0
    while True:
        end = min(at + WORD_BYTES, len(raw))
        while end < len(raw) and raw[end] & 0xC0 == 0x80:  # in the middle of a character
            end -= 1
        words.append(f"=?utf-8?b?{binascii.b2a_base64(raw[at:end], newline=False).decode()}?=")
        if end == len(raw):
            return words
        at = end


def mailbox(name: str, display: str, address: str) -> bytes:
    """Write an address header with exactly one mailbox; *display* may be empty."""
    checked(display)
    if not display:
        return folded(name, [address])
    if display.isascii() and "=?" not in display:
        quoted = display.replace("\\", "\\\\").replace('"', '\\"')
        return folded(name, [*f'"{quoted}"'.split(" "), f"<{address}>"])
    return folded(name, [*encoded_words(display), f"<{address}>"])


def address_of(value: str) -> str:
    """Check one recipient address and write its domain in ASCII (RFC 5890); the local part stays as it is.

    Raises:
        Unreachable: this can be no address; nobody will ever be reached by it.
    """
    if len(value) <= 254 and _ADDRESS.fullmatch(value):
        return value
    if value.isascii() or not _WIDE.fullmatch(value):
        raise Unreachable("bad_address")
    local, domain = value.rsplit("@", 1)
    try:
        narrow = f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        raise Unreachable("bad_address") from None
    if len(narrow.encode()) > 254 or (narrow.isascii() and not _ADDRESS.fullmatch(narrow)):
        raise Unreachable("bad_address")
    return narrow


def sender_of(value: str) -> tuple[str, str]:
    """Read a setting such as ``Acme <hello@example.com>`` into display name and address.

    Raises:
        InputError: it is no single mailbox.
    """
    found = re.fullmatch(r'\s*(?:"?([^"<>]*?)"?\s*<([^<>]+)>|([^<>\s]+))\s*', value)
    if not found:
        raise InputError("no single mailbox", where="from", fix="write `Acme <hello@example.com>`")
    display, address = (found[1] or "").strip(), found[2] or found[3]
    if not _ADDRESS.fullmatch(address) or _UNSAFE.search(display):
        raise InputError("no mail address", where="from", fix="write `Acme <hello@example.com>`")
    return display, address


def proved(head: bytes, names: list[str]) -> bytes:
    """Read the finished head again: exactly the headers that were meant, in their order, and no empty line.

    Raises:
        Refused: ``header_injection``: a value broke out, whatever guard it passed before.
    """
    lines = head.split(b"\r\n")[:-1]
    seen = [each.partition(b":")[0] for each in lines if each[:1] not in {b" ", b"\t"} or not each.strip()]
    ends = head.count(b"\r\n")
    if (
        b":".join(seen) != ":".join(names).encode()
        or head[:1] in {b" ", b"\t"}
        or not head.endswith(b"\r\n")
        or head.count(b"\n") != ends
        or head.count(b"\r") != ends
    ):
        raise Refused("header_injection")
    return head
