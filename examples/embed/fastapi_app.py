"""The bus in a FastAPI app: `uvicorn fastapi_app:app` beside an `omnibus.toml`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from pydantic import BaseModel

import omnibus
from omnibus.server import make_app

bus = omnibus.open("omnibus.toml")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with bus:
        yield


app = FastAPI(lifespan=lifespan)


class SignUp(BaseModel):
    email: str
    name: str


@app.post("/sign-up", status_code=202)
async def signed_up(told: SignUp) -> dict[str, str]:
    customer = await bus.customers.upsert(email=told.email, name=told.name)
    await bus.send("welcome", to=customer, key=f"welcome-{customer.id}")
    return {"customer": customer.id}


app.mount("/omnibus", make_app(bus))
