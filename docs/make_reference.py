"""Write what the docs say of the code: events, states, policies, errors, hooks, settings, commands, the feature matrix.

A page holds ``<!-- made: events -->`` and ``<!-- /made -->``; what stands between them is made here. Run it after a
change, `--check` only compares (a test does)::

    python docs/make_reference.py [--check]
"""
# ruff: noqa: INP001, T201 - a script of the docs, not a package

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from pydantic_core import PydanticUndefined

from omnibus import errors, hookspecs
from omnibus.cli.entry import COMMANDS, main
from omnibus.facet import Facet
from omnibus.facets import BUILT_IN as FACETS
from omnibus.model import campaign, delivery, event
from omnibus.model.duration import write_duration
from omnibus.plugins import Plugins, Registry, installed
from omnibus.policies import BUILT_IN as POLICIES
from omnibus.provider import Provider
from omnibus.settings.sections import SECTIONS, Budget, OfferTable

DOCS = Path(__file__).parent
#: keys that explain themselves in the code and not in a table
KEYS = {
    "brand": "the brand's file: who speaks", "messages": "folder of messages, one Markdown file each",
    "journeys": "folder of journeys, one YAML file each", "clicks": "links lead over `public_url`, so that a click is known",
    "opens": "a pixel in mails", "host": "where `omnibus serve` listens", "port": "0 takes a free one",
    "quiet_hours": 'local times such as `"21:00-08:00"` in which nobody is woken; false for none',
    "budget": "points one person may be told over all channels within the window; false for none",
    "begin": "local time", "end": "local time", "kind": "`personal` (a code each) or `shared` (one public code)",
    "percent": "what comes off, 1 to 100", "label": "words instead of ours, e.g. `15 % off`", "code": "of a shared offer",
    "valid": "how long a personal code lives after it was issued",
    "ends": "last day (in the zone of `[omnibus]`) or moment with offset, for everybody",
    "limit": "how often a shared code may be redeemed in all",
    "renew": "how long after its issue an unused, expired code may be followed by a new one",
    "window": "the rolling window of the budget",
}  # fmt: skip
BLOCK = re.compile(r"(<!-- made: (?P<name>[a-z-]+) -->\n).*?(<!-- /made -->)", re.DOTALL)
MEMBER = re.compile(r'^ {4,8}(?:[A-Z]+ = )?"(?P<name>[a-z.]+)",?  #: (?P<means>.+)$', re.MULTILINE)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a Markdown table."""
    heads = list(head)
    lines = [heads, ["---"] * len(heads), *map(list, rows)]
    return "\n".join(
        "| " + " | ".join(each.replace("|", "\\|").replace("\n", " ") for each in row) + " |" for row in lines
    )


def first(thing: Any) -> str:
    """Give the first sentence of a docstring."""
    return inspect.cleandoc(thing.__doc__ or "").split("\n\n")[0].replace("\n", " ").replace("``", "`")


def code(words: Iterable[str]) -> str:
    """Write words as code."""
    return " ".join(f"`{each}`" for each in words)


# ---- nouns


def events() -> str:
    """List the core's event types with their meanings, by noun."""
    found = MEMBER.findall(inspect.getsource(event))
    assert {name for name, _ in found} == event.EVENT_TYPES
    return table(("type", "means"), ((f"`{name}`", means) for name, means in found))


def states() -> str:
    """List the states of a delivery."""
    found = MEMBER.findall(inspect.getsource(delivery))
    assert [name for name, _ in found] == [str(each) for each in delivery.State]
    kind = {each: "waiting" if delivery.State(each) in delivery.WAITING else "final" for each, _ in found}
    return table(("state", "", "means"), ((f"`{name}`", kind[name], means) for name, means in found))


def standings() -> str:
    """List where a campaign may stand."""
    found = MEMBER.findall(inspect.getsource(campaign))
    assert [name for name, _ in found] == [str(each) for each in campaign.Standing]
    return table(("standing", "means"), ((f"`{name}`", means) for name, means in found))


def policies() -> str:
    """List the built-in policies."""
    rows = (
        (
            f"`{each.name}`",
            first(each),
            "persons" if each.persons_only else "everybody",
            "yes" if each.ambient else "no",
        )
        for each in POLICIES
    )
    return table(("policy", "does", "binds", "ambient channels too"), rows)


def facets() -> str:
    """List the built-in facets."""
    rows = (
        (f"`{each.name}`", first(each), code(each.hears), code(_premises(each)) or "–", code(each.private) or "–")
        for each in FACETS
    )
    return table(("facet", "holds", "hears", "premises", "private fields"), rows)


def _premises(facet: type[Facet]) -> list[str]:
    noun = {"offers": "offer"}.get(facet.name, facet.name)
    return [f"{noun}.{claim}" for claim in facet.premises()]


# ---- what goes wrong


def error_tree() -> str:
    """Copy the drawn tree and list every class."""
    drawn = inspect.cleandoc(errors.__doc__ or "").split("::\n\n")[1].split("\n\n")[0]
    kinds = [each for each in vars(errors).values() if inspect.isclass(each) and issubclass(each, errors.OmnibusError)]
    rows = ((f"`{each.__name__}`", f"`{each.__bases__[0].__name__}`", first(each)) for each in kinds)
    return f"```text\n{inspect.cleandoc(drawn)}\n```\n\n{table(('error', 'is a', 'says'), rows)}"


# ---- interfaces


def hooks() -> str:
    """Write each hook with its exact signature."""
    found = [each for _, each in inspect.getmembers(hookspecs, inspect.isfunction) if hasattr(each, "omnibus_spec")]
    return "\n\n".join(f"### `{signature(each)}`\n\n{first(each)}" for each in found)


def signature(hook: Callable[..., Any]) -> str:
    """Write a hook as a plugin author does."""
    return f"{hook.__name__}({', '.join(inspect.signature(hook).parameters)})"


def settings() -> str:
    """Write every key with its default, section by section."""
    parts = [_section(f"[{name}]", model) for name, model in SECTIONS.items()]
    parts.append(_section("[policy] budget", Budget))
    parts.append(_section("[offers.<name>]", OfferTable))
    return "\n\n".join(parts)


def _section(title: str, model: Any) -> str:
    doc = inspect.cleandoc(model.__doc__ or "")
    told = dict(re.findall(r"^    (\w+): (.+(?:\n        .+)*)", doc, re.MULTILINE))
    rows = [
        (
            f"`{name}`",
            f"`{_default(field)}`",
            re.sub(r"\s+", " ", told.get(name, KEYS.get(name, ""))).replace("``", "`"),
        )
        for name, field in model.model_fields.items()
    ]
    return f"### `{title}`\n\n{first(model)}\n\n{table(('key', 'default', 'is'), rows)}"


def _default(field: Any) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "required"
    if hasattr(value, "begin"):
        return f"{value.begin:%H:%M}-{value.end:%H:%M}"
    if isinstance(value, Budget):
        return f"{{ window = {write_duration(value.window)}, points = {value.points} }}"
    if isinstance(value, timedelta):
        return write_duration(value)
    if isinstance(value, dict):
        return "{}"
    return {None: "none", True: "true", False: "false", "": '""', (): "[]"}.get(value, str(value))


def commands() -> str:
    """Write the help of every command."""
    return "\n\n".join(_help(path, command) for path, command in walk())


def walk() -> Iterator[tuple[str, click.Command]]:
    """List every command of ours with its path."""
    for path, each in [("omnibus", main), *((f"omnibus {name}", _command(name)) for name in COMMANDS)]:
        yield from _with_children(path, each)


def _command(name: str) -> click.Command:
    module, _, attribute = COMMANDS[name][0].partition(":")
    found: click.Command = getattr(import_module(module), attribute)
    return found


def _with_children(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if path != "omnibus" and isinstance(command, click.Group):
        for name, child in sorted(command.commands.items()):
            yield from _with_children(f"{path} {name}", child)


def _help(path: str, command: click.Command) -> str:
    *before, name = path.split(" ")
    parent = click.Context(click.Command(" ".join(before)), info_name=" ".join(before)) if before else None
    context = click.Context(
        command, info_name=name, parent=parent, terminal_width=100, max_content_width=100,
        help_option_names=["-h", "--help"],
    )  # fmt: skip
    return f"## `{path}`\n\n```text\n{command.get_help(context)}\n```"


# ---- channels


def registry() -> Registry:
    """Load every plugin that is installed here."""
    plugins = Plugins()
    plugins.load({each.name for each in installed()})
    broken = [f"{each.name}: {each.error}" for each in plugins.loaded.values() if each.error]
    assert not broken, broken
    return plugins.registry


def channels() -> str:
    """Write what each channel carries, from its capabilities."""
    rows = []
    for (name, audience), kind in sorted(registry().channels.items()):
        can = kind.capabilities
        most = f"{can.max_length:,} {can.unit}" if can.max_length else "no limit"
        has = {"HTML": can.html, "pictures": can.media, "replies": can.replies, "withdraw": can.withdraw}
        carries = ", ".join(name for name, yes in has.items() if yes) or "–"
        reach, ambient = f"`{kind.identity}`" if kind.identity else "–", "yes" if can.ambient else "–"
        reports = ", ".join(can.reports) or "–"
        rows.append((f"`{name}`", audience, reach, most, carries, ambient, reports, str(can.points)))
    head = ("channel", "audience", "identity", "at most", "can", "ambient", "reports", "points")
    return table(head, rows)


def providers() -> str:
    """Write what each provider promises, from its class."""
    rows = []
    for (channel, scheme), kind in sorted(registry().providers.items()):
        again = f"{kind.key_window / 3600:g} h" if kind.key_window else "for ever"
        promise = f"`{kind.idempotency}`" + (f", {again}" if kind.idempotency == "key" else "")
        own = ["yes" if _overrides(kind, name) else "–" for name in ("lookup", "withdraw", "verify", "check")]
        rows.append((f"`{channel}`", f"`{scheme}`", promise, *own, str(kind.max_in_flight)))
    head = (
        "channel",
        "provider",
        "the same attempt twice",
        "looks up",
        "withdraws",
        "webhooks",
        "checked by doctor",
        "at once",
    )
    return table(head, rows)


def _overrides(kind: type[Provider], name: str) -> bool:
    return getattr(kind, name) is not getattr(Provider, name)


MAKERS: dict[str, Callable[[], str]] = {
    "events": events, "states": states, "standings": standings, "policies": policies, "facets": facets, "errors": error_tree, "hooks": hooks,
    "settings": settings, "commands": commands, "channels": channels, "providers": providers,
}  # fmt: skip


def made(text: str) -> str:
    """Give a page with its blocks made anew."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{MAKERS[found['name']]()}\n\n{found[3]}", text)


def pages() -> Iterator[tuple[Path, str, str]]:
    """List the pages with what they say and what they should say."""
    for path in sorted(DOCS.rglob("*.md")):
        text = path.read_text("utf-8")
        if BLOCK.search(text):
            yield path, text, made(text)


if __name__ == "__main__":
    stale = [(path, new) for path, old, new in pages() if old != new]
    for path, new in stale:
        print(f"{path.relative_to(DOCS.parent)} {'is stale' if '--check' in sys.argv else 'written'}")
        if "--check" not in sys.argv:
            path.write_text(new, "utf-8")
    sys.exit(bool(stale) and "--check" in sys.argv)
