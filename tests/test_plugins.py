"""Plugins: only what is enabled is loaded; a broken one is reported and stops nobody."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import pytest

from omnibus import Facet, Policy, Send, hookimpl
from omnibus.errors import ConfigError
from omnibus.facets import BUILT_IN
from omnibus.plugins import Plugins, installed
from omnibus.testing import FakeChannel, fake_provider


class Entry:
    """Look like an entry point."""

    dist = None

    def __init__(self, name: str, loads: Any) -> None:
        self.name, self.value, self._loads = name, f"module_{name}", loads
        self.loaded = 0

    def load(self) -> Any:
        self.loaded += 1
        if isinstance(self._loads, Exception):
            raise self._loads
        return self._loads


class Brings:
    def __init__(self, *things: Any) -> None:
        self.things = things

    @hookimpl
    def omnibus_register(self, register: Any) -> None:
        register(*self.things)


class Half:
    @hookimpl
    def omnibus_register(self, register: Any) -> None:
        register(type("Good", (Facet,), {"name": "good"}))
        raise ZeroDivisionError


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> Any:
    def use(*told: Entry) -> None:
        monkeypatch.setattr("omnibus.plugins.installed", lambda: list(told))

    return use


def test_only_the_enabled_ones_are_imported(entries: Any) -> None:
    fax, other = Entry("fax", Brings(FakeChannel)), Entry("other", RuntimeError("never"))
    entries(fax, other)
    plugins = Plugins()
    plugins.load(["fax"])
    assert (fax.loaded, other.loaded) == (1, 0)
    assert list(plugins.loaded) == ["fax"]
    assert plugins.loaded["fax"].brought == ("channel fake (person)",)


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (ImportError("no module"), "ImportError: no module"), (Half(), "ZeroDivisionError"), (object(), "no @hookimpl"),
        (Brings(42), "it takes classes"), (Brings(int), "int is no Channel"), (SyntaxError("line 3"), "SyntaxError"),
        (Brings(type("Twin", (Facet,), {"name": "cart"})), "have one name: cart"),
    ],
)  # fmt: skip
def test_a_broken_one_is_kept_with_its_reason(entries: Any, broken: Any, why: str) -> None:
    entries(Entry("bad", broken), Entry("fax", Brings(FakeChannel, fake_provider())))
    plugins = Plugins(BUILT_IN)
    plugins.load(["bad", "fax"])
    assert why in plugins.loaded["bad"].error
    assert plugins.loaded["fax"].error == ""
    assert ("fake", "person") in plugins.registry.channels
    assert "good" not in plugins.registry.facets, "half of a plugin is none of it"
    assert set(plugins.registry.facets) == {each.name for each in BUILT_IN}


def test_another_hook_specification_is_refused(entries: Any) -> None:
    plugin = Brings(FakeChannel)
    plugin.requires_hookspec = "99"  # type: ignore[attr-defined]
    entries(Entry("new", plugin))
    plugins = Plugins()
    plugins.load(["new"])
    assert "hook specification 99" in plugins.loaded["new"].error


def test_a_plugin_with_two_names_is_loaded_once(entries: Any) -> None:
    one, two = Entry("fax", Brings(FakeChannel)), Entry("telefax", Brings(FakeChannel))
    two.value = one.value
    entries(one, two)
    plugins = Plugins()
    plugins.load(["fax", "telefax"])
    assert (one.loaded, two.loaded) == (1, 0)
    assert plugins.loaded["telefax"].brought == plugins.loaded["fax"].brought


async def test_a_channel_of_nobody_says_what_to_install(shop: Any) -> None:
    shop.tables.append('[channels.pigeon]\nprovider = "loft"\n')
    with pytest.raises(ConfigError, match="pip install omnibus-pigeon"):
        await shop.open()


async def test_a_plugins_facet_and_policy_take_part(shop: Any) -> None:
    class NoSunday(Policy):
        name = "no_sunday"

        def judge(self, *told: Any) -> Any:
            return Send("not a Sunday")

    shop.channel("mail")
    shop.plugins.append(Brings(NoSunday))
    shop.message("hello", via=["mail"])
    bus = await shop.open()
    (one,) = await bus.send("hello", await shop.ada())
    await bus.drain()
    (decision,) = (await bus.why(one.id))["decisions"]
    assert decision["routes"][0]["policies"]["no_sunday"] == {"send": "not a Sunday"}


def test_installed_looks_without_importing() -> None:
    assert {each.name for each in installed()} >= {"email", "sms", "twitter", "instagram", "web", "pos"}
    assert importlib.metadata.entry_points(group="omnibus")
