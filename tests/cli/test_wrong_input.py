"""Wrong input of every kind: the place and the fix on stderr, exit code 2, nothing stored."""

from __future__ import annotations

import json

import pytest

from .conftest import CART, TOML, Shop

BAD_LINES = json.dumps({**CART, "lines": [{"sku": "mug", "quantity": "many", "price": "x"}]})

#: arguments → words that must stand on stderr
WRONG = [
    (["customers", "show", "nobody"], "no customer nobody"),
    (["customers", "show", "email:nobody@example.com"], "no customer with this email"),
    (["customers", "show", "phone:12"], "phone: not a phone number; write it with its country"),
    (["customers", "add", "--phone", "020 7946 0000"], "phone: not a phone number"),
    (["customers", "add", "--email", "ada"], "email: not an email address"),
    (["customers", "add", "--email", "new@example.com", "--phone", "0"], "phone: not a phone number"),
    (["customers", "add", "--email", "new@example.com", "--zone", "Europe/Lodnon"], "zone"),
    (
        ["customers", "add", "--email", "new@example.com", "--consent", "wbe"],
        "unknown channel `wbe`; did you mean `web`?",
    ),
    (["customers", "add", "--email", "new@example.com", "--prefers", "fax"], "--prefers: unknown channel `fax`"),
    (["customers", "add"], "a customer needs an identity; give --email"),
    (["track", "nobody", "product.viewed", '{"sku": "mug"}'], "no customer nobody"),
    (["track", "ADA", "product.veiwed"], "unknown event type `product.veiwed`; did you mean `product.viewed`?"),
    (["track", "ADA", "product.viewed", "{sku"], "DATA: not JSON at line 1, column 2"),
    (["track", "ADA", "product.viewed", "[1]"], "DATA: must be a JSON object"),
    (["track", "ADA", "product.viewed", '{"price": NaN}'], "DATA: not JSON"),
    (["track", "ADA", "cart.updated", BAD_LINES], "error: "),
    (["track", "ADA", "cart.updated", '{"lines": 3}'], "`lines` must be a list"),
    (["track", "ADA", "cart.updated", '{"lines": [{"sku": "mug", "price": "NaN"}]}'], "lines[0]: a line needs sku"),
    (["track", "ADA", "order.placed", "{}"], "`id` is missing or no text"),
    (["track", "ADA", "order.placed", '{"id": "o", "total": "abc"}'], "`total` must be an amount"),
    (["track", "ADA", "order.placed", '{"id": "o", "total": 1e400}'], "`total` must be an amount"),
    (["track", "ADA", "product.viewed", "{}"], "`sku` is missing or no text"),
    (["track", "ADA", "product.viewed", '{"sku": "\\ud800"}'], "the data cannot be written as JSON"),
    (["track", "ADA", "consent.granted", '{"channel": "web"}'], "`purpose` is missing or no text"),
    (["track", "ADA", "customer.merged", '{"merged": "bob"}'], "only the bus itself writes `customer.merged`"),
    (["track", "ADA", "message.sent"], "only the bus itself writes `message.sent`"),
    (["customers", "add", "--id", "public:web:acme", "--email", "new@example.com"], "id: this id cannot be"),
    (["customers", "add", "--id", "a\0b", "--email", "new@example.com"], "id: this id cannot be a customer's"),
    (["track", "ADA", "product.viewed", "--at", "tomorrow"], "--at: not a time; write it with its offset"),
    (["track", "ADA", "product.viewed", "--at", "2026-11-01T10:00:00"], "--at: the time has no offset"),
    (["send", "cart-remainder", "ADA"], "no message `cart-remainder`; did you mean `cart-reminder`?"),
    (["send", "cart-reminder", "nobody"], "no customer nobody"),
    (["send", "cart-reminder", "ada@example.com"], "write its kind before it, as in email:… or phone:…"),
    (["campaign", "start", "welcome", "--to", "nobody"], "no customer nobody"),
    (["send", "cart-reminder", "ADA", "--set", "price"], "--set: not a pair; write it as --set name=value"),
    (["send", "cart-reminder", "ADA", "--set", "key=x"], "--set: the name `key` is taken"),
    (["send", "cart-reminder", "ADA", "--values", "3"], "--values: must be a JSON object"),
    (["send", "cart-reminder", "ADA", "--at", "x"], "--at: not a time"),
    (["publish", "nothing"], "there is no message `nothing`"),
    (["publish", "launch-post", "--via", "twiter"], "--via: unknown channel with a public `twiter`"),
    (["preview", "cart-remainder", "ADA"], "did you mean `cart-reminder`?"),
    (["preview", "cart-reminder", "nobody"], "no customer nobody"),
    (["why", "0190"], "no delivery 0190"),
    (["timeline", "nobody"], "no customer nobody"),
    (["timeline", "ADA", "--last", "0"], "--last"),
    (["deliveries", "--state", "snet"], "unknown state `snet`; did you mean `sent`?"),
    (["deliveries", "--customer", "nobody"], "no customer nobody"),
    (["rebuild", "nobody"], "no customer nobody"),
    (["merge", "ADA", "ADA"], "one customer already"),
    (["merge", "ADA", "nobody"], "no customer nobody"),
    (["unmerge", "ADA"], "is not merged into anybody"),
    (["redeem", "HARBOUR15"], "Missing option '--basket'"),
    (["redeem", "HARBOUR15", "--basket", "b", "--customer", "nobody"], "no customer nobody"),
    (["handover"], "give either a customer or --claim TOKEN"),
    (["handover", "--claim", "ABCD"], "this hand-over code is unknown or expired"),
    (["handover", "nobody"], "no customer nobody"),
    (["serve", "--host", "256.0.0.1", "--port", "0"], "256.0.0.1:0: cannot listen"),
    (["nonsense"], "No such command 'nonsense'"),
]


def test_it_is_named_and_nothing_is_stored(shop: Shop, ada: str):
    before = shop.counts()
    for words, expected in WRONG:
        result = shop.run(*[ada if each == "ADA" else each for each in words])
        assert (words, result.exit_code) == (words, 2), result.output
        assert expected in result.stderr, (words, result.stderr)
        assert result.stdout == "", words
        assert "Traceback" not in result.stderr
    assert shop.counts() == before


def test_the_same_key_for_something_else(shop: Shop, ada: str):
    shop.say("send", "cart-reminder", ada, "--key", "k")
    result = shop.run("send", "cart-reminder-2", ada, "--key", "k")
    assert (result.exit_code, result.stderr) == (2, "error: the key `send:k` was used for something else\n")
    assert shop.counts()["delivery"] == 3


def test_no_address_comes_back_in_an_error(shop: Shop, ada: str):
    for words in (
        ["customers", "show", "email:secret@example.com"],
        ["customers", "show", "secret@example.com"],
        ["customers", "add", "--phone", "07700900123"],
    ):
        result = shop.run(*words)
        assert result.exit_code == 2
        assert "secret@" not in result.output
        assert "07700900123" not in result.output


CONFIGS = [
    ("[omnibus]\nstoer = 'x'\n", "omnibus.toml [omnibus]: unknown key `stoer`; did you mean `store`?"),
    ("[omnibus\n", "omnibus.toml: not readable as TOML: "),
    ("[chanels.web]\n", "unknown section [chanels]; did you mean [channels]?"),
    (TOML.replace('"site"', '"sitte"'), "no provider `sitte` for this channel; did you mean `site`?"),
    (TOML.replace('"site"', "3"), "[channels.web]: `provider` must be a text or a list of texts; write provider = "),
    (TOML.replace('"site"', "[]"), "[channels.web]: `provider` must be a text or a list of texts"),
    (TOML.replace('"site"', '"site://user:s3cret@[::1"'), "[channels.web] provider: the provider's address cannot be"),
    (TOML.replace('"site"', '"site://h:port"'), "[channels.web] provider: the provider's address cannot be read"),
    (TOML.replace("origins", "orgins"), "unknown key `orgins`; did you mean `origins`?"),
    (TOML.replace('"till-key-till-key-till-key-till-key"', '"env:NO_SUCH_KEY"'), "variable NO_SUCH_KEY is not set"),
    (
        TOML + '\n[channels.fax]\nprovider = "acme"\n',
        "no installed plugin brings this channel; `pip install omnibus-fax`",
    ),
    (TOML + "\n[policy]\noff = ['budgte']\n", "unknown policy `budgte`; did you mean `budget`?"),
]


@pytest.mark.parametrize(("toml", "expected"), CONFIGS, ids=range(len(CONFIGS)))
def test_configuration(shop: Shop, toml: str, expected: str):
    shop.write(toml)
    result = shop.run("config", "check")
    assert (result.exit_code, result.stdout) == (2, "")
    assert expected in result.stderr
    told = shop.json("config", "check", code=2)
    assert told["ok"] is False
    assert any(expected in each for each in told["mistakes"])
    if "pip install" not in expected:  # a missing plugin stops nobody else: test_a_missing_plugin_…
        result = shop.run("send", "cart-reminder", "email:ada@example.com")
        assert result.exit_code == 2
        assert expected in result.stderr
    assert not (shop.folder / "omnibus.db").exists()


def test_all_mistakes_of_a_configuration_at_once(shop: Shop):
    shop.write(TOML.replace("origins", "orgins").replace('"till"', '"tlil"'))
    (shop.folder / "messages" / "welcome.md").write_text("---\npurpse: marketing\n---\n# Hello\n")
    stderr = shop.run("config", "check").stderr
    for words in ("[channels.web]: unknown key `orgins`", "[channels.pos]: no provider `tlil`", "messages/welcome.md"):
        assert words in stderr


def test_what_the_configuration_names_is_there(shop: Shop):
    named = '[omnibus]\nplugins = ["./nofax.py"]\nmessages = "mesages"\njourneys = "journeys"'
    shop.write(TOML.replace("[omnibus]", named))
    stderr = shop.run("config", "check").stderr
    assert "error: the plugin nofax cannot be used: PluginError: the file nofax.py is not there" in stderr
    assert "error: [omnibus] messages: there is no folder mesages; make it, or name the one that is meant" in stderr
    assert "[omnibus] journeys" not in stderr


def test_there_is_no_configuration(shop: Shop):
    (shop.folder / "omnibus.toml").unlink()
    for words in (["customers", "list"], ["work"], ["serve"], ["channels"], ["plugins"], ["config", "show"], ["audit"]):
        result = shop.run(*words)
        assert (words, result.exit_code) == (words, 2)
        assert result.stderr == "error: there is no omnibus.toml in shop; `omnibus init` makes one\n"


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("messages/welcome.md", "---\npurpse: marketing\n---\n# Hello\n", "messages/welcome.md:2: unknown key"),
        ("messages/welcome.md", "---\npurpose: marketing\n---\n# Hello {{ nobody \n", "messages/welcome.md:4: the template"),
        ("journeys/welcome.yaml", "version: 1\ntrigger: {event: customer.identified}\nsteps:\n  - sned: welcome\n", "journeys/welcome.yaml"),
        ("journeys/welcome.yaml", "version: 1\ntrigger: {event: customer.identified}\nsteps:\n  - send: nothing\n", "journeys/welcome.yaml"),
        ("brand.toml", "nmae = 'Acme'\n", "brand.toml"),
        ("messages/welcome.md", "---\npurpose: &a [*a]\n---\n# Hello\n", "messages/welcome.md:2: it holds itself"),
        ("journeys/welcome.yaml", "[" * 3_000, "journeys/welcome.yaml:1: nested too deep"),
    ],
    ids=["unknown key", "template", "unknown step", "unknown message", "brand", "circle", "depth"],
)  # fmt: skip
def test_files_of_the_shop(shop: Shop, path: str, text: str, expected: str):
    (shop.folder / path).write_text(text)
    for words in (["config", "check"], ["customers", "add", "--email", "ada@example.com"]):
        result = shop.run(*words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert expected in result.stderr
    assert not (shop.folder / "omnibus.db").exists()


def test_trouble_of_the_store_is_3(shop: Shop):
    (shop.folder / "omnibus.db").write_bytes(b"this is no database" * 400)
    for words in (["customers", "list"], ["send", "welcome", "email:ada@example.com"], ["audit"]):
        result = shop.run(*words)
        assert (words, result.exit_code) == (words, 3)
        assert result.stderr.startswith("error: the store cannot be opened: ")
        assert "Traceback" not in result.stderr
