"""What must have happened, looked up in the store and in what the outside world received; nothing is taken on trust."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from omnibus.cli.demo.story import Play
from omnibus.model.delivery import WAITING, Delivery, State
from omnibus.testing import Entry

#: what must be the same everywhere; a price is written as its reader's language does
LAUNCH = {"product": ("Harbour mug",), "price": ("24.00", "24,00"), "code": ("HARBOUR15",)}

NEWS = ("meet the", "hier ist:")  # the mail's headline, in both languages


@dataclass(frozen=True, slots=True)
class Check:
    """Hold one claim of the story and whether it is so."""

    journey: str
    claim: str
    ok: bool
    found: str = ""


async def checked(play: Play) -> list[Check]:
    """Check both journeys and the books."""
    deliveries = await play.bus.parts.store.deliveries()
    entries = play.stage.world.entries
    sure = [each for each in entries if not each.refused]
    audit = await play.bus.audit()
    return [
        *_one_story(deliveries, sure),
        *await _cart_to_till(play, deliveries, sure),
        Check("books", "accepted = final + waiting", audit["unbalanced"] == 0, str(audit["unbalanced"])),
        Check("books", "nothing stuck, silent or unproven", not _faults(audit), _faults(audit)),
        Check("books", "nothing waits at the end", audit["waiting"] == 0, str(audit["waiting"])),
    ]


def _faults(audit: dict[str, int]) -> str:
    return ", ".join(f"{name} {audit[name]}" for name in ("stuck", "silent", "lost_lanes", "unproven") if audit[name])


def _one_story(deliveries: Sequence[Delivery], sure: Sequence[Entry]) -> list[Check]:
    mails = [each for each in sure if each.channel == "email" and any(words in each.text for words in NEWS)]
    posts = [each for each in sure if each.channel == "twitter" and each.kind == "post"]
    stories = [each for each in sure if each.channel == "instagram" and each.kind == "post"]
    places = {"email": mails, "X": posts, "Instagram": stories}
    checks = [Check("J1", f"{name} told the story", bool(found), str(len(found))) for name, found in places.items()]
    for what, forms in LAUNCH.items():
        lacking = [name for name, found in places.items() if not _all_say(found, forms)]
        checks.append(
            Check("J1", f"the same {what} everywhere", not lacking, f"lacking in {lacking}" if lacking else forms[0])
        )
    dropped = [each for each in deliveries if each.message == "launch" and each.state is State.DROPPED]
    checks.append(
        Check("J1", "who gave no consent got no mail", len(dropped) == 1, "; ".join(x.reason for x in dropped))
    )
    return checks


def _all_say(found: Sequence[Entry], forms: Sequence[str]) -> bool:
    return bool(found) and all(any(form in each.text for form in forms) for each in found)


async def _cart_to_till(play: Play, deliveries: Sequence[Delivery], sure: Sequence[Entry]) -> list[Check]:
    first = [each for each in deliveries if each.message == "cart-reminder"]
    second = [each for each in deliveries if each.message == "cart-reminder-2"]
    texts = [each for each in sure if each.channel == "sms" and "waits" in each.text]
    held = await play.recall("held")
    code = await play.recall("clerk_code")
    receipts = [each for each in sure if each.channel == "receipt"]
    sale = [each for each in await play.bus.timeline(await play.ada()) if each.type == "order.placed"]
    went = [each for each in first if each.channel == "sms"]
    return [
        Check("J2", "the reminder waited for her morning", held.startswith("2026-11-24T08:00"), held),
        Check("J2", "it came by SMS, which she prefers", bool(texts and went), _states(went)),
        Check(
            "J2",
            "it came in her waking hours",
            bool(texts) and all(_awake(each.at) for each in texts),
            texts[0].at if texts else "",
        ),
        Check("J2", "the page showed the banner", bool(await play.recall("banner")), await play.recall("banner")),
        Check("J2", "a second reminder waited", "queued" in await play.recall("second"), await play.recall("second")),
        Check("J2", "the clerk saw her cart", bool(await play.recall("clerk_cart")), await play.recall("clerk_cart")),
        Check("J2", "the clerk had the code of the SMS", bool(code) and all(code in each.text for each in texts), code),
        Check("J2", "she paid at the till, once", len(sale) == 1, str(len(sale))),
        Check(
            "J2",
            "the waiting reminder died at that moment",
            _died(second, sale[0].time if sale else None),
            _states(second),
        ),
        Check("J2", "the banner is gone", await play.recall("banner_after") == "", await play.recall("banner_after")),
        Check("J2", "the receipt printed, with a code", bool(receipts), receipts[0].id if receipts else ""),
    ]


def _died(deliveries: Sequence[Delivery], paid: datetime | None) -> bool:
    """Tell whether the sale ended them: its order, or its redemption where the till died between the two."""
    reasons = ("cart.open", "offer.unredeemed")
    gone = [each for each in deliveries if each.state is State.DROPPED and any(why in each.reason for why in reasons)]
    return paid is not None and bool(gone) and not any(each.state in WAITING | {State.SENT} for each in deliveries)


def _awake(at: str) -> bool:
    return 8 <= datetime.fromisoformat(at).astimezone(ZoneInfo("Europe/London")).hour < 21


def _states(deliveries: Sequence[Delivery]) -> str:
    return ", ".join(f"{'/'.join(each.via)} {each.state}" for each in deliveries)
