"""What the code says of itself stands in the docs: nothing is missing, nothing is stale."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from types import ModuleType
from typing import Any

import click
import pytest

import omnibus
from omnibus import errors, hookspecs
from omnibus.cli.entry import COMMANDS
from omnibus.facets import BUILT_IN as FACETS
from omnibus.model.delivery import MOVES, State
from omnibus.model.event import EVENT_TYPES
from omnibus.plugins import Plugins, installed
from omnibus.policies import BUILT_IN as POLICIES
from omnibus.settings.sections import SECTIONS, Budget, OfferTable
from omnibus.writing.front import RULES, WORDS
from omnibus.writing.journeys import STEPS

from .conftest import ROOT, blocks, everything

ARROW = re.compile(r"^(?P<old>[a-z]+) +─► (?P<new>[a-z]+)", re.MULTILINE)
TEXT = everything()


@pytest.fixture(scope="module")
def make() -> ModuleType:
    """Import the script that makes the tables."""
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs" / "make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["make_reference"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def missing(words: Any) -> list[str]:
    """List the words that stand nowhere as code."""
    known = {part for found in re.findall(r"`([^`\n]+)`", TEXT) for part in (found, *found.split())}
    return sorted(str(word) for word in words if str(word) not in known)


def test_the_made_tables_are_fresh(make: ModuleType):
    stale = [str(path.relative_to(ROOT)) for path, old, new in make.pages() if old != new]
    assert stale == [], "run `python docs/make_reference.py`"
    found = {
        name
        for path in (ROOT / "docs").rglob("*.md")
        for name in re.findall(r"<!-- made: ([a-z-]+) -->", path.read_text())
    }
    assert found == set(make.MAKERS)


def test_the_drawn_states_are_the_codes():
    (drawing,) = [
        each for each in blocks(ROOT / "docs/concepts/deliveries.md") if each.body.startswith("queued     ─► sending ")
    ]
    arrows = [(found["old"], found["new"]) for found in ARROW.finditer(drawing.body)]
    assert len(arrows) == len(set(arrows))
    drawn = {state: {new for old, new in arrows if old == state} for state in map(str, State)}
    assert drawn == {str(old): set(map(str, new)) for old, new in MOVES.items()}


def test_every_event_type_state_policy_and_facet_is_told():
    assert missing(EVENT_TYPES) == []
    assert missing(State) == []
    assert missing(each.name for each in POLICIES) == []
    assert missing(each.name for each in FACETS) == []


def test_every_error_is_told():
    kinds = [name for name, each in vars(errors).items() if inspect.isclass(each) and issubclass(each, Exception)]
    assert missing(kinds) == []


def test_every_hook_is_told_with_its_signature():
    hooks = [each for _, each in inspect.getmembers(hookspecs, inspect.isfunction) if hasattr(each, "omnibus_spec")]
    assert hooks
    assert missing(f"{each.__name__}({', '.join(inspect.signature(each).parameters)})" for each in hooks) == []


def test_every_command_is_told_with_its_options(make: ModuleType):
    page = (ROOT / "docs/reference/cli.md").read_text()
    for path, command in make.walk():
        assert f"## `{path}`" in page
        for option in command.params:
            assert isinstance(option, click.Argument) or any(each in page for each in option.opts)


def test_every_setting_is_told():
    keys = {key for model in (*SECTIONS.values(), Budget, OfferTable) for key in model.model_fields}
    assert missing(keys - {"costs"}) == []
    assert missing([f"[{name}]" for name in SECTIONS]) == []


def test_every_key_of_messages_and_journeys_is_told():
    assert missing([*RULES, *WORDS, *STEPS]) == []


def test_every_key_of_a_channel_stands_in_its_readme():
    plugins = Plugins()
    plugins.load({each.name for each in installed()})
    shelf = plugins.registry
    silent = []
    for kind in [*shelf.channels.values(), *shelf.providers.values()]:
        folder = kind.__module__.split(".")[0].removeprefix("omnibus_")
        readme = (ROOT / "plugins" / folder / "README.md").read_text()
        fields = {field.alias or name for name, field in kind.Settings.model_fields.items()}
        silent += [f"{folder}: {kind.__name__}.{name}" for name in fields if not re.search(rf"\b{name}\b", readme)]
    # host, port, user, password and path are parts of any DSN
    assert [
        each
        for each in sorted(set(silent))
        if each.rpartition(".")[2] not in {"host", "port", "user", "password", "path"}
    ] == []


def test_every_name_of_the_face_that_a_plugin_brings_is_in_the_reference():
    page = (ROOT / "docs/reference/api.md").read_text()
    brought = [
        "Channel",
        "Provider",
        "ProviderSettings",
        "Facet",
        "Policy",
        "Endpoint",
        "Desk",
        "Keep",
        "Content",
        "Draft",
    ]
    assert [each for each in brought if f".{each}\n" not in page] == []
    assert set(brought) <= set(omnibus.__all__)


def test_the_channels_of_the_matrix_are_those_of_the_readme():
    plugins = Plugins()
    plugins.load({each.name for each in installed()})
    names = {name for name, _ in plugins.registry.channels}
    readme = (ROOT / "README.md").read_text()
    assert sorted(each for each in names if f"`{each}`" not in readme) == []


#: what the pages say is not built yet → whether it is
MISSING = {
    "segments": lambda: (ROOT / "src/omnibus/segments").exists() or "segment" in COMMANDS,
    "erase and export": lambda: {"erase", "export"} & set(COMMANDS),
    "encryption": lambda: "private" in re.sub(r'"""|#.*', "", (ROOT / "src/omnibus/timeline.py").read_text()),
    "a pixel for opens": lambda: any("tracking.opens" in each.read_text() for each in (ROOT / "src").rglob("*.py")),
}


@pytest.mark.parametrize("what", MISSING)
def test_what_is_said_to_be_missing_is_missing(what: str):
    """Fails when it was built: then README.md and docs (grep "not built") are to be mended, and the row goes."""
    assert what in (ROOT / "README.md").read_text()
    assert not MISSING[what]()


def test_the_promises_are_proved_where_the_page_says():
    page = (ROOT / "docs/concepts/promises.md").read_text()
    told = re.findall(r"`(tests/[\w/]+\.py)`", page)
    assert [each for each in told if not (ROOT / each).exists()] == []
    found = sorted(str(each.relative_to(ROOT)) for each in (ROOT / "tests/promises").glob("test_*.py"))
    assert [each for each in found if each not in page] == [], "name the new file, and say what it proves"


def test_changelog_fragments_follow_their_rules():
    kinds = {"added", "changed", "deprecated", "removed", "fixed", "security"}
    fragments = [each for each in (ROOT / "changelog.d").iterdir() if each.suffix == ".md"]
    assert fragments
    assert [each.name for each in fragments if each.name.split(".")[-2] not in kinds] == []
    assert [each.name for each in fragments if not re.match(r"\*\*omnibus-[a-z]+\*\*: ", each.read_text("utf-8"))] == []
