"""The rule for every run: with ``OMNIBUS_NO_SKIP=1`` a skipped test makes the run fail, so that nothing hides."""

from __future__ import annotations

import os

import pytest

_skipped: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember what was skipped."""
    if report.skipped:
        _skipped.append(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Remember modules that were skipped whole."""
    if report.skipped:
        _skipped.append(report.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run."""
    if _skipped and os.environ.get("OMNIBUS_NO_SKIP") == "1":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name them."""
    if _skipped and os.environ.get("OMNIBUS_NO_SKIP") == "1":
        terminalreporter.section("skipped, and OMNIBUS_NO_SKIP=1", red=True)
        for each in _skipped:
            terminalreporter.line(each)
