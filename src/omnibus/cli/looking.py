"""`omnibus timeline`, `deliveries` and `dead`: what happened, what became of it, what was parked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from omnibus.cli.printing import json_option, print_json, print_table
from omnibus.cli.reading import one_of
from omnibus.cli.sending import shown
from omnibus.cli.setup import Setup
from omnibus.model.delivery import State
from omnibus.model.fault import read_faults

if TYPE_CHECKING:
    from omnibus.bus import Bus
    from omnibus.model.delivery import Delivery
    from omnibus.model.event import Event

DULL = {"delivery", "attempt", "provider_id", "identity", "audience", "run", "version", "node"}
MOMENT = re.compile(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d(?:\.\d+)?\+00:00$")
SHORT = r"\1 \2Z"
FIRST = {"message", "journey", "offer", "channel"}

POISON = "poison:"  # begins the reason of a delivery that was parked after repeated faults


@click.command()
@click.argument("customer")
@click.option("--last", type=click.IntRange(1), help="Only the last so many.")
@json_option
@click.pass_obj
def timeline(setup: Setup, customer: str, last: int | None, *, as_json: bool) -> None:
    """List what happened to a customer, oldest first.

    Example: omnibus timeline email:ada@example.com --last 20
    """
    events = setup.run(lambda bus: bus.timeline(customer, last=last))
    if as_json:
        print_json([_event(each) for each in events])
        return
    rows = [(each.time, each.type, each.source, brief(each)) for each in events]
    print_table(("time", "event", "source", "what"), rows, empty="nothing happened yet")


def brief(event: Event) -> str:
    """Say an event's data in a line: what is nested is counted, what only programs compare is left to ``--json``."""
    dull = {*DULL, "topic", "purpose", "expires"} if event.type.startswith("message.") else DULL
    told = {key: value for key, value in event.data.items() if value not in ("", None) and key not in dull}
    return ", ".join(
        f"{key} {len(value) if isinstance(value, list | tuple) else MOMENT.sub(SHORT, str(value))}"
        for key, value in sorted(told.items(), key=lambda each: each[0] not in FIRST)
        if not isinstance(value, Mapping)
    )


def _event(event: Event) -> dict[str, Any]:
    return {
        "id": event.id, "source": event.source, "type": event.type, "time": event.time, "subject": event.subject,
        "data": dict(event.data),
    }  # fmt: skip


@click.command()
@click.option("--customer", help="Only one customer's.")
@click.option("--state", multiple=True, metavar="STATE", help="Only these states, e.g. held or failed.")
@click.option("--channel", default="", help="Only what went by this channel.")
@click.option("--last", type=click.IntRange(1), default=100, show_default=True, help="At most so many.")
@json_option
@click.pass_obj
def deliveries(
    setup: Setup, customer: str | None, state: tuple[str, ...], channel: str, last: int, *, as_json: bool
) -> None:
    """List deliveries, newest first, each with its state and reason.

    Example: omnibus deliveries --state held --state dropped
    """
    for each in state:
        one_of(each, {known.value for known in State}, "--state", "state")

    async def gather(bus: Bus) -> list[Delivery]:
        who = (await bus.customers.get(customer)).id if customer else ""
        return await bus.parts.store.deliveries(customer=who, state=state, channel=channel, last=last)

    _say(setup.run(gather), as_json=as_json, empty="no deliveries")


@click.command()
@click.option(
    "--last",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="Look at so many failed ones, and tell so many customers.",
)
@json_option
@click.pass_obj
def dead(setup: Setup, last: int, *, as_json: bool) -> None:
    """List what a fault stopped: deliveries parked after repeated ones, failed(poison), and facets that cannot be folded.

    What asks such a facet waits. Mend its code, then `omnibus rebuild`. Example: omnibus dead --json
    """

    async def gather(bus: Bus) -> tuple[list[Delivery], dict[str, bytes]]:
        store = bus.parts.store
        failed = await store.deliveries(state=[State.FAILED.value], last=last)
        return [each for each in failed if each.reason.startswith(POISON)], await store.unfolded(last)

    parked, unfolded = setup.run(gather)
    facets = [
        {"customer": customer, "facet": facet, "error": each.error, "event": each.event, "source": each.source}
        for customer, body in unfolded.items()
        for facet, each in read_faults(body).items()
    ]
    if as_json:
        print_json({"deliveries": [shown(each) for each in parked], "facets": facets})
        return
    _say(parked, as_json=False, empty="no deliveries were parked")
    rows = [tuple(each.values()) for each in facets]
    print_table(("customer", "facet", "error", "event", "source"), rows, empty="every facet is folded")


def _say(found: list[Delivery], *, as_json: bool, empty: str) -> None:
    if as_json:
        print_json([shown(each) for each in found])
        return
    rows = [
        (
            x.id,
            x.message,
            x.customer,
            " ".join(x.via),
            x.channel,
            x.state,
            x.due if x.state in ("held", "queued") else "",
            x.reason,
        )
        for x in found
    ]
    columns = ("delivery", "message", "customer", "may go by", "went by", "state", "due", "reason")
    print_table(columns, rows, empty=empty)
