import pytest

from omnibus.testing import FakeClock, World


class Notes:
    """Keep notes in memory."""

    def __init__(self) -> None:
        self.held = {}

    async def get(self, name):
        return self.held.get(name)

    async def set(self, name, value) -> None:
        self.held[name] = value


@pytest.fixture
def keep():
    return Notes()


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
async def world(tmp_path, clock):
    made = World(tmp_path / "world", clock.now)
    yield made
    await made.stop()
