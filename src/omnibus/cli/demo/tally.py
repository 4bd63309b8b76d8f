"""What a replay amounts to: handed over by channel, and what each policy stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from omnibus.cli.demo.stage import Stage
from omnibus.model.delivery import State

WENT = {State.SENT, State.DELIVERED, State.OPENED, State.CLICKED, State.REPLIED, State.BOUNCED, State.WITHDRAWN}


async def tally(stage: Stage) -> dict[str, Any]:
    """Count from the store; held ones are counted by what was ever held, not by what still is."""
    store = stage.bus.parts.store
    deliveries = await store.deliveries(last=10_000_000)
    handed = Counter(each.channel for each in deliveries if each.state in WENT)
    reasons = Counter[str]()
    for each in deliveries:
        if each.state is State.DROPPED:
            for word in ("premise", "consent", "budget", "out of reach"):
                reasons[word] += word in each.reason
    held = Counter[str]()
    for page in [page async for page in store.customers()]:
        for customer in page:
            for event in await stage.bus.timeline(customer):
                if event.type == "message.held":
                    held["quiet hours" if "quiet" in event.data["reason"] else "budget"] += 1
    return {
        "deliveries": len(deliveries), "handed_over": dict(sorted(handed.items())),
        "states": dict(Counter(each.state.value for each in deliveries).most_common()),
        "dropped_by_premise": reasons["premise"], "dropped_by_consent": reasons["consent"],
        "held_by_quiet_hours": held["quiet hours"], "stopped_by_budget": reasons["budget"] + held["budget"],
        "out_of_reach": reasons["out of reach"], "ledger": len(stage.world.entries), "audit": await stage.bus.audit(),
    }  # fmt: skip


def expected(told: Mapping[str, Any], expect: Mapping[str, Any]) -> list[str]:
    """List what the map expected and did not happen often enough."""
    lacking = []
    for key, least in expect.items():
        if isinstance(least, Mapping):
            lacking += [
                f"{key} {name}: {told[key].get(name, 0)} < {n}"
                for name, n in least.items()
                if told[key].get(name, 0) < n
            ]
        elif told[key] < least:
            lacking.append(f"{key}: {told[key]} < {least}")
    return lacking


def show_tally(console: Console, told: Mapping[str, Any]) -> None:
    """Print it."""
    table = Table(
        "what", "how many", title=f"{told['deeds']} events of {told['people']} people", title_justify="left", box=None
    )
    for key in ("dropped_by_premise", "dropped_by_consent", "held_by_quiet_hours", "stopped_by_budget", "out_of_reach"):
        table.add_row(key.replace("_", " "), str(told[key]))
    for channel, count in told["handed_over"].items():
        table.add_row(f"handed over on {channel}", str(count))
    console.print(table)
    audit = told["audit"]
    console.print(
        f"Audit: {audit['accepted']} accepted = {audit['final']} final + {audit['waiting']} waiting;"
        f" {told['ledger']} things received outside; state in {told['state']}", soft_wrap=True, highlight=False,
    )  # fmt: skip
    for each in told["lacking"]:
        console.print(f"[red]lacking[/red] {each}")
