"""`omnibus track`: a fact by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from omnibus.cli.printing import json_option, print_json
from omnibus.cli.reading import read_moment, read_object
from omnibus.cli.setup import Setup

if TYPE_CHECKING:
    from omnibus.bus import Bus


@click.command()
@click.argument("customer")
@click.argument("type_", metavar="TYPE")
@click.argument("data", required=False)
@click.option("--id", "id_", default="", help="The fact's own id: told twice, it changes nothing.")
@click.option("--at", help="When it happened, ISO 8601 with offset; now if not given.")
@click.option("--source", default="cli", show_default=True, help="Who tells it.")
@click.option("--quiet", is_flag=True, help="Journeys do not hear it: it is past.")
@json_option
@click.pass_obj
def track(
    setup: Setup, customer: str, type_: str, data: str | None, id_: str, at: str | None, source: str, *,
    quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Put a fact on a customer's timeline: DATA is a JSON object, or - for stdin.

    Example: omnibus track email:ada@example.com product.viewed '{"sku": "mug"}'
    """
    told, moment = read_object(data, "DATA"), read_moment(at, "--at")

    async def act(bus: Bus) -> bool:
        return await bus.track(customer, type_, told, id=id_, at=moment, source=source, quiet=quiet)

    new = setup.run(act)
    if as_json:
        print_json({"new": new})
    else:
        click.echo("tracked" if new else "known already; nothing changed")
