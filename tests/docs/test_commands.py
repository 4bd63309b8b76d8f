"""What the docs tell people to type works: the quickstart from end to end, and every command line by name and option."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from omnibus.cli import main
from omnibus.cli.entry import COMMANDS

from .conftest import ROOT, blocks, prose

LINE = re.compile(r"^omnibus (?P<rest>.+)$", re.MULTILINE)
INLINE = re.compile(r"`omnibus (?P<rest>[a-z-][^`]*)`")
PLUGINS_OWN = {"x-login"}


def lines() -> list[tuple[str, str]]:
    """List every command line that a page tells."""
    told = [
        (str(block), found["rest"])
        for block in blocks()
        for found in LINE.finditer(block.body)
        if block.info != "python"
    ]
    for page in prose():
        text = page.read_text("utf-8")
        told += [(str(page.relative_to(ROOT)), found["rest"]) for found in INLINE.finditer(text)]
    return [(where, line) for where, line in told if "reference/cli.md" not in where]


def test_every_command_line_exists():
    wrong = []
    for where, line in lines():
        words = re.sub(r"\s#.*", "", line).replace("'", '"').split()
        command: click.Command = main
        options = {each for param in main.params for each in param.opts}
        for word in words:
            if isinstance(command, click.Group) and not word.startswith("-"):
                found = command.get_command(click.Context(command), word)
                if found is None and command is not main:
                    wrong.append(f"{where}: {line}")
                command = found or command
                options |= {each for param in command.params for each in param.opts}
            elif word.startswith("--") and word.partition("=")[0] not in options:
                wrong.append(f"{where}: {word} of `omnibus {line}`")
    named = {line.split()[0] for _, line in lines() if not line.startswith("-")}
    assert wrong == []
    assert sorted(named - set(COMMANDS) - PLUGINS_OWN) == []


def run(line: str) -> str:
    result = CliRunner().invoke(main, shlex.split(line))
    assert result.exit_code == 0, f"omnibus {line}: {result.output}"
    return result.output


def test_the_quickstart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs" / "quickstart.md"
    (keep,) = [block.body for block in blocks(page) if block.body.startswith("[channels.web]")]
    typed = [found["rest"] for block in blocks(page) for found in LINE.finditer(block.body)]
    delivery, said = "", {}
    for line in typed:
        if line == "doctor --offline":
            continue  # it judges the machine, too
        said[line] = run(line.replace("DELIVERY", delivery))
        if line.startswith("init shop"):
            monkeypatch.chdir(tmp_path / "shop")
            assert keep in Path("omnibus.toml").read_text()
        if line == "deliveries":
            delivery = next(each.split()[0] for each in said[line].splitlines() if "dropped" in each)
            assert "withdrawn" in said[line] or "sent" in said[line]
    assert "not enabled" in said["why DELIVERY"]
    assert "withdrawn" in said["deliveries"]  # as it stood after she paid
    assert "web  send" in said["preview cart-reminder email:ada@example.com"]


def test_the_story_in_the_readme_is_the_demos():
    story = (ROOT / "src/omnibus/cli/demo/story.py").read_text() + (ROOT / "src/omnibus/cli/demo/checks.py").read_text()
    (shown,) = [block.body for block in blocks(ROOT / "README.md") if "cart-reminder-2" in block.body]
    told = re.findall(r"^(?:Mon|Tue) \d\d:\d\d  (.+)$|^yes (?:J\d|books) +(.+)$", shown, re.MULTILINE)
    assert len(told) > 7
    assert [each for pair in told for each in pair if each and each not in story] == []
