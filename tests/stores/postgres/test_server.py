"""The server that the tests start ends with them, also one that was stopped and started again."""

from __future__ import annotations

import psutil  # type: ignore[import-untyped] # the wheel that brings the server needs it
import pytest

from omnibus.testing.postgres import PostgresServer


def running(server: PostgresServer) -> psutil.Process:
    return psutil.Process(int((server.home / "data" / "postmaster.pid").read_text().splitlines()[0]))


@pytest.mark.parametrize("restarted", [False, True], ids=["as started", "restarted"])
def test_it_ends_when_it_is_closed(restarted: bool) -> None:
    server = PostgresServer()
    if restarted:
        first = running(server)
        server.restart()
        first.wait(60)  # until the system has forgotten the process that the wheel started
    process = running(server)
    server.close()
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    assert not server.home.exists()


def test_it_ends_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    """One that was not started again is the wheel's to end; to stop it before made the demo end with an error."""
    with caplog.at_level("WARNING"):
        PostgresServer().close()
    assert caplog.text == ""
