"""`omnibus audit` and `rebuild`: the books balance, and contexts are what their events say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from omnibus.cli.failing import CHECK
from omnibus.cli.printing import counting, json_option, print_json, print_table
from omnibus.cli.setup import Setup

if TYPE_CHECKING:
    from omnibus.bus import Bus

#: what may never be, and what it means
FAULTS = {
    "unbalanced": "accepted deliveries that are neither final nor waiting",
    "silent": "final deliveries without a reason",
    "stuck": "due for two minutes, and nobody works on them",
    "lost_lanes": "due deliveries that no lane leads to",
    "unproven": "sent deliveries without an accepted attempt",
}


def faults(counts: dict[str, int]) -> dict[str, int]:
    """Pick the counts that must be nought and are not."""
    return {name: counts[name] for name in FAULTS if counts.get(name)}


@click.command()
@json_option
@click.pass_context
def audit(ctx: click.Context, *, as_json: bool) -> None:
    """Balance the books: accepted = final + waiting, and nothing amiss; exits with 1 otherwise.

    Example: omnibus audit --json
    """
    setup: Setup = ctx.obj
    counts = setup.run(lambda bus: bus.audit())
    wrong = faults(counts)
    if as_json:
        print_json({"ok": not wrong, **counts})
    else:
        rows = [(name, count, FAULTS.get(name, "")) for name, count in counts.items() if count or name in FAULTS]
        print_table(("what", "count", ""), rows, empty="")
        click.echo(
            f"{counts['accepted']} accepted = {counts['final']} final + {counts['waiting']} waiting"
            if not wrong
            else ""
        )
    for name, count in wrong.items():
        click.echo(f"error: {name}: {count} ({FAULTS[name]})", err=True)
    ctx.exit(CHECK if wrong else 0)


@click.command()
@click.argument("customers", nargs=-1)
@json_option
@click.pass_context
def rebuild(ctx: click.Context, customers: tuple[str, ...], *, as_json: bool) -> None:
    """Fold contexts anew from their events, and compare byte by byte; all customers unless some are named.

    One that differed is rewritten, named, and makes the exit code 1. Example: omnibus rebuild
    """
    setup: Setup = ctx.obj

    async def act(bus: Bus) -> dict[str, Any]:
        differed, done = list[str](), 0
        named = [(await bus.customers.get(each)).id for each in customers]
        with counting("customers rebuilt") as advance:
            async for page in _pages(bus, named):
                differed += await bus.rebuild_all(page)
                done += len(page)
                advance(len(page))
        return {"ok": not differed, "customers": done, "differed": differed}

    told = setup.run(act)
    if as_json:
        print_json(told)
    else:
        click.echo(
            f"{told['customers']} customers folded anew, {told['customers'] - len(told['differed'])} byte-identical"
        )
    for each in told["differed"]:
        click.echo(f"error: the context of {each} differed from its events; it is rewritten", err=True)
    ctx.exit(0 if told["ok"] else CHECK)


async def _pages(bus: Bus, named: list[str]) -> Any:
    if named:
        yield named
        return
    async for page in bus.customers.all_ids():
        yield page
