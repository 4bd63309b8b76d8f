"""`omnibus send` and `publish`: a wish, accepted durably; what becomes of it is decided when it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from omnibus.cli.printing import json_option, print_json, print_table
from omnibus.cli.reading import one_of, read_moment
from omnibus.cli.setup import Setup
from omnibus.cli.values import read_values, value_options

if TYPE_CHECKING:
    from omnibus.bus import Bus
    from omnibus.model.delivery import Delivery

AFTERWARDS = "accepted; `omnibus work` hands it over, `omnibus why DELIVERY` tells what became of it"


def shown(each: Delivery) -> dict[str, Any]:
    """Write a delivery as JSON values, without values and addresses."""
    return {
        "id": each.id, "message": each.message, "customer": each.customer, "purpose": each.purpose, "topic": each.topic,
        "via": list(each.via), "channel": each.channel, "provider": each.provider, "state": each.state.value,
        "reason": each.reason, "accepted": each.accepted, "due": each.due, "expires": each.expires,
        "origin": each.origin, "attempts": each.attempts, "flagged": each.flagged,
    }  # fmt: skip


def _say(deliveries: Sequence[Delivery], *, as_json: bool) -> None:
    if as_json:
        print_json([shown(each) for each in deliveries])
        return
    rows = [(each.id, " ".join(each.via), each.state, each.due, each.expires) for each in deliveries]
    print_table(("delivery", "may go by", "state", "due", "expires"), rows, empty="nothing to deliver")
    click.echo(AFTERWARDS)


@click.command()
@click.argument("message")
@click.argument("customer")
@click.option("--key", default="", help="The same key has the same effect once.")
@click.option("--at", help="Not before this time, ISO 8601 with offset.")
@value_options
@json_option
@click.pass_obj
def send(
    setup: Setup, message: str, customer: str, key: str, at: str | None, pairs: tuple[str, ...], values: str | None, *,
    as_json: bool,
) -> None:  # fmt: skip
    """Accept a message to a customer; whether, when and where it goes is decided when it leaves.

    Example: omnibus send welcome email:ada@example.com --key welcome-ada
    """
    told, moment = read_values(pairs, values), read_moment(at, "--at")

    async def act(bus: Bus) -> tuple[Delivery, ...]:
        wanted = bus.parts.messages.pick(message)
        return await bus.send(wanted.name, await bus.customers.get(customer), key=key, at=moment, **told)

    _say(setup.run(act, strict=True), as_json=as_json)


@click.command()
@click.argument("message")
@click.option("--via", multiple=True, metavar="CHANNEL", help="Where; the message's own `via` if not given.")
@click.option("--key", default="", help="The same key has the same effect once.")
@click.option("--at", help="Not before this time, ISO 8601 with offset.")
@value_options
@json_option
@click.pass_obj
def publish(
    setup: Setup, message: str, via: tuple[str, ...], key: str, at: str | None, pairs: tuple[str, ...],
    values: str | None, *, as_json: bool,
) -> None:  # fmt: skip
    """Accept a message to the public of some channels, one delivery each.

    Example: omnibus publish launch-post --via twitter --key launch
    """
    told, moment = read_values(pairs, values), read_moment(at, "--at")

    async def act(bus: Bus) -> tuple[Delivery, ...]:
        places = {name for name, audience in bus.lines if audience == "public"}
        for channel in via:
            one_of(channel, places, "--via", "channel with a public")
        return await bus.publish(message, via=via, key=key, at=moment, **told)

    _say(setup.run(act, strict=True), as_json=as_json)
