import pytest

from omnibus.testing import FakeClock, FakeKeep, World


@pytest.fixture
def keep():
    return FakeKeep()


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
async def world(tmp_path, clock):
    made = World(tmp_path / "world", clock.now)
    yield made
    await made.stop()
