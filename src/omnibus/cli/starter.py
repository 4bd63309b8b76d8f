"""The example shop: what `omnibus init` writes and `omnibus demo` runs."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path

from omnibus.settings import make_key


def starter_folder() -> Path:
    """Find the shop's files: inside the wheel, or beside the sources of a checkout."""
    shipped = Path(str(files("omnibus"))) / "starter"
    return shipped if shipped.is_dir() else Path(__file__).resolve().parents[3] / "examples" / "shop"


def write_starter(folder: Path) -> list[Path]:
    """Copy the shop into a folder and make its master key; files that are there stay. Returns what was written."""
    source, written = starter_folder(), []
    for path in sorted(source.rglob("*")):
        target = folder / path.relative_to(source)
        if path.is_dir() or "__pycache__" in path.parts or path.suffix == ".py" or target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        written.append(target)
    if make_key(folder / "omnibus.key"):
        written.append(folder / "omnibus.key")
    return written
