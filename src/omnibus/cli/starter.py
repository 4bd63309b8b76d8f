"""The example shop: what `omnibus init` writes and `omnibus demo` runs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from importlib.resources import files
from pathlib import Path

from omnibus.cli.reading import one_of
from omnibus.settings import make_key

TABLE = re.compile(r"\[channels\.(\w+)\].*?\n\n", re.DOTALL)  # up to the empty line


def starter_folder() -> Path:
    """Find the shop's files: inside the wheel, or beside the sources of a checkout."""
    shipped = Path(str(files("omnibus"))) / "starter"
    return shipped if shipped.is_dir() else Path(__file__).resolve().parents[3] / "examples" / "shop"


def write_starter(folder: Path, channels: Collection[str] = ()) -> list[Path]:
    """Copy the shop into a folder and make its master key; files that are there stay. Returns what was written.

    Args:
        channels: the tables that its configuration keeps; all without any.

    Raises:
        InputError: the shop has no such channel.
    """
    source, written = starter_folder(), []
    settings = (source / "omnibus.toml").read_text("utf-8")
    for name in channels:
        one_of(name, set(TABLE.findall(settings)), "--channel", "channel of the example shop")
    for path in sorted(source.rglob("*")):
        target = folder / path.relative_to(source)
        if path.is_dir() or "__pycache__" in path.parts or path.suffix == ".py" or target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if channels and path.name == "omnibus.toml":
            target.write_text(TABLE.sub(lambda table: table[0] if table[1] in channels else "", settings), "utf-8")
        else:
            shutil.copyfile(path, target)
        written.append(target)
    if make_key(folder / "omnibus.key"):
        written.append(folder / "omnibus.key")
    return written
