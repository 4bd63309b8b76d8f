"""The pages that are held against the code."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from omnibus.cli.starter import write_starter

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"(?ms)^\[channels\.(?P<name>[\w-]+)\].*?(?=^\[|^# Offers)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    info: str
    body: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """List what people read."""
    named = [ROOT / each for each in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
    return [*named, *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]


def prose() -> list[Path]:
    """List the pages without the example shop's messages."""
    return [page for page in pages() if "messages" not in page.parts]


def blocks(*pages_: Path) -> Iterator[Block]:
    """Find the fenced blocks, with their lines."""
    for page in pages_ or prose():
        text = page.read_text("utf-8")
        for found in FENCE.finditer(text):
            yield Block(page, text.count("\n", 0, found.start()) + 1, found["info"].strip(), found["body"])


def everything() -> str:
    """Give all pages as one text."""
    return "\n".join(page.read_text("utf-8") for page in prose())


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Path]:
    """Give the folder that the quickstart ends with: the example shop, with the web channel only; and stand in it."""
    write_starter(tmp_path)
    file = tmp_path / "omnibus.toml"
    file.write_text(TABLE.sub(lambda found: found[0] if found["name"] == "web" else "", file.read_text()))
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)
