"""Check a replay from the outside: the clickstream, the personas and what the outside world received. Imports nothing of omnibus.

For every marketing message that left by email, SMS, X or Instagram it asks: did the person allow that channel, was it
their waking hours, was their contact budget kept, and, for a reminder, was the cart it names still unpaid?

    python verify.py clickstream.csv.gz STATE_DIR        exit 1 when anything was violated
"""

import argparse
import csv
import gzip
import json
import re
import sys
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

CHANNEL_KEY = {"email": "email", "sms": "phone", "twitter": "x", "instagram": "instagram"}
MESSAGE_KINDS = {"mail", "message", "direct"}
CART = re.compile(r"/cart/(sess_\d+)")
PRODUCT = re.compile(r"/product/")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("events", type=Path)
    parser.add_argument("state", type=Path)
    parser.add_argument("--points", type=int, default=6)
    parser.add_argument("--window", type=int, default=7, help="days")
    parser.add_argument("--costs", default="email=1,sms=3,twitter=2,instagram=2")
    parser.add_argument("--quiet", default="21-8", help="local hours")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    people = {each["user"]: each for each in lines(given.state / "personas.ndjson")}
    by_address = {(channel, each[key]): user for user, each in people.items() for channel, key in CHANNEL_KEY.items()}
    left = messages(given.state / "world" / "ledger.ndjson", by_address)
    costs = {name: int(n) for name, n in (pair.split("=") for pair in given.costs.split(","))}
    begins, ends = (int(hour) for hour in given.quiet.split("-"))
    found = Counter(
        {
            "messages": len(left),
            "reminders": sum(bool(each["cart"]) for each in left),
            "without consent": sum(each["channel"] not in people[each["user"]]["consents"] for each in left),
            "in quiet hours": sum(in_night(each, people, begins, ends) for each in left),
            "over budget": over_budget(left, costs, given.points, timedelta(days=given.window)),
            "after the purchase": after_purchase(left, carts(given.events)),
            "to strangers": sum(each["user"] == "" for each in left),
        }
    )
    wrong = {key: count for key, count in found.items() if key not in {"messages", "reminders"} and count}
    if given.json:
        print(json.dumps({"ok": not wrong, **found}))
    else:
        print("\n".join(f"{count:>7} {key}" for key, count in found.items()))
        print("violations found" if wrong else "nothing violated")
    return 1 if wrong or not left else 0


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]


def messages(ledger: Path, by_address: dict) -> list[dict]:
    """List the marketing that was handed over, in the order of time."""
    left = []
    for entry in lines(ledger):
        if entry["channel"] not in CHANNEL_KEY or entry["kind"] not in MESSAGE_KINDS or entry["refused"]:
            continue
        if entry["data"].get("by") == "person":
            continue
        cart = CART.search(entry["text"])
        if not cart and not PRODUCT.search(entry["text"]):
            continue  # thanks, receipts, welcomes: nobody was advertised to
        at = datetime.fromisoformat(entry["at"]).astimezone(UTC)
        user = by_address.get((entry["channel"], entry["to"]), "")
        left.append({"at": at, "channel": entry["channel"], "user": user, "cart": cart[1] if cart else ""})
    return sorted((each for each in left if each["user"]), key=lambda each: each["at"]) + [
        x for x in left if not x["user"]
    ]


def in_night(message: dict, people: dict, begins: int, ends: int) -> bool:
    hour = message["at"].astimezone(ZoneInfo(people[message["user"]]["zone"])).hour
    return hour >= begins or hour < ends


def over_budget(left: list[dict], costs: dict, points: int, window: timedelta) -> int:
    """Count messages that brought their person over the budget of the rolling window."""
    spent, over = defaultdict(list), 0
    for each in left:
        mine = [(at, cost) for at, cost in spent[each["user"]] if at > each["at"] - window]
        cost = costs[each["channel"]]
        over += sum(c for _, c in mine) + cost > points
        spent[each["user"]] = [*mine, (each["at"], cost)]
    return over


def carts(events: Path) -> dict:
    """Read, per user, when they added to a cart and when they bought, in the order of time."""
    opener = gzip.open if events.suffix == ".gz" else open
    found = defaultdict(list)
    with opener(events, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["event"] in {"add_to_cart", "purchase"}:
                at = datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC)
                found[row["user_id"]].append((at, row["event"], row["session_id"]))
    return {user: sorted(deeds, key=lambda deed: deed[0]) for user, deeds in found.items()}


def after_purchase(left: list[dict], deeds: dict) -> int:
    """Count reminders that left when the person had bought since they last added something."""
    wrong = 0
    for each in left:
        if each["cart"]:
            before = [deed for deed in deeds.get(each["user"], ()) if deed[0] <= each["at"]]
            wrong += not before or before[-1][1] == "purchase"
    return wrong


if __name__ == "__main__":
    sys.exit(main())
