"""Who calls: published OAuth 1.0a vectors, X's own check in the sandbox, and OAuth 2 tokens that rotate."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, unquote

import pytest
from click.testing import CliRunner
from oauthlib.oauth1 import Client as Signer

from omnibus import Refused, Request, TryLater
from omnibus.testing import FakeClock, World
from omnibus_twitter import X
from omnibus_twitter.login import Login, challenge, x_login
from omnibus_twitter.oauth import signature
from omnibus_twitter.sandbox import ME, XSandbox
from omnibus_twitter.sandbox_rules import signed

NONCE, STAMP = "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg", "1318622958"
KEYS = (
    "xvz1evFS4wEEPTGEFPHBog", "kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw",
    "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb", "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE",
)  # fmt: skip
FORM = b"status=Hello%20Ladies%20%2B%20Gentlemen%2C%20a%20signed%20OAuth%20request%21"
NOW = datetime.fromtimestamp(int(STAMP)).astimezone()


def header(url: str, mac: str) -> dict[str, str]:
    told = {
        "oauth_consumer_key": KEYS[0], "oauth_nonce": NONCE, "oauth_signature": mac, "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": STAMP, "oauth_token": KEYS[2], "oauth_version": "1.0",
    }  # fmt: skip
    return {"authorization": "OAuth " + ", ".join(f'{name}="{quote(value, safe="~")}"' for name, value in told.items())}


@pytest.mark.parametrize(
    ("url", "body", "mac"),
    [
        ("https://api.x.com/1.1/statuses/update.json?include_entities=true", FORM, "Ls93hJiZbQ3akF3HF3x1Bz8/zU4="),
        (
            "https://api.twitter.com/1.1/statuses/update.json?include_entities=true",
            FORM,
            "hCtSmYh+iHYCEqBWrE7C7hYmtUk=",
        ),
        ("https://api.x.com/2/tweets", b'{"text":"x"}', "lr+tV/DKclEvXKVjG6tgaSSLV0k="),
    ],
)
def test_the_sandbox_accepts_the_published_vectors_and_nothing_else(url: str, body: bytes, mac: str) -> None:
    kind = "application/json" if body.startswith(b"{") else "application/x-www-form-urlencoded"
    request = Request("POST", url, {**header(url, mac), "content-type": kind}, body)
    assert signed(request, KEYS, NOW, set())
    nonces: set[str] = set()
    assert signed(request, KEYS, NOW, nonces)
    assert not signed(request, KEYS, NOW, nonces), "a nonce is good once"
    for place in (1, 3):
        wrong = [*KEYS]
        wrong[place] += "x"
        assert not signed(request, tuple(wrong), NOW, set())  # type: ignore[arg-type]
    assert not signed(Request("PUT", url, request.headers, body), KEYS, NOW, set())
    assert not signed(Request("POST", f"{url}?x=1", request.headers, body), KEYS, NOW, set())
    assert not signed(request, KEYS, NOW.replace(year=2026), set()), "stale"
    assert not signed(Request("POST", url, {"content-type": kind}, body), KEYS, NOW, set())


def test_our_signature_is_the_published_one(monkeypatch: pytest.MonkeyPatch, make: Any) -> None:
    monkeypatch.setattr("oauthlib.oauth1.rfc5849.generate_nonce", lambda: NONCE)
    settings = X.Settings.model_validate(
        dict(zip(("consumer_key", "consumer_secret", "access_token", "access_token_secret"), KEYS, strict=True))
        | {"user_id": "1"}
    )
    request = SimpleNamespace(url="https://api.x.com/2/tweets", method="POST", headers={}, content=b'{"text":"x"}')
    told = signature(settings, lambda: NOW)(request).headers["authorization"]
    assert unquote(told.rpartition('oauth_signature="')[2].rstrip('"')) == "lr+tV/DKclEvXKVjG6tgaSSLV0k="
    assert "body_hash" not in told


def test_both_implementations_agree_on_odd_urls() -> None:
    """oauthlib signs, the sandbox's hand-written check verifies."""
    for query in (
        "",
        "?a=b&a=a",
        "?x=%C3%A9%20~-._",
        "?empty=",
        "?start_time=2026-11-21T12%3A00%3A00Z&tweet.fields=created_at,text",
    ):
        url = f"https://API.x.com/2/users/1/tweets{query}"
        signer = Signer(KEYS[0], KEYS[1], KEYS[2], KEYS[3], timestamp=STAMP)
        _, headers, _ = signer.sign(url, http_method="GET")
        assert signed(Request("GET", url, {"authorization": headers["Authorization"]}), KEYS, NOW, set()), url


async def test_tokens_of_oauth2_are_renewed_and_kept(
    sandbox: XSandbox, world: World, keep: Any, make: Any, clock: FakeClock
) -> None:
    first = sandbox.door.rotate().copy()
    changes = {
        "access_token": "ended", "access_token_secret": "", "refresh_token": first["refresh"], "client_id": "app",
        "client_secret": "app-secret",
    }  # fmt: skip
    x = make.provider(sandbox, clock, **changes)
    assert await x.send(make.post(), "", make.attempt(), keep), "401, renewed, and sent once"
    kept = json.loads(keep.notes[f"{ME} oauth2"])
    assert (kept["access"], kept["refresh"]) == (sandbox.door.tokens["access"], sandbox.door.tokens["refresh"])
    assert kept["refresh"] != first["refresh"]
    assert len(world.of("twitter")) == 1
    other = make.provider(sandbox, clock, **changes)
    assert await other.send(make.post(text="Again"), "", make.attempt(2), keep), "another worker reads the kept pair"
    kept = json.loads(keep.notes[f"{ME} oauth2"])
    clock.set(datetime.fromtimestamp(kept["ends"] - 30, clock.now().tzinfo))
    assert await x.send(make.post(text="Later"), "", make.attempt(3), keep)
    assert json.loads(keep.notes[f"{ME} oauth2"])["access"] != kept["access"], "renewed before its end"
    await x.aclose()
    await other.aclose()


async def test_a_refused_refresh_token_stops_the_account(
    sandbox: XSandbox, keep: Any, make: Any, clock: FakeClock
) -> None:
    sandbox.door.rotate()
    x = make.provider(
        sandbox, clock, access_token="ended", access_token_secret="", refresh_token="stolen", client_id="app"
    )
    with pytest.raises(TryLater, match="token_refused") as told:
        await x.send(make.post(), "", make.attempt(), keep)
    assert told.value.account
    await x.aclose()


async def test_without_a_refresh_token_401_stops_the_account(
    sandbox: XSandbox, keep: Any, make: Any, clock: FakeClock
) -> None:
    x = make.provider(sandbox, clock, access_token="ended", access_token_secret="")
    with pytest.raises(TryLater, match="unauthorized"):
        await x.send(make.post(), "", make.attempt(), keep)
    await x.aclose()


async def test_a_renewal_outlives_the_attempt_that_wanted_it(
    sandbox: XSandbox, keep: Any, make: Any, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = sandbox.door.rotate()
    changes = {"access_token": "ended", "access_token_secret": "", "refresh_token": pair["refresh"], "client_id": "app"}
    x = make.provider(sandbox, clock, **changes)
    gate, asked = asyncio.Event(), asyncio.Event()
    real = sandbox.door.token
    answer = sandbox.answer

    async def slow(request: Request) -> Any:
        if request.path != "/2/oauth2/token":
            return await answer(request)
        asked.set()
        await gate.wait()
        return real(request)

    monkeypatch.setattr(sandbox, "answer", slow)
    tasks = [asyncio.create_task(x.send(make.post(text=f"Post {n}"), "", make.attempt(n), keep)) for n in (1, 2)]
    await asked.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    gate.set()
    await x.aclose()
    kept = json.loads(keep.notes[f"{ME} oauth2"])
    assert kept["refresh"] == sandbox.door.tokens["refresh"] != pair["refresh"], "renewed once, and kept"


# ---- the first pair


def test_the_challenge_is_the_published_one() -> None:
    assert challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_an_answer_of_another_login_is_refused() -> None:
    login = Login("app", "http://127.0.0.1/callback")
    with pytest.raises(Refused, match="another log-in"):
        login.code("http://127.0.0.1/callback?state=theirs&code=1")
    with pytest.raises(Refused, match="access_denied"):
        login.code(f"http://127.0.0.1/callback?state={login.state}&error=access_denied")
    assert login.verifier not in repr(login)


async def test_a_code_is_good_once_and_for_its_verifier_only(sandbox: XSandbox) -> None:
    login = Login("app", "http://127.0.0.1/callback")
    code = login.code(sandbox.door.authorize(login.url()))
    thief = Login("app", "http://127.0.0.1/callback")
    with pytest.raises(Refused, match="http_400"):
        await thief.exchange(code, "", sandbox.base_url)
    code = login.code(sandbox.door.authorize(login.url()))
    told = await login.exchange(code, "app-secret", sandbox.base_url)
    assert told == {
        "access_token": sandbox.door.tokens["access"],
        "refresh_token": sandbox.door.tokens["refresh"],
    }
    with pytest.raises(Refused, match="http_400"):
        await login.exchange(code, "app-secret", sandbox.base_url)


async def test_the_command_prints_the_pair(sandbox: XSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def browser(text: str, **rest: Any) -> str:
        return sandbox.door.authorize(opened[0])

    opened: list[str] = []
    real = Login.url
    monkeypatch.setattr(Login, "url", lambda login, page: opened.append(real(login, page)) or opened[0])
    monkeypatch.setattr("omnibus_twitter.login.click.prompt", browser)
    arguments = ["--client-id", "app", "--base-url", sandbox.base_url]
    told = await asyncio.to_thread(CliRunner().invoke, x_login, arguments)
    assert told.exit_code == 0, told.output
    pair = sandbox.door.tokens
    assert told.stdout == f"X_ACCESS_TOKEN={pair['access']}\nX_REFRESH_TOKEN={pair['refresh']}\n"
    monkeypatch.setattr("omnibus_twitter.login.click.prompt", lambda *_, **__: "http://127.0.0.1/callback?state=no")
    told = await asyncio.to_thread(CliRunner().invoke, x_login, arguments)
    assert told.exit_code == 1
    assert "run the command again" in told.stderr
