"""``load``: what a file says, who wins, where each value came from, and every mistake letter by letter."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from omnibus.errors import ConfigError
from omnibus.model.offer import Offer
from omnibus.settings import Budget, QuietHours, Settings, load


@pytest.fixture
def read(tmp_path):
    def read(text: str = "", environ: dict[str, str] | None = None, **overrides) -> Settings:
        (tmp_path / "omnibus.toml").write_text(text, "utf-8")
        names = {"OMNIBUS_SECRETS_DIR": str(tmp_path / "secrets"), **(environ or {})}
        return load(tmp_path / "omnibus.toml", names, **overrides)

    return read


def said(read, text: str, environ: dict[str, str] | None = None, **overrides) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text, environ, **overrides)
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_an_empty_file_has_safe_defaults(read, tmp_path):
    settings = read()
    assert settings.omnibus.model_dump() == {
        "store": f"sqlite:{tmp_path}/omnibus.db", "brand": tmp_path / "brand.toml", "messages": tmp_path / "messages",
        "journeys": tmp_path / "journeys", "public_url": "", "key": "file:omnibus.key", "plugins": (), "zone": "",
    }  # fmt: skip
    assert settings.policy.quiet_hours == QuietHours(begin=time(21), end=time(8))
    assert settings.policy.budget == Budget(window=timedelta(days=7), points=6, costs={})
    assert settings.tracking.clicks is False
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8000)
    assert (settings.channels, settings.offers, settings.unread) == ({}, {}, ())
    assert (settings.safety.only_to, settings.safety.redirect_to, settings.policy.off) == ((), {}, ())


def test_a_whole_file(read, tmp_path):
    settings = read("""
[omnibus]
store = "sqlite:/var/omnibus.db"
public_url = "https://talk.example.com/"
plugins = ["loyalty", "./fax.py", "module:print.py"]
zone = "Europe/Berlin"
[safety]
only_to = ["*@example.com"]
redirect_to = "me@example.com"
[policy]
quiet_hours = "22:30-07:15"
budget = { window = "1d", points = 3, email = 2, my-fax = 0 }
off = ["quiet_hours"]
[channels]
sms = "twilio://sid:token@default?from=%2B1"
[channels.email]
provider = ["smtp://one", "smtp://two"]
[offers.comeback]
valid = "1h30m"
[offers.launch]
kind = "shared"
code = "GO"
percent = 15
label = "15 % off"
ends = 2026-12-24
limit = 5
""")
    core = settings.omnibus
    assert (core.store, core.public_url, core.zone) == (
        "sqlite:/var/omnibus.db",
        "https://talk.example.com",
        "Europe/Berlin",
    )
    assert (core.plugin_names, core.plugin_files) == (("loyalty",), (tmp_path / "fax.py", tmp_path / "print.py"))
    assert settings.safety.only_to == ("*@example.com",)
    assert settings.safety.redirect_to == {"email": "me@example.com"}
    assert settings.policy.quiet_hours == QuietHours(begin=time(22, 30), end=time(7, 15))
    assert settings.policy.budget == Budget(window=timedelta(days=1), points=3, costs={"email": 2, "my-fax": 0})
    assert settings.policy.off == ("quiet_hours",)
    assert settings.channels == {
        "sms": {"provider": "twilio://sid:token@default?from=%2B1"},
        "email": {"provider": ["smtp://one", "smtp://two"]},
    }
    assert settings.offers == {
        "comeback": Offer("comeback", valid=timedelta(minutes=90)),
        "launch": Offer(
            "launch", kind="shared", percent=15, label="15 % off", code="GO", limit=5,
            ends=datetime(2026, 12, 24, 23, tzinfo=UTC),  # the day's end in Berlin
        ),
    }  # fmt: skip


def test_the_later_source_wins_and_is_named(read, tmp_path):
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "omnibus_server__port").write_text("3\n")
    (secrets / "unrelated").write_text("x")
    environ = {
        "OMNIBUS_SERVER__PORT": "2", "OMNIBUS_SERVER__HOST": "0.0.0.0", "OMNIBUS_ZONE": "Europe/Paris",
        "OMNIBUS_CHANNELS__MY_FAX__AUTH_TOKEN": "t", "OMNIBUS_CHANNELS__MY_FAX__PROVIDER": '["a://", "b://"]',
        "OMNIBUS_STROE": "sqlite:x", "OMNIBUS_POLICY__BUDGET": "false", "UNRELATED": "1",
    }  # fmt: skip
    text = '[server]\nport = 1\nhost = "h"\n[channels.my-fax]\nx = 1\n[policy]\nbudget = { points = 9 }'
    settings = read(text, environ, tracking={"clicks": False}, channels__my_fax__x=2)
    assert (settings.server.port, settings.server.host, settings.omnibus.zone) == (3, "0.0.0.0", "Europe/Paris")
    assert settings.channels == {"my-fax": {"x": 2, "auth_token": "t", "provider": ["a://", "b://"]}}
    assert settings.policy.budget is None
    assert settings.unread == ("OMNIBUS_STROE",)
    given = {key: origin for key, origin in settings.origins.items() if origin != "default"}
    assert given == {
        "server.port": str(secrets / "omnibus_server__port"), "server.host": "OMNIBUS_SERVER__HOST",
        "omnibus.zone": "OMNIBUS_ZONE", "channels.my-fax.x": "argument", "tracking.clicks": "argument",
        "channels.my-fax.auth_token": "OMNIBUS_CHANNELS__MY_FAX__AUTH_TOKEN",
        "channels.my-fax.provider": "OMNIBUS_CHANNELS__MY_FAX__PROVIDER", "policy.budget": "OMNIBUS_POLICY__BUDGET",
    }  # fmt: skip
    assert settings.origins["policy.quiet_hours"] == "default"


def test_a_table_over_a_switch_and_back(read):
    assert read("[policy]\nbudget = false", policy={"budget": {"points": 2}}).policy.budget == Budget(points=2)
    assert read("[policy]\nquiet_hours = false").policy.quiet_hours is None
    assert read("", store="postgresql://db/omnibus").omnibus.store == "postgresql://db/omnibus"


def test_the_store_may_be_a_secret(read):
    settings = read('[omnibus]\nstore = "env:DB"', {"DB": "postgresql://u:geheim@db/o"})
    assert settings.omnibus.store == "postgresql://u:geheim@db/o"
    assert settings.shown()["omnibus"]["store"] == "env:DB"


def test_shown_hides_secrets_and_keeps_what_was_written(read, tmp_path):
    settings = read(
        """
[omnibus]
store = "postgresql://u:geheim@db/o?sslkey=abc"
brand = "b.toml"
[policy]
budget = { window = "36h", points = 3 }
[channels.email]
provider = ["smtp://ada:geheim@h:25", "resend://re_123@default"]
password = "geheim"
auth_token = "env:T"
nested = { api_key = "geheim", from = "a@example.com" }
""",
        {"T": "geheim"},
    )
    shown = settings.shown()
    assert shown["omnibus"] == {
        "store": "postgresql://u:••••@db/o?sslkey=••••", "brand": "b.toml", "messages": f"{tmp_path}/messages",
        "journeys": f"{tmp_path}/journeys", "public_url": "", "key": "file:omnibus.key", "plugins": [], "zone": "",
    }  # fmt: skip
    assert shown["policy"] == {"quiet_hours": "21:00-08:00", "budget": {"window": "36h", "points": 3}, "off": []}
    assert shown["channels"]["email"] == {
        "provider": ["smtp://ada:••••@h:25", "resend://••••@default"], "password": "••••", "auth_token": "env:T",
        "nested": {"api_key": "••••", "from": "a@example.com"},
    }  # fmt: skip
    for text in (repr(settings), str(settings), repr(settings.omnibus), repr(settings.safety), str(shown)):
        assert "geheim" not in text
    assert repr(settings) == "Settings(omnibus.toml)"


def test_a_channel_gets_its_secrets(read, tmp_path):
    (tmp_path / "t.txt").write_text("from file\n")
    text = '[channels.sms]\nprovider = "twilio"\ntoken = "env:T"\nother = ["file:t.txt", 1]\ndeep = { x = "env:T" }'
    settings = read(text, {"T": "from env"})
    assert settings.channel("sms") == {
        "provider": "twilio", "token": "from env", "other": ["from file", 1], "deep": {"x": "from env"},
    }  # fmt: skip
    with pytest.raises(ConfigError, match=r"^omnibus.toml: there is no \[channels.smss\]; did you mean `sms`\?$"):
        settings.channel("smss")
    with pytest.raises(ConfigError) as caught:
        read('[channels.sms]\ntoken = "env:T"').channel("sms")
    assert str(caught.value) == "omnibus.toml [channels.sms] token: the environment variable T is not set; set T"
    with pytest.raises(ConfigError) as caught:
        read('[channels.sms]\ntoken = "file:nowhere"').channel("sms")
    assert str(caught.value) == (
        "omnibus.toml [channels.sms] token: the file nowhere cannot be read; create it, or mend the path"
    )


SAID = {
    "[omnibus]\nstroe = 1": "omnibus.toml [omnibus]: unknown key `stroe`; did you mean `store`?",
    "[polcy]": "omnibus.toml: unknown section [polcy]; did you mean [policy]?",
    "[server]\nport = 'geheim'": "omnibus.toml [server]: `port` must be a whole number",
    "[server]\nport = 70000": "omnibus.toml [server]: `port` must be at most 65535",
    "[tracking]\nclicks = 'geheim'": "omnibus.toml [tracking]: `clicks` must be true or false",
    "[tracking]\nzzz = 1": "omnibus.toml [tracking]: unknown key `zzz`; known are clicks",
    "[policy]\nquiet_hours = '21-8'": (
        "omnibus.toml [policy]: `quiet_hours` must be two different times such as 21:00-08:00, or false"
    ),
    "[policy]\nquiet_hours = '24:00-08:00'": (
        "omnibus.toml [policy]: `quiet_hours` must be two different times such as 21:00-08:00, or false"
    ),
    "[policy.budget]\nwindow = 7": "omnibus.toml [policy.budget]: `window` must be a duration such as 3d, 90m or 1h30m",
    "[policy.budget]\npoints = -1": "omnibus.toml [policy.budget]: `points` must be at least 0",
    "[policy.budget]\nemial = 1\n[channels.email]": (
        "omnibus.toml [policy.budget]: unknown key `emial`; did you mean `email`?"
    ),
    "[omnibus]\nstore = 'mysql://geheim'": "omnibus.toml [omnibus]: `store` must be sqlite:PATH or postgresql://…",
    "[omnibus]\nstore = 'sqlite:'": "omnibus.toml [omnibus]: `store` must be sqlite:PATH or postgresql://…",
    "[omnibus]\npublic_url = 'talk.example.com'": (
        "omnibus.toml [omnibus]: `public_url` must be a web address such as https://talk.example.com"
    ),
    "[omnibus]\nzone = 'Mars/North'": "omnibus.toml [omnibus]: `zone` must be a time zone such as Europe/London",
    "[omnibus]\nzone = '../etc/passwd'": "omnibus.toml [omnibus]: `zone` must be a time zone such as Europe/London",
    "[safety]\nredirect_to = 'me'": (
        'omnibus.toml [safety]: `redirect_to` must name the kind, e.g. { email = "me@example.com" }'
    ),
    "[offers.x]\nkind = 'sharde'": 'omnibus.toml [offers.x]: `kind` must be "personal" or "shared"',
    "[offers.x]\nkind = 'shared'": "omnibus.toml [offers.x]: needs a `code`, because it is shared",
    "[offers.x]\ncode = 'GO'": 'omnibus.toml [offers.x]: has a `code` of its own, so it must be `kind = "shared"`',
    "[offers.x]\nlimit = 3": (
        "omnibus.toml [offers.x]: must have no `limit`, because a personal code is redeemed once anyway"
    ),
    "[offers.x]\nprecent = 3": "omnibus.toml [offers.x]: unknown key `precent`; did you mean `percent`?",
    "[offers.x]\npercent = 101": "omnibus.toml [offers.x]: `percent` must be at most 100",
    "[offers.x]\nends = 2026-12-24T10:00:00": (
        "omnibus.toml [offers.x]: `ends` needs an offset from UTC, e.g. 2026-11-30T23:59:59+01:00"
    ),
    "[offers]\nx = 1": "omnibus.toml [offers.x]: must be a table",
    "[channels]\nx = 1": "omnibus.toml [channels.x]: must be a table",
    "omnibus = 3": "omnibus.toml [omnibus]: must be a table",
    "[omnibus]\nplugins = 3": "omnibus.toml [omnibus]: `plugins` must be a list",
    "store = 1": "omnibus.toml: unknown section [store]; known are channels, keep, offers, omnibus, policy, safety, server, tracking",
    "[omnibus": (
        "omnibus.toml: not readable as TOML: Expected ']' at the end of a table declaration (at end of document)"
    ),
    "[server]\nport = 'x'\nhots = 'y'": (
        "omnibus.toml [server]: `port` must be a whole number\n"
        "omnibus.toml [server]: unknown key `hots`; did you mean `host`?"
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", SAID)
def test_mistakes_are_said_letter_by_letter(read, text):
    assert said(read, text) == SAID[text]
    assert "geheim" not in said(read, text)


def test_a_mistake_names_its_source(read):
    assert said(read, "", {"OMNIBUS_SERVER__PORT": "x"}) == "OMNIBUS_SERVER__PORT: `port` must be a whole number"
    assert said(read, "", {"OMNIBUS_SERVER__PROT": "1"}) == (
        "OMNIBUS_SERVER__PROT: unknown key `prot`; did you mean `port`?"
    )
    assert said(read, "", server={"port": "x"}) == "argument [server]: `port` must be a whole number"
    assert said(read, "", stroe=1) == "argument: unknown key `stroe`; did you mean `store`?"
    assert said(read, '[omnibus]\nstore = "env:NOT_SET"') == (
        "omnibus.toml [omnibus] store: the environment variable NOT_SET is not set; set NOT_SET"
    )


def test_no_file(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert str(caught.value) == f"there is no omnibus.toml in {tmp_path.name}; `omnibus init` makes one"


def test_a_folder_stands_for_its_file(tmp_path):
    (tmp_path / "omnibus.toml").write_text("")
    assert load(tmp_path, {}).path == Path(tmp_path / "omnibus.toml")


def test_what_is_not_utf8(tmp_path):
    (tmp_path / "omnibus.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"^omnibus.toml: not readable as TOML: UnicodeDecodeError$"):
        load(tmp_path, {})
