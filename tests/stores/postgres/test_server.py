"""The server that the tests start ends with them, also one that was stopped and started again."""

from __future__ import annotations

import psycopg
import pytest

from omnibus.testing.postgres import Server


@pytest.mark.parametrize("restarted", [False, True], ids=["as started", "restarted"])
def test_it_ends_when_it_is_closed(restarted: bool) -> None:
    server = Server()
    if restarted:
        server.restart()
    with psycopg.connect(server.url) as line:
        assert line.execute("SELECT 1").fetchone() == (1,)
        server.close()
        with pytest.raises(psycopg.OperationalError):
            line.execute("SELECT 1")
        line.close()
    assert not server.home.exists()
