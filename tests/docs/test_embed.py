"""The embedding that the page shows, over ASGI: one app, the bus mounted in it, webhooks with the URL that was signed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from omnibus import Request, Response

from .conftest import ROOT


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / "embed" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("public_url", ["https://shop.example.com/omnibus", ""])
async def test_starlette(shop: Path, public_url: str):
    file = shop / "omnibus.toml"
    file.write_text(file.read_text().replace("[omnibus]", f'[omnibus]\npublic_url = "{public_url}"', 1))
    module, seen = example("starlette_app"), []

    async def receive(channel: str, scheme: str, request: Request) -> Response:
        seen.append((channel, scheme, request.url))
        return Response(204)

    module.bus.receive = receive
    transport = httpx.ASGITransport(app=module.app)
    async with module.lifespan(module.app), httpx.AsyncClient(transport=transport, base_url="https://inner") as client:
        signed_up = await client.post("/sign-up", json={"email": "ada@example.com", "name": "Ada"})
        healthy = await client.get("/omnibus/health")
        hooked = await client.post("/omnibus/hooks/web/site?attempt=1")
        timeline = await module.bus.timeline("email:ada@example.com")
    assert (signed_up.status_code, healthy.text, hooked.status_code) == (202, "ok", 204)
    assert "customer.identified" in [each.type for each in timeline]
    base = public_url or "https://inner/omnibus"
    assert seen == [("web", "site", f"{base}/hooks/web/site?attempt=1")]
