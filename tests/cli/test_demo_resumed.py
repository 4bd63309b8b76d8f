"""The demo, killed where chance seldom strikes: between the redemption of a code and the order it belongs to."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

DYING = """
import os, sys
from omnibus_pos import sales
redeem = sales.redemption
async def redeemed(*told):
    await redeem(*told)
    os._exit(9)
sales.redemption = redeemed
from omnibus.cli import main
main(args=["demo", "--json", "--state", sys.argv[1]], prog_name="omnibus")
"""


def test_a_till_that_died_during_the_sale_sells_the_same_basket_with_the_same_code(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    died = subprocess.run([sys.executable, "-c", DYING, state], capture_output=True, timeout=120, check=False)
    assert died.returncode == 9
    again = [sys.executable, "-m", "omnibus", "demo", "--json", "--state", state, "--resume"]
    done = subprocess.run(again, capture_output=True, text=True, timeout=120, check=False)
    told = json.loads(done.stdout)
    assert [each for each in told["checks"] if not each["ok"]] == []
    assert told["audit"]["unbalanced"] == 0
    assert done.returncode == 0
