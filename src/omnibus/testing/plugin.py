"""What pytest gets: business time as a fixture, and readable failures of inherited contracts.

Nothing of the core is imported here, so a run that needs none of it pays nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from omnibus.testing.clock import FakeClock
    from omnibus.testing.desk import FakeDesk


def pytest_configure(config: pytest.Config) -> None:
    """Show the values of a contract's failed assertion, as in a test file."""
    pytest.register_assert_rewrite("omnibus.testing.contracts")


@pytest.fixture
def omnibus_clock() -> FakeClock:
    """Give business time that stands still until the test moves it."""
    from omnibus.testing.clock import FakeClock  # noqa: PLC0415 - see above

    return FakeClock()


@pytest.fixture
def omnibus_desk(omnibus_clock: FakeClock) -> FakeDesk:
    """Give a desk in memory on that clock."""
    from omnibus.testing.desk import FakeDesk  # noqa: PLC0415 - see above

    return FakeDesk(clock=omnibus_clock)
