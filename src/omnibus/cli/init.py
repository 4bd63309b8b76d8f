"""`omnibus init`: a shop to begin with."""

from __future__ import annotations

from pathlib import Path

import click

NEXT = """
Next:{cd}
  omnibus demo        see it turn, without any account
  omnibus doctor      says what is still missing: secrets, accounts, a public address
  omnibus channels    shows the channels, and the lines that enable more
  omnibus customers add --email ada@example.com --name Ada --consent email
  omnibus preview welcome email:ada@example.com
{channels}
Keep omnibus.key safe and out of version control: codes, links and hand-overs are derived from it."""


ALL = "Delete the [channels.…] tables you have no account for: the others go on without them."
FEW = "Enabled: {}. `omnibus channels` prints the lines that enable the others."


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option(
    "--channel", "channels", multiple=True, metavar="NAME",
    help="Enable this channel only; may be repeated. `web` needs no account.",
)  # fmt: skip
def init(folder: Path, channels: tuple[str, ...]) -> None:
    """Write the example shop into a folder, with a master key.

    Files that are there already stay as they are. Example: omnibus init shop --channel web
    """
    from omnibus.cli.starter import write_starter

    written = write_starter(folder, channels)
    for path in written:
        click.echo(f"wrote {path}")
    if not written:
        click.echo("nothing to write: it is all there")
    enabled = FEW.format(" ".join(channels)) if channels else ALL
    click.echo(NEXT.format(cd=f"\n  cd {folder}" if folder != Path() else "", channels=enabled))
