"""What doctor, channels and plugins find; each broken thing on its own line, no secret anywhere."""

from __future__ import annotations

import re
import sys
import tomllib
from typing import Any

import pytest

from omnibus.cli.doctor.machine import python

from .conftest import TOML, Shop

FAX = """
import asyncio
from omnibus import Channel, Content, Provider, ProviderSettings, Refused, TryLater, hookimpl
from pydantic import SecretStr

class Fax(Channel):
    name = "fax"
    identity = "fax"
    def compose(self, draft, layout, context):
        return Content(text="")

class Acme(Provider):
    channel, scheme = Fax, "acme"
    class Settings(ProviderSettings):
        mood: str
        token: SecretStr = SecretStr("")
    def __str__(self):
        return "acme://"
    async def deliver(self, content, address, attempt, keep):
        raise Refused("no")
    def verify(self, request):
        return
    async def check(self):
        if self.settings.mood == "slow":
            await asyncio.Event().wait()
        if self.settings.mood == "bad":
            raise TryLater("rate_limited", account=True)
        if self.settings.mood == "faulty":
            raise KeyError("ada@example.com")

@hookimpl
def omnibus_register(register):
    register(Fax, Acme)
"""
SECRET = "s3cr3t-t0ken"


def fax(shop: Shop, mood: str) -> None:
    (shop.folder / "fax.py").write_text(FAX)
    table = f'[channels.fax]\nprovider = "acme"\nmood = "{mood}"\ntoken = "{SECRET}"\n'
    shop.write(TOML.replace("[omnibus]", "[omnibus]\nplugins = ['./fax.py']") + table)


def findings(shop: Shop, *words: str, code: int) -> dict[str, Any]:
    told = shop.json("doctor", *words, code=code)
    assert told["ok"] is (code == 0)
    for each in told["findings"]:
        assert set(each) == {"about", "state", "text", "fix"}
    assert SECRET not in str(told)
    return {each["about"]: each for each in told["findings"]}


def test_a_whole_shop(shop: Shop):
    found = findings(shop, code=0)
    wanted = {
        "python", "sqlite", "time zones", "disk", "configuration", "key", "brand, messages, journeys", "public_url", "store",
        "books", "plugin web", "plugin pos", "channel web", "channel pos", "channel web by site", "channel pos by till",
    }  # fmt: skip
    assert wanted <= set(found)
    assert {each["state"] for name, each in found.items() if name not in {"python", "disk"}} == {"ok", "note"}
    assert found["channel sms"]["text"] == "installed, not enabled"
    assert "0 broken" in shop.say("doctor", "--offline")


@pytest.mark.parametrize(
    ("mood", "code", "text"),
    [
        ("good", 0, "acme://: it answers"),
        ("bad", 1, "acme://: TryLater: rate_limited"),
        ("slow", 1, "acme://: no answer within 0.2 s"),
        ("faulty", 1, "acme://: its check failed with KeyError"),
    ],
)
def test_a_provider_is_asked(shop: Shop, mood: str, code: int, text: str):
    fax(shop, mood)
    told = shop.json("doctor", "--deadline", "0.2", code=code)
    texts = [each["text"] for each in told["findings"] if each["about"] == "channel fax by acme"]
    assert texts == [text, "its webhooks come to https://talk.example.com/hooks/fax/acme"]
    assert "ada@example.com" not in str(told)


def test_offline_asks_nobody(shop: Shop):
    fax(shop, "slow")
    told = shop.json("doctor", "--offline")
    assert "acme://: not asked" in [each["text"] for each in told["findings"]]


def test_each_broken_thing_on_its_own(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OMNIBUS_NONSENSE", "x")
    (shop.folder / "broken.py").write_text("import no_such_module")
    toml = TOML.replace('public_url = "https://talk.example.com"', "plugins = ['./broken.py']").replace(
        "origins", "orgins"
    )
    shop.write(toml + '[channels.fax]\nprovider = "acme"\n')
    (shop.folder / "messages" / "welcome.md").write_text("---\npurpse: x\n---\n# Hello\n")
    found = findings(shop, "--offline", code=1)
    broken = {name for name, each in found.items() if each["state"] == "broken"}
    assert broken == {"plugin broken", "channel web", "channel fax", "brand, messages, journeys"}
    assert "`pip install omnibus-fax`" in found["channel fax"]["text"]
    assert "no_such_module" in found["plugin broken"]["text"]
    assert found["environment"]["text"] == "OMNIBUS_NONSENSE is read by nobody"
    assert found["public_url"]["state"] == "warning"
    assert found["channel pos"]["state"] == "ok"


def test_no_configuration_still_examines_the_machine(shop: Shop):
    (shop.folder / "omnibus.toml").unlink()
    found = findings(shop, code=1)
    assert found["configuration"]["state"] == "broken"
    assert "`omnibus init`" in found["configuration"]["text"]
    assert {"python", "sqlite", "disk"} <= set(found)


def test_no_key_and_no_store(shop: Shop):
    (shop.folder / "omnibus.key").unlink()
    found = findings(shop, "--offline", code=1)
    assert (found["key"]["state"], found["store"]["state"]) == ("broken", "note")


def test_books_that_do_not_balance(shop: Shop, ada: str):
    shop.json("send", "cart-reminder", ada)
    shop.sql("DELETE FROM delivery")
    found = findings(shop, "--offline", code=1)
    assert found["books"]["text"].startswith("unbalanced 3 ")


@pytest.mark.parametrize(
    ("version", "state"),
    [((3, 11, 9), "warning"), ((3, 11, 10), "ok"), ((3, 12, 4), "warning"), ((3, 12, 5), "ok"), ((3, 13, 0), "ok"),
     ((3, 10, 20), "broken")],
)  # fmt: skip
def test_versions_of_python(version: tuple[int, int, int], state: str):
    assert python(version).state == state


def test_channels(shop: Shop):
    told = shop.json("channels")
    web = next(each for each in told["enabled"] if each["channel"] == "web")
    assert set(web) == {"channel", "audience", "providers", "identity", "capabilities", "points", "error"}
    assert (web["audience"], web["providers"], web["capabilities"]["ambient"]) == ("person", ["site://"], True)
    assert {"email", "sms", "twitter", "instagram", "receipt"} <= {each["channel"] for each in told["installed"]}
    text = shop.say("channels")
    assert 'Installed, not enabled: sms. These lines enable it:\n[channels.sms]\nprovider = "twilio"\n' in text


def test_the_lines_shown_enable_a_channel(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    lines = {each["channel"]: each["toml"] for each in shop.json("channels")["installed"]}
    for toml in lines.values():
        assert list(tomllib.loads(toml)) == ["channels"]
    for name in re.findall(r"env:(\w+)", "".join(lines.values())):
        monkeypatch.setenv(name, "AC" + "0" * 32)
    del lines["push"]  # its key must be a real one
    shop.write(TOML + "\n".join(lines.values()).replace("…", "127.0.0.1"))
    assert "the configuration is right" in shop.say("config", "check")
    assert set(lines) <= {each["channel"] for each in shop.json("channels")["enabled"]}
    assert {"display", "email", "instagram", "receipt", "sms", "twitter"} <= set(lines)


def test_a_channel_that_cannot_be_used_hides_no_other(shop: Shop):
    shop.write(TOML.replace("origins", "orgins"))
    rows = {each["channel"]: each for each in shop.json("channels")["enabled"]}
    assert "unknown key `orgins`" in rows["web"]["error"]
    assert rows["pos"]["error"] == ""
    assert "not usable: web: " in shop.say("channels")


def test_plugins(shop: Shop):
    (shop.folder / "broken.py").write_text("import no_such_module")
    shop.write(TOML.replace("[omnibus]", "[omnibus]\nplugins = ['./broken.py']"))
    rows = {each["plugin"]: each for each in shop.json("plugins")}
    assert set(rows["web"]) == {"plugin", "distribution", "version", "loaded", "brings", "error"}
    assert rows["web"]["loaded"]
    assert "channel web (person)" in rows["web"]["brings"]
    assert (rows["sms"]["loaded"], rows["sms"]["error"]) == (False, "")
    assert "no_such_module" in rows["broken"]["error"]
    assert "omnibus_sms" not in sys.modules or not rows["sms"]["brings"]
    assert "broken: broken: " in shop.say("plugins")


def test_config_show_masks_secrets_and_names_origins(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OMNIBUS_SERVER__PORT", "8123")
    fax(shop, "good")
    told = shop.json("config", "show")
    assert set(told) == {"path", "values", "origins", "unread"}
    assert told["origins"]["server.port"] == "OMNIBUS_SERVER__PORT"
    assert told["values"]["channels"]["fax"]["mood"] == "good"
    text = shop.say("config", "show")
    assert SECRET not in text + str(told)
    assert "till-key" not in text + str(told)
    assert "OMNIBUS_SERVER__PORT" in text


def test_a_missing_or_broken_plugin_stops_nobody_else(shop: Shop, ada: str):
    (shop.folder / "broken.py").write_text("import no_such_module")
    plugins = TOML.replace("[omnibus]", "[omnibus]\nplugins = ['./broken.py']")
    shop.write(plugins + '[channels.fax]\nprovider = "acme"\n[channels.broken]\nprovider = "acme"\n')
    for words in (["send", "cart-reminder", ada, "--json"], ["work", "--drain"]):
        result = shop.run(*words)
        assert result.exit_code == 0
        warnings = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
        assert len(warnings) == 2
        assert (
            "[channels.fax]: no installed plugin brings this channel; `pip install omnibus-fax`; the others go on"
            in warnings[0]
        )
        assert "[channels.broken]: its plugin cannot be used: ModuleNotFoundError" in warnings[1]
    assert {each["state"] for each in shop.json("deliveries", "--channel", "web")} == {"sent"}
