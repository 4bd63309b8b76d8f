"""`omnibus merge` and `unmerge`: two who turn out to be one, and back again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from omnibus.cli.printing import json_option, print_json
from omnibus.cli.setup import Setup

if TYPE_CHECKING:
    from omnibus.bus import Bus


@click.command()
@click.argument("loser")
@click.argument("winner")
@json_option
@click.pass_obj
def merge(setup: Setup, loser: str, winner: str, *, as_json: bool) -> None:
    """Let two customers be one person: LOSER becomes WINNER; `unmerge` takes it back.

    Example: omnibus merge web:visitor-1 email:ada@example.com
    """

    async def act(bus: Bus) -> tuple[str, str]:
        gone, stays = await bus.customers.get(loser), await bus.customers.get(winner)
        return gone.id, (await bus.customers.merge(gone.id, stays.id)).id

    gone, stays = setup.run(act)
    if as_json:
        print_json({"winner": stays, "loser": gone})
    else:
        click.echo(f"{gone} is {stays} now; `omnibus unmerge {gone}` takes it back")


@click.command()
@click.argument("loser")
@json_option
@click.pass_obj
def unmerge(setup: Setup, loser: str, *, as_json: bool) -> None:
    """Take a merge back: each has their own timeline, identities and waiting messages again.

    LOSER is the id that was merged away. Example: omnibus unmerge 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b
    """

    async def act(bus: Bus) -> tuple[str, str]:
        stays, leaves = await bus.customers.unmerge(loser)
        return stays.id, leaves.id

    stays, leaves = setup.run(act)
    if as_json:
        print_json({"winner": stays, "loser": leaves})
    else:
        click.echo(f"{leaves} and {stays} are two customers again")
