"""Write ``vonage.json``: what the vendor's SDK sends and signs. Run where ``pip install vonage`` was done."""

import json
from importlib.metadata import version
from pathlib import Path

import jwt
from vonage_http_client.auth import Auth
from vonage_jwt.verify_jwt import verify_signature
from vonage_messages import Sms
from vonage_sms import SmsMessage

PARAMS = [
    {"a": "1", "b": "x&y=z", "timestamp": "1535643757"},
    {"msisdn": "447700900123", "text": "größe € 😀 & = _", "messageId": "0C1", "timestamp": "1795262400", "nonce": "n"},
    {"Z": "", "a": "b", "timestamp": "1"},
]
METHODS = ("md5", "sha1", "sha256", "sha512")
MESSAGES = [
    {"to": "447700900123", "from_": "Acme", "text": "Hi", "type": "text", "client_ref": "a-1", "status_report_req": True,
     "callback": "https://talk.example.com/hooks/sms/vonage"},
    {"to": "14155550123", "from_": "447520615146", "text": "Hi 😀", "type": "unicode", "client_ref": "a-1",
     "status_report_req": True, "ttl": 60000, "entity_id": "E1", "content_id": "C1"},
]  # fmt: skip


def signatures():
    for secret in ("secret", "sécret"):
        for method in METHODS:
            for params in PARAMS:
                auth = Auth(api_key="k", signature_secret=secret, signature_method=method)
                yield {
                    "secret": secret,
                    "method": method,
                    "params": params,
                    "signature": auth.sign_params(dict(params)),
                }


def requests():
    for message in MESSAGES:
        form = SmsMessage(**message).model_dump(by_alias=True, exclude_none=True)
        yield {"given": message, "form": form}


JSON = [
    {"to": "447700900123", "from_": "Acme", "text": "Hi", "client_ref": "a-1", "sms": {"encoding_type": "text"}},
    {"to": "447700900123", "from_": "447520615146", "text": "Hi 😀", "client_ref": "a-1", "ttl": 600,
     "webhook_url": "https://talk.example.com/h?attempt=a-1", "webhook_version": "v1",
     "sms": {"encoding_type": "unicode", "entity_id": "E1", "content_id": "C1"}},
]  # fmt: skip
CLAIMS = {"iat": 1795262400, "jti": "j", "iss": "Vonage", "payload_hash": "00", "api_key": "k"}


def messages():
    for message in JSON:
        yield {"given": message, "json": Sms(**message).model_dump(by_alias=True, exclude_none=True, mode="json")}


def tokens():
    for secret, algorithm in (("s" * 32, "HS256"), ("é" * 32, "HS256"), ("s" * 64, "HS512")):
        token = jwt.encode(CLAIMS, secret, algorithm)
        assert algorithm != "HS256" or verify_signature(token, secret)
        yield {"secret": secret, "algorithm": algorithm, "token": token}


if __name__ == "__main__":
    made = {"oracle": f"vonage {version('vonage')}", "signatures": list(signatures()), "requests": list(requests())}
    made |= {"messages": list(messages()), "tokens": list(tokens()), "claims": CLAIMS}
    Path(__file__).with_name("vonage.json").write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")
