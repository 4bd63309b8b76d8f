"""Personal codes: derived from key, offer and customer, so the same in every channel; nothing drawn when rendering."""

from __future__ import annotations

import hmac
from hashlib import sha256

#: no 0 O 1 I L U: nothing that a clerk could misread, and no accidental words with U
ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
DIGITS = 13  # × log2(30) = 63.8 bits
SHORT = 8  # typed hand-over codes: short-lived, tries are limited


def personal(key: bytes, offer: str, customer: str, number: int = 1) -> str:
    """Derive a customer's code of an offer: 13 characters (63 bits) and a check character, in groups; *number* counts renewals."""
    what = f"code\0{offer}\0{customer}" if number == 1 else f"code\0{offer}\0{customer}\0{number}"
    return grouped(token(key, what, DIGITS))


def token(key: bytes, what: str, digits: int) -> str:
    """Derive *digits* characters and a check character from *what*."""
    number = int.from_bytes(hmac.digest(key, what.encode(), sha256), "big")
    drawn = ""
    for _ in range(digits):
        number, place = divmod(number, len(ALPHABET))
        drawn += ALPHABET[place]
    return drawn + check(drawn)


def check(text: str) -> str:
    """Compute the check character: weighted sum over the alphabet, so swaps and single slips are found."""
    total = sum((place + 1) * ALPHABET.index(char) for place, char in enumerate(text))
    return ALPHABET[total % len(ALPHABET)]


def grouped(text: str) -> str:
    """Write a code as people read it: ``AAAA-BBBB-CCCC-DD``."""
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def plain(typed: str) -> str:
    """Read a code as typed or scanned: case, blanks and dashes do not matter."""
    return "".join(char for char in typed.upper() if char.isalnum())


def well_formed(typed: str, digits: int = DIGITS) -> bool:
    """Tell whether a personal code can be right, before any look-up."""
    text = plain(typed)
    return len(text) == digits + 1 and all(char in ALPHABET for char in text) and check(text[:-1]) == text[-1]


def hashed(key: bytes, typed: str) -> str:
    """Give the keyed hash under which a code is stored."""
    return hmac.digest(key, b"hash\0" + plain(typed).encode(), sha256).hex()
