"""`omnibus doctor`: every part is examined on its own, so one broken thing hides no other."""

from __future__ import annotations

import asyncio

import click

from omnibus.cli.doctor.finding import Finding
from omnibus.cli.failing import CHECK
from omnibus.cli.printing import json_option, print_json, print_table
from omnibus.cli.setup import Setup


@click.command()
@click.option(
    "--deadline", type=click.FloatRange(0.1), default=10.0, show_default=True, help="Seconds for each provider."
)
@click.option("--offline", is_flag=True, help="Ask no provider.")
@json_option
@click.pass_context
def doctor(ctx: click.Context, deadline: float, *, offline: bool, as_json: bool) -> None:
    """Examine this machine, the configuration, the store and every channel; exits with 1 when something is broken.

    It makes one harmless call to each provider and sends nothing. Example: omnibus doctor --offline
    """
    from omnibus.cli.doctor.channels import examine_channels
    from omnibus.cli.doctor.machine import examine_machine
    from omnibus.cli.doctor.shop import examine_settings, examine_store

    setup: Setup = ctx.obj
    settings, findings = examine_settings(setup)
    found = [*examine_machine(setup.config), *findings]
    if settings is not None:
        found += asyncio.run(examine_store(settings))
        found += asyncio.run(examine_channels(settings, 0.0 if offline else deadline))
    ok = all(each.state != "broken" for each in found)
    if as_json:
        print_json({"ok": ok, "findings": [each.shown() for each in found]})
    else:
        _print(found)
    ctx.exit(0 if ok else CHECK)


def _print(found: list[Finding]) -> None:
    marks = {"ok": "ok", "note": "note", "warning": "WARNING", "broken": "BROKEN"}
    together: dict[tuple[str, str, str], list[str]] = {}  # notes that say the same are one row
    for place, each in enumerate(found):
        alike = each.state if each.state == "note" else f"{each.state} {place}"
        together.setdefault((alike, each.text, each.fix), []).append(each.about)
    rows = [
        (marks[state.partition(" ")[0]], _names(about), text + (f"\n→ {fix}" if fix else ""))
        for (state, text, fix), about in together.items()
    ]
    print_table(("", "what", "found"), rows, empty="")
    broken, warnings = (sum(each.state == state for each in found) for state in ("broken", "warning"))
    click.echo(f"{broken} broken, {warnings} warning{'' if warnings == 1 else 's'}")


def _names(about: list[str]) -> str:
    """Name what a row is about: ``channel sms``, or one under the other, ``channels display`` and ``push``."""
    if len(about) == 1:
        return about[0]
    kind, _, first = about[0].partition(" ")
    return "\n".join([f"{kind}s {first}", *(f"  {each.partition(' ')[2]}" for each in about[1:])])
