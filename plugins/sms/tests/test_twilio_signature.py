"""Vectors: computed with the vendor's SDK, PyPI twilio 9.13.0 (see ``oracles/twilio.json``)."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlencode

import pytest

from omnibus import Forged, Request
from omnibus_sms.twilio_signature import sign, verify

FORM = [
    ("CallSid", "CA1234567890ABCDE"), ("Caller", "+14158675309"), ("Digits", "1234"), ("From", "+14158675309"),
    ("To", "+18005551212"),
]  # fmt: skip
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
GOOD = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
JSON_BODY = b'{"property": "value", "boolean": true}'
JSON_URL = URL + "&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
ORACLE = json.loads((Path(__file__).parent / "oracles" / "twilio.json").read_text())


def asked(
    signature: str = GOOD,
    *,
    url: str = URL,
    body: bytes | None = None,
    kind="application/x-www-form-urlencoded",
    **headers,
):
    told = {"content-type": kind, "x-twilio-signature": signature} | {
        k.replace("_", "-"): v for k, v in headers.items()
    }
    return Request("POST", url, told, urlencode(FORM).encode() if body is None else body)


def test_published_vectors():
    assert sign("12345", URL, FORM) == GOOD
    assert sign("12345", URL, FORM, "HMAC_SHA256") == "033hgUJA9M/hXIZsYjwkerEP/DBm35nEri5FhCYjA5s="
    repeated = [("Body", "hé"), ("MediaUrl", "b"), ("MediaUrl", "a"), ("MediaUrl", "a")]
    assert sign("12345", URL, repeated) == "z7N+DkZjx663wHchpVy2eO6bQaw="
    assert sign("12345", URL, []) == "zYQTYrRWXE7LtzbG4PfP7/bkkGo="
    assert sign("12345", JSON_URL, []) == "a9nBmqA0ju/hNViExpshrM61xv4="


@pytest.mark.parametrize("case", ORACLE["signatures"], ids=range(len(ORACLE["signatures"])))
def test_the_sdk_signs_alike(case):
    form = [tuple(pair) for pair in case["form"]]
    assert sign(case["token"], case["url"], form, case["algorithm"]) == case["signature"]


def test_any_live_token_may_sign():
    for tokens in (["12345"], ["new", "12345"], ["12345", ""], ["", "12345"]):
        verify(asked(), tokens, {})


@pytest.mark.parametrize("seen", ["https://mycompany.com:443/myapp.php?foo=1&bar=2", URL, URL + "#rc=2&rp=all"])
def test_the_default_port_and_a_fragment_make_no_difference(seen):
    verify(asked(url=seen), ["12345"], {})
    with_port = sign("12345", "https://mycompany.com:443/myapp.php?foo=1&bar=2", FORM)
    verify(asked(with_port, url=seen), ["12345"], {})


def test_a_json_body_is_signed_by_its_hash():
    verify(asked("a9nBmqA0ju/hNViExpshrM61xv4=", url=JSON_URL, body=JSON_BODY, kind="application/json"), ["12345"], {})


def test_a_shared_key_signs_with_sha256():
    told = {"x_twilio_webhooks_signature_settings": "key=WK1,algorithm=HMAC_SHA256"}
    verify(asked("033hgUJA9M/hXIZsYjwkerEP/DBm35nEri5FhCYjA5s=", **told), ["other"], {"WK1": "12345"})


@pytest.mark.parametrize(
    ("request_", "tokens", "shared"),
    [
        (asked(), [], {}),
        (asked(), ["", ""], {}),
        (asked(), ["12346"], {}),
        (asked(""), ["12345"], {}),
        (asked("é"), ["12345"], {}),
        (asked(GOOD[:-2] + "9="), ["12345"], {}),
        (asked(url=URL.replace("myapp", "myApp")), ["12345"], {}),
        (asked(url=URL.replace("https://mycompany.com", "https://mycompany.com:8443")[:-1] + "3"), ["12345"], {}),
        (asked(url=URL.replace("https", "http")), ["12345"], {}),
        (asked(body=urlencode(FORM).replace("1234", "1235").encode()), ["12345"], {}),
        (asked(body=urlencode(FORM).encode() + b"&x=y"), ["12345"], {}),
        (
            asked("a9nBmqA0ju/hNViExpshrM61xv4=", url=JSON_URL, body=JSON_BODY + b" ", kind="application/json"),
            ["12345"],
            {},
        ),
        (asked("zYQTYrRWXE7LtzbG4PfP7/bkkGo=", body=JSON_BODY, kind="application/json"), ["12345"], {}),
        (asked("zYQTYrRWXE7LtzbG4PfP7/bkkGo=", body=JSON_BODY, kind=""), ["12345"], {}),
        (asked(x_twilio_webhooks_signature_settings="key=WK1,algorithm=HMAC_MD5"), ["12345"], {"WK1": "12345"}),
        (asked(x_twilio_webhooks_signature_settings="key=WK2,algorithm=HMAC_SHA1"), ["12345"], {"WK1": "12345"}),
        (asked(x_twilio_webhooks_signature_settings="nonsense"), ["12345"], {"": "12345"}),
    ],
)
def test_everything_else_is_forged(request_, tokens, shared):
    with pytest.raises(Forged):
        verify(request_, tokens, shared)
