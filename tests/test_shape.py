"""The shape of the house: files of a size that a person reads, imports without circles, skips that do not hide."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import omnibus

SOURCE = Path(omnibus.__file__).parent
ROOT = Path(__file__).parents[1]
MOST = 300


def test_no_file_is_too_long() -> None:
    files = [*SOURCE.rglob("*.py"), *ROOT.glob("plugins/*/src/**/*.py")]
    sizes = {str(path): len(path.read_text().splitlines()) for path in files}
    assert {name: size for name, size in sizes.items() if size > MOST} == {}


TWINS = {"stores/sqlite", "stores/postgres"}  # the same part of the one port, on each store
SETTINGS = {"Budget", "QuietHours", "Safety"}  # a policy and its section of the settings


def test_no_two_classes_bear_one_name() -> None:
    """One word, one meaning: whoever reads a name need not ask which of them it is."""
    found: dict[str, list[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(str(path.relative_to(SOURCE).parent))
    shared = {name: places for name, places in found.items() if len(places) > 1 and name not in SETTINGS}
    assert {name: places for name, places in shared.items() if len(places) > 2 or set(places) != TWINS} == {}


def imports() -> dict[str, set[str]]:
    """List what each module imports of ours, those under TYPE_CHECKING and in functions included."""
    names = {str(path.relative_to(SOURCE.parent)).removesuffix(".py").removesuffix("/__init__").replace("/", "."): path
             for path in SOURCE.rglob("*.py")}  # fmt: skip
    found: dict[str, set[str]] = {}
    for name, path in names.items():
        found[name] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                told = {f"{node.module}.{each.name}" for each in node.names}
                found[name] |= {each if each in names else node.module for each in told} & set(names)
            elif isinstance(node, ast.Import):
                found[name] |= {each.name for each in node.names} & set(names)
        found[name].discard(name)
    return found


def test_no_imports_go_in_a_circle() -> None:
    graph, circles, done = imports(), [], set[str]()

    def visit(name: str, way: tuple[str, ...]) -> None:
        if name in way:
            circles.append(way[way.index(name) :])
            return
        if name in done:
            return
        for each in sorted(graph[name]):
            visit(each, (*way, name))
        done.add(name)

    for name in sorted(graph):
        visit(name, ())
    assert circles == []


def test_a_skip_fails_the_run_when_told_so(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text((ROOT / "conftest.py").read_text())
    (tmp_path / "test_one.py").write_text("import pytest\n@pytest.mark.skip\ndef test_a(): pass\ndef test_b(): pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    codes = {}
    for told in ("0", "1"):
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", str(tmp_path)]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env={**os.environ, "OMNIBUS_NO_SKIP": told},
            cwd=tmp_path,
            check=False,
        )
        codes[told] = done.returncode
    assert codes == {"0": 0, "1": 1}
