"""Count and cut short messages exactly as networks do; pure.

Sources: 3GPP TS 23.038 §6.1.2 (alphabet, escape), TS 23.040 §9.2.3.24.1 (concatenation).
Next: ``words.py`` makes texts fit, ``channel.py`` composes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from gsm0338.charset import BASIC_CHARACTER_SET, BASIC_CHARACTER_SET_EXTENSION
from gsm0338.codec import Codec

Encoding = Literal["gsm7", "ucs2"]

ESCAPE = 0x1B
_codec = Codec()
#: character → its septets, unpacked, one octet each
BASIC = {_codec.decode(bytes([code]))[0]: bytes([code]) for code in BASIC_CHARACTER_SET if code != ESCAPE}
#: characters that cost two septets: escape and code
EXTENSION = {_codec.decode(bytes([ESCAPE, code]))[0]: bytes([ESCAPE, code]) for code in BASIC_CHARACTER_SET_EXTENSION}
GSM7 = BASIC | EXTENSION
_SPELT = re.compile(f"[{re.escape(''.join(GSM7))}]*")

#: units that one lone message holds: septets, or UTF-16 code units
ALONE: dict[Encoding, int] = {"gsm7": 160, "ucs2": 70}
#: units of each part of several, by bits of the concatenation reference (UDH of 6 or 7 octets)
JOINED: dict[int, dict[Encoding, int]] = {8: {"gsm7": 153, "ucs2": 67}, 16: {"gsm7": 152, "ucs2": 66}}


@dataclass(frozen=True, slots=True)
class Part:
    """Hold one part as it goes over the air; *units* are septets or UTF-16 code units."""

    text: str = field(repr=False)
    units: int


@dataclass(frozen=True, slots=True)
class Segments:
    """Hold a text cut into parts; there is at least one, for the empty text too."""

    encoding: Encoding
    parts: tuple[Part, ...]

    def __len__(self) -> int:
        return len(self.parts)

    @property
    def units(self) -> int:
        """Count septets or code units over all parts."""
        return sum(part.units for part in self.parts)


def encoding_of(text: str) -> Encoding:
    """Choose GSM-7 when every character is in its tables; one foreign character moves all to UCS-2."""
    return "gsm7" if _SPELT.fullmatch(text) else "ucs2"


def segment(text: str, *, reference: int = 8) -> Segments:
    """Cut *text* into the parts that it is sent and billed as.

    One part holds 160 septets of GSM-7 or 70 code units of UCS-2, each of several 153 or 67 (152 or 66 with a
    16-bit *reference*). An escape pair and a surrogate pair never straddle two parts: the earlier one stays short.

    Source: 3GPP TS 23.038 §6.1.2, TS 23.040 §9.2.3.24.1.
    """
    encoding = encoding_of(text)
    total = size(text, encoding)
    if total <= ALONE[encoding]:
        return Segments(encoding, (Part(text, total),))
    return Segments(encoding, tuple(_cut(text, encoding, JOINED[reference][encoding])))


def size(text: str, encoding: Encoding) -> int:
    """Count septets or UTF-16 code units of a whole text."""
    if encoding == "gsm7":
        return len(text) + sum(map(text.count, EXTENSION))
    return len(text.encode("utf-16-be", "surrogatepass")) // 2


def _cut(text: str, encoding: Encoding, room: int) -> Iterable[Part]:
    start = 0
    while start < len(text):
        piece = text[start : start + room]
        while (used := size(piece, encoding)) > room:  # each character too many costs at most two
            piece = piece[: -((used - room + 1) // 2)]
        yield Part(piece, used)
        start += len(piece)


def encode(text: str, encoding: Encoding) -> bytes:
    """Write octets as SMPP carries them: unpacked septets, or UTF-16 big-endian.

    Raises:
        KeyError: a character that GSM-7 lacks; ask ``encoding_of`` first.
    """
    if encoding == "ucs2":
        return text.encode("utf-16-be", "surrogatepass")
    return b"".join(GSM7[char] for char in text)


def decode(octets: bytes, encoding: Encoding) -> str:
    """Read octets as SMPP carries them; what cannot be read becomes U+FFFD, never an error."""
    if encoding == "ucs2":
        return octets.decode("utf-16-be", "replace")
    return str(_codec.decode(octets, "replace")[0])
