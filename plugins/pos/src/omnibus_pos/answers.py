"""What a provider's code means for the bus, and the few tools that its HTTP adapters share."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from enum import Enum
from typing import Annotated, Any

from pydantic import BeforeValidator, SecretStr

from omnibus import Refused, TryLater, Unknown
from omnibus.http import Answer, error_for


def _several(told: Any) -> Any:
    return (told,) if isinstance(told, (str, SecretStr)) else told


#: one secret, or several while one is replaced
Secrets = Annotated[tuple[SecretStr, ...], BeforeValidator(_several)]


class Means(Enum):
    """Say what to do after a code; the right column of every adapter's table."""

    LATER = "later"  #: nothing was done, the same again later
    ACCOUNT = "account"  #: nothing was done, and nothing will be until somebody mends the set-up
    NO = "no"  #: bad for good
    LOST = "lost"  #: it may have been done


#: currencies whose smallest unit is not a hundredth (ISO 4217)
DIGITS: Mapping[str, int] = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF",
                     "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}  # fmt: skip


def error(answer: Answer, code: object, table: Mapping[str, Means]) -> TryLater | Refused | Unknown | Exception:
    """Make the error of a provider's code; a code that the table lacks leaves it to the status.

    401, 403 and 429 are never for good, whatever code stands beside them.
    """
    means = table.get(code) if isinstance(code, str) else None
    if means is None or answer.status == 429 or (answer.status in (401, 403) and means is not Means.ACCOUNT):
        return error_for(answer)
    match means:
        case Means.LATER:
            return TryLater(str(code), retry_after=answer.retry_after)
        case Means.ACCOUNT:
            return TryLater(str(code), account=True)
        case Means.NO:
            return Refused(str(code))
        case Means.LOST:
            return Unknown(str(code))


def minor(amount: Decimal | str, currency: str) -> int:
    """Write an amount in the smallest units of its currency, rounded half up."""
    return int((Decimal(amount) * 10 ** DIGITS.get(currency.upper(), 2)).quantize(Decimal(1), ROUND_HALF_UP))


def major(units: int, currency: str) -> str:
    """Write smallest units as a decimal text."""
    digits = DIGITS.get(currency.upper(), 2)
    return f"{Decimal(units).scaleb(-digits):.{digits}f}"


def member(value: Any, *path: str | int) -> Any:
    """Walk into JSON; None where a step is missing or of another kind."""
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and len(value) > step else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def text(value: Any, *path: str | int) -> str:
    """Walk into JSON to a text; empty where there is none."""
    found = member(value, *path)
    return found if isinstance(found, str) else ""
