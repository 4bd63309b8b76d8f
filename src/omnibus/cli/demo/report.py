"""What a person sees at the end: timeline, deliveries with their reasons, files to open, the books."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from omnibus.cli.demo.checks import Check
from omnibus.cli.demo.story import Play

TOLD = ("message", "journey", "channel", "offer", "place", "total", "reason", "until")
WIDE = 90  # letters of a reason
SEEN = (".html", ".svg", ".txt")  # what a person opens; where one thing is there twice, the first of these
NEXT = """
Next
  make serve           play the customer and the clerk yourself (`omnibus demo --serve`)
  omnibus init shop    a shop of your own: docs/quickstart.md, ten minutes, no account
  make docs            all pages, with search"""


async def gather(play: Play, checks: list[Check]) -> dict[str, Any]:
    """Gather everything as JSON values; the report is made from this."""
    ada = await play.ada()
    timeline = await play.bus.timeline(ada)
    deliveries = await play.bus.parts.store.deliveries()
    return {
        "ok": all(each.ok for each in checks),
        "checks": [{"journey": x.journey, "claim": x.claim, "ok": x.ok, "found": x.found} for x in checks],
        "timeline": [
            {"time": each.time.isoformat(), "type": each.type, "source": each.source,
             "data": {key: each.data[key] for key in TOLD if each.data.get(key)}}
            for each in timeline
        ],
        "deliveries": [
            {"id": x.id, "message": x.message, "via": list(x.via), "channel": x.channel, "provider": x.provider,
             "state": x.state.value, "reason": x.reason, "flagged": x.flagged}
            for x in reversed(deliveries)
        ],
        "files": files(play.stage.folder),
        "ledger": len(play.stage.world.entries),
        "audit": await play.bus.audit(),
        "state": str(play.stage.folder),
    }  # fmt: skip


def files(folder: Path) -> dict[str, list[str]]:
    """List what people would see, by channel."""
    shown: dict[str, list[str]] = {}
    for path in sorted((folder / "world").rglob("*")):
        if path.is_file() and path.parent != folder / "world":
            shown.setdefault(path.relative_to(folder / "world").parts[0], []).append(str(path))
    return shown


def show(console: Console, told: dict[str, Any]) -> None:
    """Print the report."""
    story = Table("when", "what happened", "", title="Ada's timeline", title_justify="left", box=None)
    for each in told["timeline"]:
        data = ", ".join(f"{key} {value}".removesuffix(":00+00:00") for key, value in each["data"].items())
        story.add_row(each["time"][5:16].replace("T", " "), each["type"], cut(data))
    console.print(story)
    table = Table(
        "message", "allowed", "went by", "state", "reason", title="\nDeliveries", title_justify="left", box=None
    )
    for each in told["deliveries"]:
        table.add_row(each["message"], " ".join(each["via"]), each["channel"], each["state"], cut(each["reason"]))
    console.print(table)
    console.print("\n[bold]Look at what they saw[/bold]")
    for channel, paths in told["files"].items():
        for path in opened(paths):
            console.print(f"  {channel:<10} {path}", soft_wrap=True, highlight=False)
    console.print()
    for each in told["checks"]:
        mark = "[green]yes[/green]" if each["ok"] else "[red]NO [/red]"
        console.print(
            f"  {mark} {each['journey']:<6}{each['claim']}" + ("" if each["ok"] else f"  (found: {each['found']})")
        )
    audit = told["audit"]
    console.print(
        f"\nAudit: {audit['accepted']} accepted = {audit['final']} final + {audit['waiting']} waiting;"
        f" {told['ledger']} things received outside; state in {told['state']}", soft_wrap=True, highlight=False,
    )  # fmt: skip
    console.print(NEXT, soft_wrap=True, highlight=False)


def cut(text: str) -> str:
    """Shorten a text, and show that it was."""
    return text if len(text) <= WIDE else f"{text[: WIDE - 1].rstrip()}…"


def opened(paths: list[str]) -> list[str]:
    """Choose the files that a person opens, each thing once."""
    best = {name: kind for kind in reversed(SEEN) for name, end in map(os.path.splitext, paths) if end == kind}
    return sorted(f"{name}{kind}" for name, kind in best.items())
