"""Identities in one form each, and the keyed hash by which they are looked up."""

from __future__ import annotations

import hmac
import re
import unicodedata

from omnibus.errors import InputError
from omnibus.model.customer import Identity
from omnibus.tokens import subkey

_EMAIL = re.compile(r"[^@\s\x00-\x20\"<>(),:;\\\[\]]+@[^@\s\x00-\x20\"<>(),:;\\\[\]]+\.[^@\s.]+|[^@\s]+@[^@\s]+")
_PHONE = re.compile(r"\+[1-9]\d{6,14}")
MOST = 320  # characters of the longest identity value (RFC 5321: 64 + 1 + 255)


def normalised(kind: str, value: str) -> str:
    """Write an identity value in its one form: emails in lower case, phones as E.164 (ITU-T).

    Raises:
        InputError: it cannot be one; the text does not quote it.
    """
    text = (value if value.isascii() else unicodedata.normalize("NFC", value)).strip()
    if not text or len(text) > MOST or not _seen(text):
        raise InputError(
            f"not a value for an identity of kind `{kind}`", where=kind, fix="give one without control characters"
        )
    if kind == "email":
        if not _EMAIL.fullmatch(text):
            raise InputError("not an email address", where="email", fix="write it as name@example.com")
        return text.lower()
    if kind == "phone":
        digits = re.sub(r"[\s().\-/]", "", text)
        digits = f"+{digits[2:]}" if digits.startswith("00") else digits
        if not _PHONE.fullmatch(digits):
            raise InputError("not a phone number", where="phone", fix="write it with its country, as +442079460000")
        return digits
    return text


def _seen(text: str) -> bool:
    """Tell whether it is free of control and format characters; plain ASCII needs no look at each."""
    if text.isascii():
        return text.isprintable()
    return all(unicodedata.category(char) not in {"Cc", "Cf"} for char in text)


class Recogniser:
    """Make identities with their refs.

    Args:
        key: master key; the refs' own subkey is derived from it.
    """

    def __init__(self, key: bytes) -> None:
        self._key = subkey(key, "identity")

    def ref(self, kind: str, value: str) -> str:
        """Hash an identity for look-up and logs: the same address always gives the same ref, and no way back."""
        return self._ref(kind, normalised(kind, value))

    def _ref(self, kind: str, text: str) -> str:
        mac = hmac.digest(self._key, f"{kind}\0{text}".encode(), "sha256")
        return f"{kind}:{mac[:12].hex()}"

    def identity(self, kind: str, value: str, *, verified: bool = False, evidence: str = "") -> Identity:
        """Make an identity from what was told.

        Raises:
            InputError: the value cannot be of this kind.
        """
        text = normalised(kind, value)
        return Identity(kind, text, self._ref(kind, text), verified, evidence)
