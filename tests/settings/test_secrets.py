"""Keys and masks."""

import base64

import pytest

from omnibus.errors import ConfigError
from omnibus.settings import load, make_key, mask


def test_a_key_is_made_once_and_read_back(tmp_path):
    (tmp_path / "omnibus.toml").write_text("")
    assert make_key(tmp_path / "omnibus.key") is True
    key = load(tmp_path, {}).read_key()
    assert len(key) == 32
    assert make_key(tmp_path / "omnibus.key") is False
    assert load(tmp_path, {}).read_key() == key
    assert (tmp_path / "omnibus.key").stat().st_mode & 0o777 == 0o600


def test_a_key_from_the_environment(tmp_path):
    (tmp_path / "omnibus.toml").write_text('[omnibus]\nkey = "env:MASTER"')
    key = bytes(range(32))
    assert load(tmp_path, {"MASTER": base64.b64encode(key).decode()}).read_key() == key
    assert load(tmp_path, {"OMNIBUS_KEY": base64.urlsafe_b64encode(key).decode()}).read_key() == key


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "the key file omnibus.key is not there"),
        ({"OMNIBUS_KEY": "not base64!"}, "the key is not base64"),
        ({"OMNIBUS_KEY": "AAAA"}, "the key has fewer than 32 bytes"),
    ],
)
def test_bad_keys(tmp_path, environ, said):
    (tmp_path / "omnibus.toml").write_text("")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, environ).read_key()
    assert str(caught.value) == f"omnibus.toml [omnibus] key: {said}; `omnibus init` makes one"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("auth_token", "abc", "••••"),
        ("password", "env:P", "env:P"),
        ("Password", "", ""),
        ("port", 25, 25),
        ("provider", "smtp://u:p@ss@h", "smtp://u:••••@h"),
        ("provider", "smtp://u@h", "smtp://u@h"),
        ("provider", "sendgrid://SG.x@default", "sendgrid://••••@default"),
        ("url", "https://h/x?api_token=1&a=2#f", "https://h/x?api_token=••••&a=2#f"),
        ("from", "Acme <a@example.com>", "Acme <a@example.com>"),
        ("terminals", {"till-1": "k", "secret": ["x", "file:y"]}, {"till-1": "k", "secret": ["••••", "file:y"]}),
    ],
)
def test_masks(name, value, shown):
    assert mask(name, value) == shown
