"""`omnibus campaign`: one message to many, watched, paused, resumed, stopped."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from omnibus.cli.printing import counting, json_option, moment, print_json, print_table
from omnibus.cli.setup import Setup
from omnibus.cli.values import read_values, value_options
from omnibus.errors import InputError

if TYPE_CHECKING:
    from omnibus.bus import Bus
    from omnibus.campaigns.campaigns import Everybody
    from omnibus.campaigns.launching import Loading
    from omnibus.model.campaign import Campaign, Progress

AFTERWARDS = "launched; `omnibus work` sends it, `omnibus campaign status {} --watch` shows how far it is"
CUT = "{}; where a list was cut short, the same `omnibus campaign start` begins anew"


@click.group()
def campaign() -> None:
    """Send one message to many: start, watch, pause, resume, stop.

    Example: omnibus campaign list
    """


@campaign.command()
@click.argument("message")
@click.option(
    "--to", "targets", multiple=True, required=True, metavar="WHO",
    help="`all`, a .csv file (column customer, email, phone …), or a customer; may be repeated for customers.",
)  # fmt: skip
@click.option("--name", default="", help="Its name; the same launch again under it has no effect.")
@value_options
@click.option("--rejects", type=click.Path(path_type=Path), help="Lines that name nobody (default: FILE.rejects.csv).")
@click.option("--watch", is_flag=True, help="Stay and show how far it is; Ctrl-C leaves it running.")
@json_option
@click.pass_obj
def start(
    setup: Setup, message: str, targets: tuple[str, ...], name: str, pairs: tuple[str, ...], values: str | None,
    rejects: Path | None, *, watch: bool, as_json: bool,
) -> None:  # fmt: skip
    """Launch a campaign; who, whether, when and where is decided for each one when it leaves.

    Example: omnibus campaign start spring --to all --name spring-sale
    """
    told, to, read = read_values(pairs, values), _recipients(targets), None
    aside = rejects or (to.with_name(f"{to.name}.rejects.csv") if isinstance(to, Path) else None)

    launched = False

    async def act(bus: Bus) -> Progress:
        nonlocal launched
        for each in to if isinstance(to, tuple) else ():
            await bus.customers.get(each)  # a slip of the pen shall not become a campaign to nobody
        seen = 0
        with counting("lines read") as advance:

            def loaded(so_far: Loading) -> None:
                nonlocal seen, read
                advance(so_far.lines - seen)
                seen, read = so_far.lines, so_far

            begun = await bus.campaigns.launch(message, to, name=name, rejects=aside, values=told, told=loaded)
        launched = True
        return await _follow(bus, begun.name) if watch else await bus.campaigns.status(begun.name)

    try:
        done = setup.run(act, strict=True)
    except KeyboardInterrupt:
        if not launched:
            click.echo(CUT.format("nothing was launched"), err=True)
        raise
    if as_json:
        rejected = str(aside) if aside and done.campaign.rejected else None
        print_json({**progress_shown(done), "rejects": rejected, "twice": read.twice if read else 0})
        return
    _say(done)
    if read:
        _tell(read, aside)
    if not watch:
        click.echo(AFTERWARDS.format(done.campaign.name))


def _tell(read: Loading, aside: Path | None) -> None:
    """Say what a list held besides its recipients; why, but never a line itself, for it holds addresses."""
    if read.rejected:
        why = ", ".join(f"{reason}: {count}" for reason, count in read.reasons.most_common())
        click.echo(f"{_lines(read.rejected)} nobody ({why})" + (f", see {aside}" if aside else ""))
    if read.twice:
        click.echo(f"{_lines(read.twice)} somebody again; nobody is told twice")


def _lines(count: int) -> str:
    return "1 line names" if count == 1 else f"{count} lines name"


def _recipients(targets: tuple[str, ...]) -> Everybody:
    files = [each for each in targets if each.endswith(".csv")]
    if len(targets) > 1 and ("all" in targets or files):
        raise InputError("give either `all`, one file, or customers", where="--to")
    if files:
        return Path(files[0])
    return "all" if targets == ("all",) else targets


@campaign.command()
@click.argument("name")
@click.option("--watch", is_flag=True, help="Stay and show how far it is, until it is finished.")
@json_option
@click.pass_obj
def status(setup: Setup, name: str, *, watch: bool, as_json: bool) -> None:
    """Add a campaign up: recipients, deliveries by state, held and dropped by reason, time left.

    Example: omnibus campaign status spring-sale --watch
    """
    from omnibus.cli.watching import NOBODY, needs_work, seconds_left, working

    async def act(bus: Bus) -> tuple[Progress, float | None, bool, bool]:
        found = await (_follow(bus, name) if watch else bus.campaigns.status(name))
        return found, seconds_left(found, bus.now()), await working(bus), await needs_work(bus, found)

    found, left, works, stands_still = setup.run(act)
    if as_json:
        print_json({**progress_shown(found), "seconds_left": left, "working": works})
        return
    _say(found)
    rows = [(state, reason, count) for state, each in found.reasons.items() for reason, count in each.items()]
    if rows:
        print_table(("state", "reason", "deliveries"), rows, empty="")
    if stands_still:
        click.echo(NOBODY)
    elif left is not None:
        click.echo(f"about {timedelta(seconds=round(left))} left at the pace since the launch")


@campaign.command("list")
@json_option
@click.pass_obj
def list_(setup: Setup, *, as_json: bool) -> None:
    """List campaigns, newest first.

    Example: omnibus campaign list
    """

    async def act(bus: Bus) -> list[Campaign]:
        return await bus.campaigns.list()

    found = setup.run(act)
    if as_json:
        print_json([campaign_shown(each) for each in found])
        return
    rows = [
        (each.name, each.message, each.standing, moment(each.launched), each.recipients, each.expanded, each.reason)
        for each in found
    ]
    columns = ("campaign", "message", "standing", "launched", "recipients", "expanded", "")
    print_table(columns, rows, empty="no campaigns; `omnibus campaign start` launches one")


@campaign.command()
@click.argument("name")
@json_option
@click.pass_obj
def pause(setup: Setup, name: str, *, as_json: bool) -> None:
    """Stop handing over at once; what waits is held, and keeps its deadline.

    Example: omnibus campaign pause spring-sale
    """
    _steer(setup, name, "pause", as_json=as_json, doing="held")


@campaign.command()
@click.argument("name")
@json_option
@click.pass_obj
def resume(setup: Setup, name: str, *, as_json: bool) -> None:
    """Go on where a pause left off.

    Example: omnibus campaign resume spring-sale
    """
    _steer(setup, name, "resume", as_json=as_json)


@campaign.command()
@click.argument("name")
@json_option
@click.pass_obj
def stop(setup: Setup, name: str, *, as_json: bool) -> None:
    """End it for good; what waits is dropped, what was handed over stays so.

    It acts at once, and drops page by page; cut short, `omnibus work` goes on, or the same command again.
    Example: omnibus campaign stop spring-sale
    """
    _steer(setup, name, "stop", as_json=as_json, doing="dropped")


def _steer(setup: Setup, name: str, verb: str, *, as_json: bool, doing: str = "") -> None:
    begun = False

    async def act(bus: Bus) -> Progress:
        with counting(doing) as advance:

            def told(count: int) -> None:
                nonlocal begun
                begun = True
                advance(count)

            await getattr(bus.campaigns, verb)(name, **({"told": told} if doing else {}))
        return await bus.campaigns.status(name)

    try:
        done = setup.run(act)
    except KeyboardInterrupt:
        if begun:
            click.echo(
                f"nothing of it leaves any more; `omnibus work` goes on, or `omnibus campaign {verb} {name}`", err=True
            )
        raise
    if as_json:
        print_json(progress_shown(done))
    else:
        _say(done)


async def _follow(bus: Bus, name: str) -> Progress:
    from omnibus.cli.watching import follow

    return await follow(bus, name)


def _say(found: Progress) -> None:
    from omnibus.cli.watching import summary

    click.echo(f"{found.campaign.name}: {found.standing}; {summary(found)}")
    if found.standing == "loading":
        click.echo(CUT.format("nobody gets anything before its list is read"))
    if found.campaign.reason:
        click.echo(f"because: {found.campaign.reason}")


def campaign_shown(each: Campaign) -> dict[str, Any]:
    """Write a campaign as JSON values, without what its templates were told."""
    return {
        "name": each.name, "message": each.message, "source": each.source, "standing": each.standing.value,
        "reason": each.reason, "launched": each.launched, "changed": each.changed, "recipients": each.recipients,
        "expanded": each.expanded, "left": each.left, "accepted": each.accepted, "rejected": each.rejected,
    }  # fmt: skip


def progress_shown(found: Progress) -> dict[str, Any]:
    """Write a campaign's sums as JSON values."""
    return {
        **campaign_shown(found.campaign), "standing": found.standing, "final": found.final, "waiting": found.waiting,
        "handed_over": found.handed_over, "states": dict(found.states),
        "reasons": {state: dict(each) for state, each in found.reasons.items()},
    }  # fmt: skip
