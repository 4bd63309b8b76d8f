"""`omnibus prune`: what `work` does once an hour, now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from omnibus.cli.printing import counting, json_option, print_json
from omnibus.cli.setup import Setup

if TYPE_CHECKING:
    from omnibus.bus import Bus


@click.command()
@json_option
@click.pass_obj
def prune(setup: Setup, *, as_json: bool) -> None:
    """Remove what is finished and older than [keep] says: deliveries with attempts and reasons, send keys, lists of campaigns.

    `work` does it by itself once an hour, a page at a time. Timelines stay, and so do all counts: `audit` balances
    before and after. Example: omnibus prune --json
    """

    async def act(bus: Bus) -> dict[str, int]:
        deliveries = keys = recipients = 0
        with counting("deliveries pruned") as advance:
            async for page in bus.parts.pruner.pages():
                deliveries, keys = deliveries + page.deliveries, keys + page.keys
                recipients += page.recipients
                advance(page.deliveries)
        return {"deliveries": deliveries, "keys": keys, "recipients": recipients}

    told = setup.run(act)
    if as_json:
        print_json(told)
    else:
        click.echo(
            f"{told['deliveries']} finished deliveries, {told['keys']} send keys and {told['recipients']} places on lists pruned"
        )
