"""RFC 8188, 8291 and 8292: published vectors, and two other libraries as oracles both ways."""

import json
import os
from datetime import UTC, datetime, timedelta

import http_ece
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from omnibus_web.sealed import MAX_PLAIN, OVERHEAD, derived, public_bytes, seal, unseal
from omnibus_web.vapid import (
    LIFE,
    Voucher,
    new_private_key,
    origin,
    private_key,
    public_text,
    raw64,
    url64,
    vouched,
)

# RFC 8291 §5 and appendix A
TEXT = b"When I grow up, I want to be a watermelon"
BROWSER = private_key("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94")
BROWSER_PUBLIC = raw64("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4")
AUTH = raw64("BTBZMqHH6r4Tts7J_aSIgg")
SENDER = private_key("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")
SALT = raw64("DGv6ra1nlYgDCS1FRnbzlw")
BODY = raw64(
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A"
    "_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)

# RFC 8292 §2.4
VOUCHER = (
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6"
    "Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSH"
    "zvoD1oA"
)
VOUCHER_KEY = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_rfc_8291_both_ways() -> None:
    assert public_bytes(BROWSER) == BROWSER_PUBLIC
    assert seal(TEXT, BROWSER_PUBLIC, AUTH, own=SENDER, salt=SALT) == BODY
    assert unseal(BODY, BROWSER, AUTH) == TEXT


def test_rfc_8188_section_3_1() -> None:
    body = raw64("I1BsxtFttlv3u_Oo94xnmwAAEAAA-NAVub2qFgBEuQKRapoZu-IxkIva3MEB1PD-ly8Thjg")
    key, nonce = derived(raw64("yqdlZ-tYemfogSmv7Ws5PQ"), body[:16])
    assert (url64(key), url64(nonce)) == ("_wniytB-ofscZDh4tbSjHw", "Bcs8gkIRKLI8GeI8")
    assert AESGCM(key).decrypt(nonce, body[21:], None) == b"I am the walrus\x02"


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=MAX_PLAIN))
def test_what_we_seal_http_ece_opens_and_the_other_way_round(plain: bytes) -> None:
    own, salt = ec.generate_private_key(ec.SECP256R1()), os.urandom(16)
    body = seal(plain, BROWSER_PUBLIC, AUTH, own=own, salt=salt)
    assert len(body) == len(plain) + OVERHEAD
    assert http_ece.decrypt(body, private_key=BROWSER, auth_secret=AUTH, version="aes128gcm") == plain
    if not plain:  # http-ece makes no record of nothing
        return
    theirs = http_ece.encrypt(plain, salt=salt, private_key=own, dh=BROWSER_PUBLIC, auth_secret=AUTH)
    assert theirs == body
    assert unseal(theirs, BROWSER, AUTH) == plain


def test_what_webpush_seals_we_open() -> None:
    from webpush import WebPush
    from webpush.types import WebPushSubscription

    pem = SENDER.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = SENDER.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    keys = {"p256dh": url64(BROWSER_PUBLIC), "auth": url64(AUTH)}
    to = WebPushSubscription.model_validate({"endpoint": "https://push.example/1", "keys": keys})
    made = WebPush(private_key=pem, public_key=public, subscriber="push@example.com").get("Grüße", to)
    assert unseal(made.encrypted, BROWSER, AUTH).decode() == "Grüße"
    token, key = made.headers["authorization"].removeprefix("vapid t=").split(", k=")
    assert vouched(token, key.rstrip("="))["aud"] == "https://push.example"
    assert public_text(pem.decode()) == url64(public_bytes(SENDER))


def test_too_long_is_refused_and_the_longest_fits_a_record() -> None:
    assert len(seal(b"x" * MAX_PLAIN, BROWSER_PUBLIC, AUTH, own=SENDER, salt=SALT)) == 4096
    with pytest.raises(ValueError, match="3993"):
        seal(b"x" * (MAX_PLAIN + 1), BROWSER_PUBLIC, AUTH, own=SENDER, salt=SALT)


@pytest.mark.parametrize("at", [0, 20, 22, 86, -1])
def test_a_changed_body_is_opened_by_nobody(at: int) -> None:
    changed = bytearray(BODY)
    changed[at] ^= 1
    with pytest.raises(ValueError):
        unseal(bytes(changed), BROWSER, AUTH)
    with pytest.raises(ValueError):
        unseal(BODY[:90], BROWSER, AUTH)


def test_rfc_8292_and_its_forgeries() -> None:
    claims = {"aud": "https://push.example.net", "exp": 1453523768, "sub": "mailto:push@example.com"}
    assert vouched(VOUCHER, VOUCHER_KEY) == claims
    for token, key in (
        (VOUCHER[:-2] + "AA", VOUCHER_KEY), (VOUCHER, public_text(new_private_key())), (VOUCHER[:-4], VOUCHER_KEY),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            vouched(token, key)


@pytest.mark.parametrize(
    ("endpoint", "audience"),
    [
        ("https://fcm.googleapis.com/fcm/send/abc", "https://fcm.googleapis.com"),
        ("https://push.example:8443/x?y=1", "https://push.example:8443"),
        ("https://push.example:443/x", "https://push.example"),
        ("https://[2001:db8::1]:444/x", "https://[2001:db8::1]:444"),
    ],
)
def test_the_audience_is_the_origin_with_its_port(endpoint: str, audience: str) -> None:
    assert origin(endpoint) == audience


def test_a_token_is_kept_for_half_of_its_life_and_for_one_origin() -> None:
    voucher = Voucher(SENDER, "mailto:push@acme.example")
    header = voucher.header("https://push.example:8443/a", NOON)
    token, key = header.removeprefix("vapid t=").split(", k=")
    assert vouched(token, key) == {
        "aud": "https://push.example:8443", "exp": int((NOON + LIFE).timestamp()), "sub": "mailto:push@acme.example",
    }  # fmt: skip
    assert json.loads(raw64(token.split(".")[0])) == {"typ": "JWT", "alg": "ES256"}
    assert len(raw64(token.split(".")[2])) == 64
    assert voucher.header("https://push.example:8443/b", NOON + timedelta(hours=5)) == header
    assert voucher.header("https://push.example:8443/b", NOON + timedelta(hours=6)) != header
    assert voucher.header("https://other.example/b", NOON) != header
    assert voucher.header("https://push.example:8443/a", NOON - timedelta(days=2)) != header


@pytest.mark.parametrize(
    "text", ["", "AAAA", "not base64url!", "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----"]
)
def test_a_wrong_key_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        private_key(text)


def test_a_new_key_is_a_key() -> None:
    made = new_private_key()
    assert len(raw64(made)) == 32
    assert len(public_text(made)) == 87
    assert made != new_private_key()
