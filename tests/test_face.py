"""The face: sorted, complete, nothing defined in it; importing it has no effect."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import omnibus

FACE = Path(omnibus.__file__)


def test_all_is_sorted_and_is_what_is_imported() -> None:
    assert list(omnibus.__all__) == sorted(set(omnibus.__all__), key=lambda each: (each[0].islower(), each))
    tree = ast.parse(FACE.read_text())
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("omnibus")
        for alias in node.names
    }
    assert names <= {*omnibus.__all__, "open_bus", "open_sync"} | {each for each in names if hasattr(omnibus, each)}
    assert [each for each in omnibus.__all__ if getattr(omnibus, each, None) is None] == []


def test_no_class_is_defined_in_it() -> None:
    tree = ast.parse(FACE.read_text())
    assert [node.name for node in tree.body if isinstance(node, ast.ClassDef)] == []


def test_importing_starts_nothing() -> None:
    code = (
        "import logging, sys, threading; before = len(logging.root.handlers); import omnibus;"
        "assert len(logging.root.handlers) == before; assert threading.active_count() == 1;"
        "heavy = {'starlette', 'uvicorn', 'alembic', 'aiohttp', 'jinja2', 'psycopg'} & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
