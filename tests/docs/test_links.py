"""Links within the project lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .conftest import ROOT, prose

LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<to>[^)\s]+)\)|!\[[^\]]*\]\((?P<picture>[^)\s]+)\)")
FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ +(?P<text>.+)$", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Give the anchors of a page, as GitHub and mkdocs make them."""
    told = (re.sub(r"[^\w\s-]", "", found["text"].lower()) for found in HEADING.finditer(page.read_text("utf-8")))
    return {re.sub(r"\s+", "-", each.strip()) for each in told}


def links(page: Path) -> list[str]:
    text = FENCED.sub("", page.read_text("utf-8"))
    found = [each["to"] or each["picture"] for each in LINK.finditer(text)]
    return [each for each in found if not re.match(r"[a-z]+:", each)]


@pytest.mark.parametrize("page", prose(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links(page: Path):
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_no_page_is_lost():
    nav = (ROOT / "mkdocs.yml").read_text()
    missing = [
        str(page) for each in prose() if (page := each.relative_to(ROOT)).parts[0] == "docs"
        and "/".join(page.parts[1:]) not in nav and "decisions" not in page.parts
    ]  # fmt: skip
    assert missing == []
    index = (ROOT / "docs/decisions/index.md").read_text()
    assert [each.name for each in (ROOT / "docs/decisions").glob("0*.md") if each.name not in index] == []


def test_pages_ask_nobody_else_when_they_are_looked_at():
    assert "font: false" in (ROOT / "mkdocs.yml").read_text()
    assert [
        str(page)
        for page in prose()
        if re.search(r"!\[[^\]]*\]\(https?:|<(?:img|script|iframe)[^>]+src=\"http", FENCED.sub("", page.read_text()))
    ] == []
