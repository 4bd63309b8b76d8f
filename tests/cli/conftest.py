"""A shop that needs no wire: web and till only, in a folder of its own."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import pytest
from click.testing import CliRunner, Result

from omnibus.cli import main
from omnibus.cli.starter import write_starter

TOML = """
[omnibus]
zone = "Europe/London"
public_url = "https://talk.example.com"

[channels.web]
provider = "site"
origins = ["https://shop.acme.example"]

[channels.pos]
provider = "till"
terminals = { till-1 = "till-key-till-key-till-key-till-key" }

[offers.launch]
kind = "shared"
code = "HARBOUR15"
percent = 15

[offers.comeback]
percent = 15
valid = "3d"

[offers.thank-you]
percent = 10
"""

CART = {
    "id": "cart-1", "currency": "GBP", "url": "https://shop.acme.example/cart",
    "lines": [{"sku": "mug", "name": "Harbour mug", "quantity": 2, "price": "24.00"}],
}  # fmt: skip


@dataclass(frozen=True)
class Shop:
    """A folder with a configuration, and the command line over it."""

    folder: Path

    def run(self, *words: str, stdin: str | None = None) -> Result:
        """Run a command; a traceback fails the test at once."""
        result = CliRunner().invoke(main, ["-c", str(self.folder / "omnibus.toml"), *words], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def json(self, *words: str, code: int = 0) -> Any:
        """Run a command with --json and read its one document."""
        result = self.run(*words, "--json")
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    def say(self, *words: str) -> str:
        """Run a command that must work."""
        result = self.run(*words)
        assert result.exit_code == 0, result.output
        return result.stdout

    def write(self, toml: str) -> None:
        """Replace the configuration."""
        (self.folder / "omnibus.toml").write_text(toml)

    def sql(self, statement: str) -> list[Any]:
        """Reach past the command line into the store."""
        db = apsw.Connection(str(self.folder / "omnibus.db"))
        try:
            return list(db.execute(statement))
        finally:
            db.close()

    def counts(self) -> dict[str, int]:
        """Count what is stored."""
        tables = ("customer", "identity", "event", "delivery", "code", "handover", "context")
        return {name: self.sql(f"SELECT count(*) FROM {name}")[0][0] for name in tables}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    for name in [each for each in os.environ if each.startswith("OMNIBUS_")]:
        monkeypatch.delenv(name)
    made = Shop(tmp_path / "shop")
    write_starter(made.folder)
    made.write(TOML)
    return made


@pytest.fixture
def ada(shop: Shop) -> str:
    """A customer with an open cart."""
    words = ("--email", "ada@example.com", "--web", "visitor-1", "--name", "Ada", "--consent", "web")
    made = shop.json("customers", "add", *words)
    shop.say("track", made["id"], "cart.updated", json.dumps(CART), "--id", "c1")
    return str(made["id"])
