from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import omnibus_sms
from omnibus import Channel, Provider
from omnibus.provider import read_dsn
from omnibus_sms.sandbox import TwilioSandbox

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
TABLES = [tomllib.loads(block)["channels"]["sms"] for block in re.findall(r"```toml\n(.*?)```", README, re.DOTALL)]


def registered(hook) -> list[type]:
    found: list[type] = []
    hook(lambda *things: found.extend(things))
    return found


def test_it_brings_one_channel_and_its_carriers():
    brought = registered(omnibus_sms.omnibus_register)
    assert [each.name for each in brought if issubclass(each, Channel)] == ["sms"]
    carriers = [each for each in brought if issubclass(each, Provider)]
    assert sorted(each.scheme for each in carriers) == ["gateway", "smpp", "twilio", "vonage", "vonage-messages"]
    assert registered(omnibus_sms.omnibus_sandbox) == [TwilioSandbox]
    assert omnibus_sms.__all__ == sorted(omnibus_sms.__all__)


@pytest.mark.parametrize("table", TABLES, ids=range(len(TABLES)))
def test_the_tables_of_the_readme_are_right(table):
    scheme, _, rest = table.pop("provider").partition("://")
    kinds = {each.scheme: each for each in registered(omnibus_sms.omnibus_register) if issubclass(each, Provider)}
    fields = read_dsn(f"{scheme}://{rest}")[1] if rest else {}
    assert kinds[scheme].Settings.model_validate({**fields, **table}).from_


@pytest.mark.parametrize("dsn", re.findall(r"`((?:twilio|vonage|vonage-messages|smpp)://[^`]+)`", README))
def test_the_dsns_of_the_readme_are_right(dsn):
    scheme, fields = read_dsn(dsn)
    kinds = {each.scheme: each for each in registered(omnibus_sms.omnibus_register) if issubclass(each, Provider)}
    assert kinds[scheme].Settings.model_validate(fields).from_


@pytest.mark.parametrize("scheme", ["twilio", "vonage", "vonage-messages", "smpp"])
def test_every_setting_is_in_the_readme(scheme):
    kinds = {each.scheme: each for each in registered(omnibus_sms.omnibus_register) if issubclass(each, Provider)}
    names = {field.alias or name for name, field in kinds[scheme].Settings.model_fields.items()}
    assert [name for name in sorted(names - {"host", "port"}) if f"`{name}`" not in README] == []


def test_importing_it_loads_no_sandbox_and_opens_nothing():
    code = "import sys, omnibus_sms; print([m for m in sys.modules if m in ('aiohttp.web', 'omnibus_sms.sandbox', 'omnibus.testing')])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
