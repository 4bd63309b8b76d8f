"""Campaigns as rows and back, and how they add up; no statement that decides anything."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta

from omnibus.model.campaign import FOREVER, PAUSED, STOPPED, Campaign, Progress, Standing
from omnibus.stores.rows import Row, dump, micros, moment
from omnibus.stores.schema import from_micros, to_micros

CAMPAIGN = (
    "name, id, message, source, launched, standing, digest, data, changed, cursor, whole, recipients, expanded,"
    " accepted, rejected, reason"
)
SKEW = timedelta(minutes=10)  # by which the clocks of two machines may differ
MOST = 1_000  # deliveries that are counted as pressing
#: `until` of a rest that is over: first what workers hold in their hands is queued again, then what it held is woken
TAKING, WAKING = 0, 1
#: … of one that lasts for ever: of a pause, or of a stop of which something waits yet; then of a stop that is done
LASTING, ENDED = to_micros(FOREVER), to_micros(FOREVER) + 1
#: whether a campaign's rest is over, and not all of its deliveries know it
ASLEEP = "EXISTS (SELECT 1 FROM pause WHERE provider='campaign:' || campaign.name)"
#: which campaigns somebody must see to
OPEN = (
    f"(standing='running' AND (whole=0 OR {ASLEEP})) OR (standing='stopped' AND EXISTS (SELECT 1 FROM pause"
    f" WHERE provider='campaign:' || campaign.name AND until={LASTING}))"
)
#: one whose list nobody is expanded from again, since before a time; and it has one yet
OVER = (
    "SELECT name FROM campaign WHERE (whole=1 OR standing='stopped') AND launched<{mark} AND coalesce(changed, launched)<{mark}"
    " AND EXISTS (SELECT 1 FROM recipient r WHERE r.campaign=campaign.name) ORDER BY launched, name LIMIT 1"
)
#: a campaign's deliveries by state and reason, from the first id on
SUMS = (
    "SELECT state, CASE WHEN state IN ('held','dropped','failed','expired') THEN reason ELSE '' END AS why, count(*)"
    " FROM delivery WHERE id>={mark} AND origin={mark} GROUP BY state, why ORDER BY 3 DESC"
)
#: states of which a campaign tells the reasons
TOLD = ("held", "dropped", "failed", "expired")


def campaign_row(each: Campaign) -> Row:
    """Write a campaign as the columns CAMPAIGN."""
    return (
        each.name, each.id, each.message, each.source, to_micros(each.launched), each.standing.value, each.digest,
        dump(each.values), micros(each.changed), each.cursor, int(each.whole), each.recipients, each.expanded,
        each.accepted, each.rejected, each.reason,
    )  # fmt: skip


def read_campaign(row: Row) -> Campaign:
    """Read the columns CAMPAIGN, and what presses and whether some sleep, if they follow."""
    return Campaign(
        name=row[0], id=row[1], message=row[2], source=row[3], launched=from_micros(row[4]), standing=Standing(row[5]),
        digest=row[6], values=json.loads(row[7]), changed=moment(row[8]), cursor=row[9], whole=bool(row[10]),
        recipients=row[11], expanded=row[12], accepted=row[13], rejected=row[14], reason=row[15],
        pressing=row[16] if len(row) > 16 else 0, asleep=len(row) > 17 and bool(row[17]),
    )  # fmt: skip


def rest_row(campaign: Campaign, standing: Standing) -> Row:
    """Write the rest of a campaign that comes to *standing*, as provider, until and reason."""
    until = TAKING if standing is Standing.RUNNING else LASTING
    return campaign.origin, until, STOPPED if standing is Standing.STOPPED else PAUSED


def first_id(campaign: Campaign) -> str:
    """Give an id below all of its deliveries' (they rise with time), so that nothing older is read to add it up."""
    millis = f"{to_micros(campaign.launched - SKEW) // 1000:012x}"
    return f"{millis[:8]}-{millis[8:]}"


def add_up(campaign: Campaign, rows: Iterable[Row]) -> Progress:
    """Add up what SUMS gave, and what was pruned since."""
    states: dict[str, int] = {}
    reasons: dict[str, dict[str, int]] = {}
    for state, why, count in rows:
        states[state] = states.get(state, 0) + count
        if state in TOLD:
            mine = reasons.setdefault(state, {})
            mine[why] = mine.get(why, 0) + count
    return Progress(campaign, states, reasons)
