from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from omnibus.testing import FakeDesk, World, serve
from omnibus_web import Cards, Subscriptions, public_text
from omnibus_web.channel import WebSettings
from omnibus_web.endpoints import ENDPOINTS
from omnibus_web.push_sandbox import HOST, PRIVATE_KEY
from omnibus_web.sandbox import ShopSandbox

FACE: dict[str, Any] = {
    "kind": "banner", "headline": "Ada, your boots are waiting", "body": "We kept them for you.", "offer": "15 % off",
    "code": "BACK-7Q2M", "deadline": "until 24 November", "label": "Finish your order",
    "url": "https://acme.example/cart", "image": "", "alt": "", "notes": ["Your Acme team"],
    "colours": {"ground": "#ffffff", "ink": "#1c1c1c", "action": "#1f3a5f", "on_action": "#ffffff"},
    "brand": "Acme", "locale": "en",
}  # fmt: skip


@dataclass
class Shop:
    desk: FakeDesk
    world: World
    sandbox: ShopSandbox
    root: str


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    desk = FakeDesk(facets=[Cards, Subscriptions])
    world = World(tmp_path, desk.now)
    tables = await world.start(ShopSandbox)
    table = {key: value for key, value in tables["web"].items() if key != "provider"}
    table |= {"push_key": public_text(PRIVATE_KEY), "push_hosts": [HOST]}
    desk.settings = WebSettings.model_validate(table)
    async with serve(ENDPOINTS, desk) as root:
        world.public_url = root
        yield Shop(desk, world, world.sandbox("web"), root)
        await world.stop()
