"""People and products for a clickstream that has neither: drawn by stable hashes, so every run is the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from omnibus.errors import InputError
from omnibus.intake.rows import read_rows

CHANNELS = ("email", "sms", "twitter", "instagram", "web")


@dataclass(frozen=True, slots=True)
class Persona:
    """Hold who a user of the clickstream is."""

    user: str
    email: str
    phone: str
    x: str
    instagram: str
    name: str
    zone: str
    locale: str
    prefers: str
    consents: tuple[str, ...]


def drawn(what: str, *of: str) -> float:
    """Draw a number from 0 to 1, the same for ever for the same words."""
    digest = hashlib.blake2b("\0".join((what, *of)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def one_of(choices: Sequence[Any], what: str, *of: str) -> Any:
    """Draw one of several."""
    return choices[int(drawn(what, *of) * len(choices))]


def persona(user: str, told: Mapping[str, Any]) -> Persona:
    """Make the person behind a user id; phones are of the range kept for fiction (+44 7700 900xxx)."""
    number = int("".join(char for char in user if char.isdigit()) or 0)
    consents = tuple(each for each in CHANNELS if drawn("consent", user, each) < float(told.get("consent", 0.7)))
    return Persona(
        user, f"{user}@example.com".lower(), f"+447700900{number % 1000:03d}", str(900_000_000 + number),
        str(17_841_400_000_000_000 + number), f"Customer {number}", one_of(told["zones"], "zone", user),
        one_of(told["locales"], "locale", user), one_of(told["prefers"], "prefers", user), consents,
    )  # fmt: skip


def write_personas(path: Path, people: Sequence[Persona]) -> None:
    """Write everybody down, one JSON object a line, for whoever checks the run."""
    path.write_text("".join(json.dumps(asdict(each)) + "\n" for each in people))


def products(folder: Path, told: Mapping[str, Any]) -> list[dict[str, str]]:
    """Read the first products with a name and a price from a file of transactions.

    Raises:
        InputError: the file is not there, or has none.
    """
    found: dict[str, dict[str, str]] = {}
    for row in read_rows(folder / str(told["file"])):
        sku, name, price = (row.values.get(str(told[key]), "").strip() for key in ("sku", "name", "price"))
        if sku and name and sku not in found and _positive(price):
            found[sku] = {"sku": sku, "name": name.capitalize()[:60], "price": f"{float(price):.2f}"}
        if len(found) >= int(told.get("most", 400)):
            break
    if not found:
        raise InputError("there are no products", where=str(told["file"]), fix="mend [products] of the mapping")
    return list(found.values())


def _positive(price: str) -> bool:
    try:
        return float(price) > 0
    except ValueError:
        return False
