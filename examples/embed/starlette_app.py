"""The bus in a Starlette app: `uvicorn starlette_app:app` beside an `omnibus.toml`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

import omnibus
from omnibus.server import make_app

bus = omnibus.open("omnibus.toml")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with bus:
        yield


async def signed_up(request: Request) -> JSONResponse:
    told = await request.json()
    customer = await bus.customers.upsert(email=told["email"], name=told["name"])
    await bus.send("welcome", to=customer, key=f"welcome-{customer.id}")
    return JSONResponse({"customer": customer.id}, status_code=202)


app = Starlette(
    lifespan=lifespan,
    routes=[Route("/sign-up", signed_up, methods=["POST"]), Mount("/omnibus", make_app(bus))],
)
