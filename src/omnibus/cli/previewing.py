"""`omnibus preview`: what would be said, and whether it would go; nothing is sent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from omnibus.cli.printing import clean, console, json_option, print_json
from omnibus.cli.setup import Setup
from omnibus.cli.values import read_values, value_options
from omnibus.cli.why import verdict

if TYPE_CHECKING:
    from omnibus.bus import Bus
    from omnibus.outbound.preview import Shown

ENDINGS = {"text/html": ".html", "image/svg+xml": ".svg", "image/png": ".png"}


@click.command()
@click.argument("message")
@click.argument("customer")
@click.option("--html", "folder", type=click.Path(path_type=Path, file_okay=False), help="Write the pictures into DIR.")
@value_options
@json_option
@click.pass_obj
def preview(
    setup: Setup, message: str, customer: str, folder: Path | None, pairs: tuple[str, ...], values: str | None, *,
    as_json: bool,
) -> None:  # fmt: skip
    """Show what each channel would say to a customer now, and what the policies say; nothing is sent.

    Example: omnibus preview welcome email:ada@example.com --html previews
    """
    told = read_values(pairs, values)

    async def act(bus: Bus) -> list[Shown]:
        return await bus.preview(message, await bus.customers.get(customer), **told)

    rows = [_row(each, message, folder) for each in setup.run(act)]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        _print(row)


def _row(shown: Shown, message: str, folder: Path | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "channel": shown.channel, "error": shown.error, "text": None, "losses": [], "file": None,
        "judgement": shown.judgement.shown() if shown.judgement else None,
    }  # fmt: skip
    if shown.content is None:
        return row
    seen = shown.content.preview()
    row["text"], row["losses"] = seen.text, [{"what": x.what, "why": x.why} for x in shown.content.losses]
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{message}.{shown.channel}{ENDINGS.get(seen.media_type, '.txt') if seen.picture else '.txt'}"
        path.write_bytes(seen.picture or seen.text.encode())
        row["file"] = str(path)
    return row


def _print(row: dict[str, Any]) -> None:
    judged = verdict(row["judgement"]["verdict"]) if row["judgement"] else ""
    console().rule(f"[bold]{row['channel']}[/bold]  {clean(judged)}", align="left")
    if row["text"] is not None:
        click.echo(clean(row["text"]))
    for loss in row["losses"]:
        click.echo(f"  left out: {clean(loss['what'])} ({clean(loss['why'])})")
    if row["error"]:
        click.echo(f"  cannot be said here: {clean(row['error'])}")
    if row["file"]:
        click.echo(f"  written to {row['file']}")
    click.echo()
