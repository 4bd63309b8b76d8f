"""A worker that is killed for real (SIGKILL) in the middle of publishing; its successor goes on over the same disk."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from omnibus import Receipt

#: publishes in a process of its own, and kills itself before the given note is written
WORKER = """
import asyncio, json, os, signal, sys
from pathlib import Path
from omnibus.testing import FakeClock, sample_attempt, sample_context, sample_draft
from omnibus_instagram import Graph, Posts

table, path, fatal = json.loads(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]

class Keep:
    async def get(self, name):
        return json.loads(path.read_text()).get(name) if path.exists() else None

    async def set(self, name, value):
        if name.startswith(fatal):
            os.kill(os.getpid(), signal.SIGKILL)
        path.write_text(json.dumps({**(json.loads(path.read_text()) if path.exists() else {}), name: value}))

async def main():
    clock = FakeClock()
    graph = Graph(Graph.Settings(**table), now=clock.now)
    content = Posts().compose(sample_draft("instagram", "public"), None, sample_context())
    await graph.send(content, "", sample_attempt(1, started=clock.now(), deadline=60), Keep())

asyncio.run(main())
"""


@pytest.mark.parametrize(("fatal", "containers"), [("since:", 1), ("container:", 2), ("media:", 1)])
async def test_a_killed_worker_neither_repeats_nor_loses_the_post(shop, fatal, containers):
    table = {name: value for name, value in shop.table.items() if name != "provider"}
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKER, json.dumps(table), str(shop.keep.path), fatal, env={"PYTHONPATH": _path()}
    )
    assert await worker.wait() == -9
    await shop.restart()
    found = await shop.graph.lookup(shop.attempt(), "", shop.keep)
    if not isinstance(found, Receipt):
        found = await shop.publish(attempt=shop.attempt(1, id="another"))
    (post,) = shop.received("post")
    assert found.provider_id == post.id
    assert len(shop.received("container")) == containers


def _path() -> str:
    return ":".join(each for each in sys.path if each and Path(each).is_dir())
