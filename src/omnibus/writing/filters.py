"""Template filters that know the customer's language and zone. Babel is imported when first used."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import pass_context
from jinja2.runtime import Context as Names

_AMOUNT = re.compile(r"(-?\d+(?:\.\d+)?) ([A-Z]{3})")  # as `Money` writes itself


class FilterMistake(ValueError):
    """Say what a filter cannot do with what it got; the text repeats no value."""


@lru_cache(maxsize=256)
def babel_locale(tag: str) -> Any:
    """Find the CLDR locale for a language tag, the nearest one there is; English for an unknown language."""
    from babel import Locale, UnknownLocaleError  # noqa: PLC0415 - heavy; only who formats pays for it

    parts = tag.replace("_", "-").split("-")
    while parts:
        try:
            return Locale.parse("-".join(parts), sep="-")
        except (UnknownLocaleError, ValueError):
            parts.pop()
    return Locale("en")


def money_text(amount: Any, currency: str, locale: str) -> str:
    """Write an amount the way the language does, e.g. ``€89.00`` or ``89,00 €``; spaces are plain ones.

    Args:
        amount: number or decimal text; also ``89.00 EUR``, then *currency* may be empty.

    Raises:
        FilterMistake: no amount, or no currency.
    """
    from babel.numbers import format_currency  # noqa: PLC0415 - as above

    told = _AMOUNT.fullmatch(str(amount).strip())
    number, unit = (told[1], told[2]) if told else (str(amount), currency)
    if not unit:
        raise FilterMistake("`money` needs a currency")
    try:
        value = Decimal(number)
    except InvalidOperation:
        raise FilterMistake("`money` needs an amount") from None
    return plain_spaces(format_currency(value, unit, locale=babel_locale(locale)))


def date_text(moment: Any, form: str, locale: str, zone: str) -> str:
    """Write a day in the person's language and zone.

    Args:
        moment: ISO text or a date or an aware datetime.
        form: ``short``, ``medium``, ``long``, ``full``, or ``time`` for the hour alone.

    Raises:
        FilterMistake: no date, or no such form.
    """
    from babel.dates import format_date, format_time  # noqa: PLC0415 - as above

    local = _local(moment, zone)
    if form == "time":
        if not isinstance(local, datetime):
            raise FilterMistake("`date` got a day without a time")
        return plain_spaces(format_time(local, "short", locale=babel_locale(locale)))
    if form not in {"short", "medium", "long", "full"}:
        raise FilterMistake("`date` knows short, medium, long, full and time")
    return plain_spaces(format_date(local, form, locale=babel_locale(locale)))


def deadline_text(expires: datetime, locale: str, zone: str) -> str:
    """Write the last day of an offer in words, with the hour where it ends within the day."""
    local = expires.astimezone(ZoneInfo(zone))
    last = local - timedelta(seconds=1)
    day = date_text(last, "long", locale, zone)
    whole_day = last.date() != local.date() or (local.hour, local.minute) == (23, 59)
    return day if whole_day else f"{day}, {date_text(local, 'time', locale, zone)}"


def percent_text(percent: int, locale: str) -> str:
    """Write a discount without words, e.g. ``-15%`` or ``-15 %``."""
    from babel.numbers import format_percent  # noqa: PLC0415 - as above

    return plain_spaces(format_percent(Decimal(-percent) / 100, locale=babel_locale(locale)))


def plain_spaces(text: str) -> str:
    """Replace CLDR's non-breaking spaces: facts must be the same letters in every medium, GSM-7 included."""
    return text.replace("\u00a0", " ").replace("\u202f", " ")


def _local(moment: Any, zone: str) -> date:
    told = moment
    if isinstance(told, str):
        try:
            told = datetime.fromisoformat(told) if len(told) > len("2026-11-21") else date.fromisoformat(told)
        except ValueError:
            raise FilterMistake("`date` needs a date") from None
    if isinstance(told, datetime):
        return (told if told.tzinfo else told.replace(tzinfo=UTC)).astimezone(ZoneInfo(zone))
    if isinstance(told, date):
        return told
    raise FilterMistake("`date` needs a date")


@pass_context
def _money(context: Names, amount: Any, currency: str = "") -> str:
    return money_text(amount, currency, context["locale"])


@pass_context
def _date(context: Names, moment: Any, form: str = "long") -> str:
    return date_text(moment, form, context["locale"], context["zone"])


FILTERS: Mapping[str, Callable[..., Any]] = {"money": _money, "date": _date}
