"""The promises' own tests, unchanged, with the shop on PostgreSQL; those about SQLite's file are left to SQLite."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.promise
FOLDER = Path(__file__).parents[2] / "promises"
FILES = (
    "03_same_key",
    "04_lost_answer",
    "04_store_away",
    "04_bad_weather",
    "05_judged_at_the_moment",
    "06_order_resume_429",
    "08_faulty_facets",
)
OWN_FILE = (
    "everything=True",  # takes from workers that live: only where there is one; test_workers.py kills one instead
    "apsw",
    "sqlite",
    "engine",
    "shop.db",
    "subprocess",
    "shops",
    "blank_store",
)  # one file, one worker


def _load(name: str) -> ModuleType:
    found = next(FOLDER.glob(f"test_{name}.py"))
    spec = importlib.util.spec_from_file_location(f"promises_on_postgres_{name}", found)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _about_a_file(test: Any) -> bool:
    source = inspect.getsource(test)
    return "shop" not in inspect.signature(test).parameters or any(word in source for word in OWN_FILE)


for _name in FILES:
    for _title, _test in vars(_load(_name)).items():
        if _title.startswith("test_") and inspect.isfunction(_test) and not _about_a_file(_test):
            globals()[f"{_title}__{_name[:2]}"] = _test
