"""`omnibus why`: the whole decision as a tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
from rich.text import Text
from rich.tree import Tree

from omnibus.cli.printing import clean, console, json_option, moment, print_json
from omnibus.cli.setup import Setup


def verdict(told: Mapping[str, Any]) -> str:
    """Write a verdict as a decision holds it."""
    if "send" in told:
        return "send" if told["send"] is True else f"send: {told['send']}"
    if "hold" in told:
        return f"hold until {told['hold']}: {told['reason']}"
    return f"drop: {told['drop']}"


@click.command()
@click.argument("delivery")
@json_option
@click.pass_obj
def why(setup: Setup, delivery: str, *, as_json: bool) -> None:
    """Tell the whole decision behind a delivery: every policy's verdict, the consent, the route, the attempts.

    Example: omnibus why 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b
    """
    told = setup.run(lambda bus: bus.why(delivery))
    if as_json:
        print_json(told)
    else:
        console().print(_tree(told))


def _tree(told: Mapping[str, Any]) -> Tree:
    tree = Tree(_text(f"{told['message']} to {told['customer']}: {told['state']}", "bold"))
    if told["reason"]:
        tree.add(_text(f"reason: {told['reason']}"))
    tree.add(
        _text(f"{told['purpose']}, accepted {moment(told['accepted'])}, expires {moment(told['expires']) or 'never'}")
    )
    tree.add(_text(f"may go by {', '.join(told['via'])}" + (f"; went by {_went(told)}" if told["channel"] else "")))
    for decision in told["decisions"]:
        _decision(tree, decision)
    if not told["decisions"]:
        tree.add(_text("not judged yet: it is decided when it leaves"))
    for each in told["attempts"]:
        line = f"attempt {each['number']} by {each['route']} at {moment(each['started'])}: {each['outcome']}"
        reason = f" ({each['reason']})" if each["reason"] else ""
        tree.add(_text(f"{line}{reason}, {each['points']} points, {each['id']}"))
    if told["flagged"]:
        tree.add(_text("flagged: it may have arrived twice"))
    return tree


def _went(told: Mapping[str, Any]) -> str:
    return f"{told['channel']} ({told['provider']})" if told["provider"] else str(told["channel"])


def _decision(tree: Tree, decision: Mapping[str, Any]) -> None:
    judged = decision.get("verdict")
    line = f"judged {moment(decision['at'])}" + (f": {verdict(judged)}" if judged else "")
    branch = tree.add(_text(line, "bold"))
    for route in decision.get("routes", ()):
        chosen = " (chosen)" if route["route"] == decision.get("route") else ""
        way = branch.add(_text(f"{route['route']}{chosen}: {verdict(route['verdict'])}"))
        for policy, said in route["policies"].items():
            way.add(_text(f"{policy}: {verdict(said)}"))
    for each in decision.get("without", ()):
        branch.add(_text(f"no route by {each}"))
    for key in sorted(set(decision) - {"at", "verdict", "route", "routes", "without"}):
        branch.add(_text(f"{key}: {clean(decision[key])}"))


def _text(words: str, style: str = "") -> Text:
    return Text(clean(words), style)
