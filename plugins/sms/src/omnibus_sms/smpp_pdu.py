"""Write and read what an SMPP session carries; pure. PDUs themselves are made and read by ``smpp34``.

Source: SMPP v3.4 issue 1.2; UDH: 3GPP TS 23.040 §9.2.3.24.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from smpp34 import DeliverSm, SubmitSm, Tlv

from omnibus_sms.segments import Encoding, decode, encode, segment
from omnibus_sms.smpp_codes import STATES

Alphabet = Literal["gsm7", "latin1"]
Long = Literal["udh", "payload", "sar"]
CODING: Mapping[Encoding, int] = {"gsm7": 0, "ucs2": 8}
UDH, RECEIPT, FINAL = 0x40, 0x04, 1  # esm_class: header present, receipt; registered_delivery: final receipt
#: optional parameters, SMPP v3.4 §5.3.2
RECEIPTED_ID, MESSAGE_STATE, PAYLOAD = 0x001E, 0x0427, 0x0424
SAR_REFERENCE, SAR_TOTAL, SAR_NUMBER = 0x020C, 0x020E, 0x020F
_QUOTED = re.compile("text:", re.IGNORECASE)  # what follows are the message's own words
_FIELD = re.compile(r"([a-z]+(?: date)?):\s*(\S*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Piece:
    """Hold one submit_sm but for its sequence number."""

    octets: bytes = field(repr=False)
    coding: int
    esm_class: int = 0
    tlvs: tuple[tuple[int, bytes], ...] = ()


def pieces(text: str, reference: int, *, alphabet: Alphabet = "gsm7", long: Long = "udh") -> Sequence[Piece]:
    """Cut a text into what is submitted, in order; at least one piece.

    Args:
        reference: joins the parts of this message, 0 to 255.
        alphabet: what the SMSC takes data_coding 0 for.
        long: ``udh`` heads each part with 6 octets, ``sar`` with TLVs, ``payload`` leaves the cutting to the SMSC.
    """
    cut = segment(text)
    coding = CODING[cut.encoding]
    if len(cut) == 1:
        return [Piece(_octets(text, cut.encoding, alphabet), coding)]
    if long == "payload":
        return [Piece(b"", coding, tlvs=((PAYLOAD, _octets(text, cut.encoding, alphabet)),))]
    made, total = [], len(cut)
    for number, part in enumerate(cut.parts, 1):
        octets = _octets(part.text, cut.encoding, alphabet)
        if long == "sar":
            sar = ((SAR_REFERENCE, bytes([0, reference])), (SAR_TOTAL, bytes([total])))
            made.append(Piece(octets, coding, tlvs=(*sar, (SAR_NUMBER, bytes([number])))))
        else:
            made.append(Piece(bytes([5, 0, 3, reference, total, number]) + octets, coding, UDH))
    return made


def _octets(text: str, encoding: Encoding, alphabet: Alphabet) -> bytes:
    """Write the octets; on a Latin-1 SMSC what Latin-1 lacks (``€``, Greek) becomes a question mark, never NUL."""
    return text.encode("latin-1", "replace") if (encoding, alphabet) == ("gsm7", "latin1") else encode(text, encoding)


def reference(attempt: str) -> int:
    """Derive the joining reference of an attempt."""
    return hashlib.sha256(attempt.encode()).digest()[0]


def numbering(address: str) -> tuple[int, int, str]:
    """Tell TON, NPI and the address as it is written: number 1/1 without plus, short code 3/0, name 5/0."""
    if address.startswith("+"):
        return 1, 1, address[1:]
    return (3, 0, address) if address.isdecimal() else (5, 0, address)


def submit(
    piece: Piece, sender: str, to: str, *, receipt: bool, validity: str = "", service_type: str = "", sequence: int
) -> bytes:
    """Write one submit_sm."""
    (ton, npi, source), (to_ton, to_npi, target) = numbering(sender), numbering(to)
    return SubmitSm(
        source, target, piece.octets, service_type=service_type, source_addr_ton=ton, source_addr_npi=npi,
        dest_addr_ton=to_ton, dest_addr_npi=to_npi, esm_class=piece.esm_class, data_coding=piece.coding,
        registered_delivery=FINAL if receipt else 0, validity_period=validity,
        tlvs=[Tlv(tag, value) for tag, value in piece.tlvs], sequence_number=sequence,
    ).encode()  # fmt: skip


def lasting(seconds: int) -> str:
    """Write a relative validity period; empty for the SMSC's own."""
    if not seconds:
        return ""
    days, rest = divmod(seconds, 86_400)
    return f"{days // 365:02}{days % 365 // 30:02}{days % 365 % 30:02}{rest // 3600:02}{rest // 60 % 60:02}{rest % 60:02}000R"


def told(pdu: DeliverSm, alphabet: Alphabet) -> dict[str, Any]:
    """Read a deliver_sm into plain values: a receipt (``receipt``, ``stat``, ``err``) or a person's words (``text``)."""
    tlvs = {tlv.tag: tlv.value for tlv in pdu.tlvs}
    octets = pdu.short_message or tlvs.get(PAYLOAD, b"")
    person = f"+{pdu.source_addr}" if pdu.source_addr_ton == 1 else pdu.source_addr
    if pdu.esm_class & 0x3C == RECEIPT:
        return {"from": person, **receipt_of(octets.decode("latin-1"), tlvs)}
    part: dict[str, int] = {}
    if pdu.esm_class & UDH and octets:
        head, octets = octets[1 : octets[0] + 1], octets[octets[0] + 1 :]
        part = _joined(head)
    elif {SAR_REFERENCE, SAR_TOTAL, SAR_NUMBER} <= set(tlvs):
        tags = (SAR_REFERENCE, SAR_NUMBER, SAR_TOTAL)
        part = dict(zip(_PART, (int.from_bytes(tlvs[tag], "big") for tag in tags), strict=True))
    return {"from": person, "text": words(octets, pdu.data_coding, alphabet), **part}


_PART = ("concat_ref", "concat_part", "concat_total")


def _joined(head: bytes) -> dict[str, int]:
    """Find the concatenation element (0x00 or 0x08) in a user data header."""
    at = 0
    while at + 2 <= len(head):
        element, size = head[at], head[at + 1]
        value = head[at + 2 : at + 2 + size]
        if (element, len(value)) in {(0x00, 3), (0x08, 4)}:
            return dict(zip(_PART, (int.from_bytes(value[:-2], "big"), value[-1], value[-2]), strict=True))
        at += 2 + size
    return {}


def words(octets: bytes, coding: int, alphabet: Alphabet) -> str:
    """Read a person's words by data_coding; what cannot be read becomes U+FFFD."""
    match coding & 0x0F:
        case 8:
            return decode(octets, "ucs2")
        case 0 if alphabet == "gsm7":
            return decode(octets, "gsm7")
        case 1:
            return octets.decode("ascii", "replace")
    return octets.decode("latin-1")


def receipt_of(text: str, tlvs: Mapping[int, bytes]) -> dict[str, str]:
    """Read a delivery receipt; TLVs win over its text, whose case and order vary."""
    fields = {name.lower(): value for name, value in _FIELD.findall(_QUOTED.split(text)[0])}
    id_ = tlvs.get(RECEIPTED_ID, b"").rstrip(b"\0").decode("latin-1") or fields.get("id", "")
    state = STATES.get(int.from_bytes(tlvs.get(MESSAGE_STATE, b""), "big"), "")
    return {"receipt": id_, "stat": state or fields.get("stat", "").upper()[:7], "err": fields.get("err", "")}
