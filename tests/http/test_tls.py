"""TLS: who is trusted, for which name, and that a lost answer is one under TLS as well."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from omnibus import TryLater, Unknown
from omnibus.http import Client, lines
from omnibus.http.lines import _tls

from .conftest import OK, Line, certificate, hurry, served


@pytest.fixture
def vouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pem = certificate(tmp_path)
    monkeypatch.setattr("omnibus.http.lines._tls", lambda: ssl.create_default_context(cafile=str(pem)))
    return pem


def test_certificates_and_names_are_checked() -> None:
    context = _tls()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


async def test_a_trusted_server_is_spoken_to_on_one_kept_connection(vouched: Path) -> None:
    connections = 0

    async def talk(line: Line) -> None:
        nonlocal connections
        connections += 1
        while True:
            await line.asked()
            await line.say(OK)

    async with served(talk, vouched) as url:
        client = Client(url)
        for number in range(3):
            assert (await client.request("POST", "/x", json={"n": number})).body == b"ok"
        await client.aclose()
        assert connections == 1


@pytest.mark.parametrize("case", ["another name", "expired", "nobody vouches"])
async def test_who_is_not_trusted_gets_nothing(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    pem = certificate(tmp_path, days=-1 if case == "expired" else 1)
    if case != "nobody vouches":
        monkeypatch.setattr("omnibus.http.lines._tls", lambda: ssl.create_default_context(cafile=str(pem)))

    async def talk(line: Line) -> None:
        asked.append(await line.asked())

    made, usual = list[None](), lines.Lines._made

    async def counted(self: lines.Lines, origin: Any) -> Any:
        made.append(None)
        return await usual(self, origin)

    monkeypatch.setattr(lines.Lines, "_made", counted)
    async with served(talk, pem) as url:
        client = Client(url.replace("localhost", "127.0.0.1") if case == "another name" else url)
        with pytest.raises(TryLater, match="not_connected"):
            await client.request("POST", "/x", json={})
        await client.aclose()
    assert asked == []
    assert len(made) == 1, "asked again, it would say the same"


@pytest.mark.parametrize("case", ["closed", "cut", "half", "hangs"])
async def test_a_lost_answer_is_lost_under_tls_too(case: str, vouched: Path) -> None:
    asked = []

    async def talk(line: Line) -> None:
        await line.asked()
        await line.say(OK)
        asked.append(await line.asked())
        if case == "cut":
            line.writer.transport.abort()
        elif case == "half":
            await line.say(OK[:-1])
        elif case == "hangs":
            await line.gone()

    async with served(talk, vouched) as url:
        client = Client(url)
        await client.request("GET", "/first")
        hurry(client, 0.4 if case == "hangs" else 10)
        with pytest.raises(Unknown, match="deadline" if case == "hangs" else "answer_lost"):
            await client.request("POST", "/x", json={})
        await client.aclose()
    assert len(asked) == 1
