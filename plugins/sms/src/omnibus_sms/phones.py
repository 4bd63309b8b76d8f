"""Read, check and place phone numbers.

The gate is *possible*, never *valid*: numbering plans change faster than tables, and test numbers
(+15558675310, +447700900123) are possible but not valid. Carriers refuse the rest themselves.
Source: ITU-T E.164; https://github.com/daviddrysdale/python-phonenumbers
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

import phonenumbers
from phonenumbers import timezone

from omnibus import InputError

T = TypeVar("T")

E164 = re.compile(r"\+[1-9]\d{1,14}")


def normal(value: str, region: str = "") -> str:
    """Write a phone number as E.164: ``+`` and 2 to 15 digits.

    Args:
        value: as a person typed it.
        region: ISO 3166 country that national numbers belong to, e.g. ``GB``; empty: only with ``+``.

    Raises:
        InputError: no possible phone number; the text does not quote it.
    """
    try:
        number = phonenumbers.parse(value, region.upper() or None)
    except phonenumbers.NumberParseException:
        fix = "write it as +442079460000" if not region else f"write it as +442079460000 or as dialled in {region}"
        raise InputError("not a phone number", where="phone", fix=fix) from None
    if not phonenumbers.is_possible_number(number):
        raise InputError("no phone number has this length", where="phone", fix="check the digits and the country code")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def region_of(value: str) -> str:
    """Name the country of an E.164 number (ISO 3166, e.g. ``GB``); the calling code's first where it is shared and unclear."""
    try:
        number = phonenumbers.parse(value, None)
    except phonenumbers.NumberParseException:
        return ""
    exact = phonenumbers.region_code_for_number(number)
    return exact or phonenumbers.region_code_for_country_code(number.country_code or 0)


def zones_of(value: str) -> tuple[str, ...]:
    """List the IANA time zones an E.164 number may live in; empty when nobody knows."""
    try:
        found = timezone.time_zones_for_number(phonenumbers.parse(value, None))
    except phonenumbers.NumberParseException:
        return ()
    return tuple(zone for zone in found if zone != timezone.UNKNOWN_TIMEZONE)


def by_country(table: Mapping[str, T], value: str) -> T | None:
    """Choose the entry for a number: the longest ``+`` prefix, else its country (``GB``), else ``*``."""
    prefixes = [key for key in table if key.startswith("+") and value.startswith(key)]
    if prefixes:
        return table[max(prefixes, key=len)]
    return table.get(region_of(value), table.get("*"))
