"""Every Python block of README and docs runs; what is only shown is marked `text`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest

import omnibus
from omnibus.settings import load
from omnibus.testing import sample_context, sample_draft
from omnibus.testing.contracts import ChannelContract

from .conftest import ROOT, Block, blocks

KNOWN = {"python", "toml", "text", "console", "html", "yaml", "json"}
PYTHON = [each for each in blocks() if each.info == "python"]
FAX = ROOT / "examples" / "fax" / "fax.py"


def test_every_block_says_what_it_is():
    assert [str(each) for each in blocks() if each.info not in KNOWN] == []
    assert len(PYTHON) > 8


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_runs(block: Block, shop: Path):
    shutil.copy(FAX, shop)
    name = "documented_block"
    module = sys.modules[name] = ModuleType(name)  # dataclasses look their module up
    try:
        exec(compile(f"{block.body}", str(block), "exec"), vars(module))
    finally:
        del sys.modules[name]


@pytest.mark.parametrize("block", [each for each in blocks() if each.info == "toml"], ids=str)
def test_toml_reads(block: Block):
    assert tomllib.loads(block.body)


def test_the_page_shows_the_fax_that_is_tested():
    shown = [each.body for each in blocks(ROOT / "docs" / "howto" / "add-a-channel.md") if each.info == "python"]
    assert shown == [FAX.read_text("utf-8")]


def test_the_examples_of_embedding_are_those_of_the_page():
    shown = [each.body for each in blocks(ROOT / "docs/howto/embed.md")]
    files = [each.read_text("utf-8").partition('"""\n\n')[2] for each in (ROOT / "examples/embed").glob("*.py")]
    assert sorted(shown) == sorted(files)


def imported(name: str, code: str) -> ModuleType:
    module = sys.modules[name] = ModuleType(name)
    exec(compile(code, name, "exec"), vars(module))
    return module


class TestFax(ChannelContract):
    """The fax of the page keeps what every channel keeps."""

    without: ClassVar[Mapping[str, str]] = {"picture": "a fax is its words"}

    def channel(self) -> omnibus.Channel:
        return imported("fax_example", FAX.read_text("utf-8")).Fax()


def test_the_provider_of_the_page_passes_the_tests_of_the_page(tmp_path: Path):
    (whole,) = [each.body for each in blocks(ROOT / "docs/howto/add-a-provider.md") if "class Acme" in each.body]
    shown = [each.body for each in blocks(ROOT / "docs/howto/test-a-plugin.md")]
    (tests,) = [each for each in shown if "class TestAcme" in each]
    (report,) = [each for each in shown if '"provider_id": "F1"' in each]
    arrived, ringing = ([each for each in shown if f'"{status}"' in each] for status in ("arrived", "ringing"))
    files = {
        "fax.py": FAX.read_text("utf-8"), "acme.py": whole.partition("\n\nacme = ")[0], "test_plugin.py": tests,
        "pytest.ini": "[pytest]\nasyncio_mode = auto\n", "webhooks/acme/delivered.body": arrived[0],
        "webhooks/acme/delivered.json": report, "webhooks/acme/no-news.body": ringing[0], "webhooks/acme/no-news.json": "[]",
    }  # fmt: skip
    (tmp_path / "webhooks/acme").mkdir(parents=True)
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8")
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    path = os.pathsep.join([str(tmp_path), *(each for each in [os.environ.get("PYTHONPATH")] if each)])
    done = subprocess.run(
        words, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout


def test_the_fax_is_used_from_a_file_outside_any_package(shop: Path):
    shutil.copy(FAX, shop)
    file = shop / "omnibus.toml"
    table = '\n[channels.fax]\nprovider = "tray"\nfolder = "faxes"\n'
    file.write_text(file.read_text().replace("[omnibus]", '[omnibus]\nplugins = ["./fax.py"]', 1) + table)
    (shop / "messages" / "closing.md").write_text(
        "---\npurpose: service\nvia: [email, fax]\n---\n# We close early, {{ customer.first_name }}\n\nOn Friday, at four.\n"
    )
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    with omnibus.open_sync(file, now=lambda: noon) as bus:
        ada = bus.upsert(fax="+442079460000", name="Ada")
        bus.send("closing", ada, key="closing")
        bus.drain()
        sent = [each for each in bus.timeline(ada) if each.type == "message.sent"]
    assert [(each.data["channel"], each.data["provider"], each.data["pages"]) for each in sent] == [("fax", "tray", 1)]
    (fax,) = (shop / "faxes").iterdir()
    assert fax.read_text() == (
        "To: +442079460000\n\nFrom: Acme\n\nWe close early, Ada\n\nOn Friday, at four.\n\nWarmly, Acme\n"
    )


def test_the_fax_shop_is_configured_as_the_page_says(shop: Path):
    shutil.copy(FAX, shop)
    (told,) = [
        each.body
        for each in blocks(ROOT / "docs" / "howto" / "add-a-channel.md")
        if "plugins" in each.body and each.info == "toml"
    ]
    (shop / "omnibus.toml").write_text(told)
    assert load(shop).omnibus.plugin_files == (shop / "fax.py",)


def test_a_page_of_fax_that_cannot_hold_its_facts_is_refused():
    fax = imported("fax_example", FAX.read_text("utf-8"))
    long = sample_draft("fax", facts=(omnibus.Fact("price", "9" * 2_000),))
    with pytest.raises(omnibus.MessageError, match="too much for a page"):
        fax.Fax().compose(long, None, sample_context())
