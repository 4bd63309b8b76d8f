"""`omnibus redeem` and `handover`: codes at the till, by hand."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from omnibus.cli.failing import CHECK
from omnibus.cli.printing import json_option, moment, print_json
from omnibus.cli.setup import Setup
from omnibus.errors import InputError

if TYPE_CHECKING:
    from omnibus.bus import Bus
    from omnibus.model.offer import Redemption


@click.command()
@click.argument("code")
@click.option("--basket", required=True, help="What it is redeemed for; the same basket may ask again.")
@click.option("--customer", help="Who redeems it; a personal code knows by itself.")
@click.option("--source", default="cli", show_default=True, help="Where it is redeemed.")
@json_option
@click.pass_context
def redeem(ctx: click.Context, code: str, basket: str, customer: str | None, source: str, *, as_json: bool) -> None:
    """Redeem a code for a basket: exactly one basket wins; exits with 1 when it was not this one.

    Example: omnibus redeem HARBOUR15 --basket till-1-0042
    """
    setup: Setup = ctx.obj

    async def act(bus: Bus) -> Redemption:
        who = (await bus.customers.get(customer)).id if customer else ""
        return await bus.redeem(code, basket=basket, customer=who, source=source)

    answer = setup.run(act)
    if as_json:
        print_json(asdict(answer))
    elif answer.won:
        click.echo(f"redeemed: {answer.offer}, {answer.percent} % off for basket {answer.basket}")
    else:
        click.echo(f"not redeemed: {answer.reason}" + (f" ({answer.offer})" if answer.offer else ""))
    ctx.exit(0 if answer.won else CHECK)


@click.command()
@click.argument("customer", required=False)
@click.option("--claim", metavar="TOKEN", help="Read a token or a typed short code instead.")
@click.option("--source", default="cli", show_default=True, help="Where it is read.")
@json_option
@click.pass_obj
def handover(setup: Setup, customer: str | None, claim: str | None, source: str, *, as_json: bool) -> None:
    """Make a code that carries cart and offer to the till, or read one.

    Example: omnibus handover email:ada@example.com
    """
    if (customer is None) == (claim is None):
        raise InputError("give either a customer or --claim TOKEN", where="handover")

    async def act(bus: Bus) -> dict[str, Any]:
        if claim is not None:
            return {"customer": await bus.parts.promises.claim(claim, source=source)}
        who = await bus.customers.get(customer or "")
        return asdict(await bus.parts.promises.hand_over(who.id))

    told = setup.run(act)
    if as_json:
        print_json(told)
    elif claim is not None:
        click.echo(f"customer {told['customer']}")
    else:
        click.echo(f"{told['short']}\nuntil {moment(told['expires'])}\n{told['token']}")
