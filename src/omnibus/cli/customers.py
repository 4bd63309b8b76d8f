"""`omnibus customers`: who is who."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from omnibus.cli.printing import clean, console, json_option, print_json, print_table
from omnibus.cli.reading import one_of
from omnibus.cli.setup import Setup
from omnibus.errors import InputError

if TYPE_CHECKING:
    from omnibus.bus import Bus
    from omnibus.model.customer import Customer

KINDS = ("email", "phone", "x", "instagram", "web", "loyalty")


@click.group()
def customers() -> None:
    """List, show and add customers.

    A customer is named by id, or by an identity. Example: omnibus customers show email:ada@example.com
    """


@customers.command("list")
@click.option("--last", type=click.IntRange(1), default=100, show_default=True, help="At most so many.")
@json_option
@click.pass_obj
def list_(setup: Setup, last: int, *, as_json: bool) -> None:
    """List customers with the kinds of their identities, never the addresses.

    Example: omnibus customers list --json
    """

    async def gather(bus: Bus) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async for page in bus.customers.all():
            found += [_shown(each, addresses=False) for each in page]
            if len(found) >= last:
                break
        return found[:last]

    rows = setup.run(gather)
    if as_json:
        print_json(rows)
        return
    print_table(
        ("customer", "identities"),
        [(each["id"], " ".join(x["kind"] for x in each["identities"])) for each in rows],
        empty="no customers yet; `omnibus customers add` makes one, `omnibus import` many",
    )


def _shown(customer: Customer, *, addresses: bool) -> dict[str, Any]:
    identities = [
        {"kind": each.kind, "ref": each.ref, "verified": each.verified, "evidence": each.evidence}
        | ({"value": each.value} if addresses else {})
        for each in customer.identities
    ]
    return {"id": customer.id, "public": customer.public, "identities": identities}


@customers.command()
@click.argument("customer")
@click.option("--addresses", is_flag=True, help="Show the identities' values, too.")
@json_option
@click.pass_obj
def show(setup: Setup, customer: str, *, addresses: bool, as_json: bool) -> None:
    """Show one customer: identities and the whole context.

    Example: omnibus customers show email:ada@example.com
    """

    async def gather(bus: Bus) -> dict[str, Any]:
        context = await bus.context(customer)
        told = _shown(context.customer, addresses=addresses)
        return {**told, "version": context.version, "context": context.view()}

    told = setup.run(gather)
    if as_json:
        print_json(told)
        return
    click.echo(f"customer {told['id']}, version {told['version']}")
    rows = [
        (each["kind"], each.get("value", each["ref"]), "verified" if each["verified"] else "", each["evidence"])
        for each in told["identities"]
    ]
    print_table(("identity", "value" if addresses else "ref", "", "evidence"), rows, empty="no identities")
    for name, view in told["context"].items():
        console().print(f"[bold]{name}[/bold]")
        for key, value in view.items():
            click.echo(f"  {key}: {clean(value)}")


@customers.command()
@click.option("--id", "id_", default="", help="Your own id; a made one if none is given.")
@click.option("--email", help="An email address.")
@click.option("--phone", help="A phone number with its country, as +442079460000.")
@click.option("--x", help="A numeric X user id.")
@click.option("--instagram", help="An Instagram-scoped user id.")
@click.option("--web", help="A visitor id of the web shop.")
@click.option("--loyalty", help="A loyalty number.")
@click.option("--name", help="The full name.")
@click.option("--locale", help="The language, as en-GB.")
@click.option("--zone", help="The time zone, as Europe/London.")
@click.option("--prefers", metavar="CHANNEL", help="The channel they prefer.")
@click.option("--consent", multiple=True, metavar="CHANNEL", help="They allowed marketing here; * for everywhere.")
@click.option("--evidence", default="cli", show_default=True, help="Where you know it from.")
@json_option
@click.pass_obj
def add(
    setup: Setup,
    /,
    id_: str,
    consent: tuple[str, ...],
    evidence: str,
    prefers: str | None,
    *,
    as_json: bool,
    **told: Any,
) -> None:
    """Add a customer, or add to one who is known by any of these identities.

    Example: omnibus customers add --email ada@example.com --name "Ada" --consent email
    """
    names = setup.settings().channels
    for channel in consent:
        one_of(channel, {*names, "*"}, "--consent", "channel")
    if prefers is not None:
        one_of(prefers, names, "--prefers", "channel")
    if not id_ and not any(told[kind] for kind in KINDS):
        raise InputError(
            "a customer needs an identity", fix="give --email, --phone, --x, --instagram, --web or --loyalty"
        )

    async def make(bus: Bus) -> Customer:
        made = await bus.customers.upsert(id=id_, evidence=evidence, prefers=prefers, **told)
        for channel in consent:
            scope = {"channel": channel, "purpose": "marketing", "topic": "*"}
            await bus.track(made, "consent.granted", scope, source=evidence)
        return made

    made = setup.run(make)
    if as_json:
        print_json(_shown(made, addresses=False))
    else:
        click.echo(f"customer {made.id}")
