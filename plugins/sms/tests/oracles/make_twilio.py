"""Write ``twilio.json``: what the vendor's SDK sends and signs. Run where ``pip install twilio`` was done."""

import json
import logging
from importlib.metadata import version
from pathlib import Path

from twilio.http.http_client import HttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator
from twilio.rest import Client

FORMS = [
    [["MessageSid", "SM1"], ["MessageStatus", "delivered"], ["To", "+447700900123"]],
    [["Body", "hé € 😀"], ["MediaUrl", "b"], ["MediaUrl", "a"], ["MediaUrl", "a"], ["body", "lower"], ["Zed", ""]],
    [],
]
URLS = [
    "https://talk.example.com/hooks/sms/twilio?attempt=0197f5a0-0000-7000-9000-000000000001",
    "http://127.0.0.1:8080/hooks/sms/twilio",
    "https://talk.example.com/h/%C3%A9?x=a%20b",
]
MESSAGES = [
    {"to": "+447700900123", "from_": "+15005550006", "body": "Hi € 😀", "status_callback": URLS[0]},
    {"to": "+447700900123", "messaging_service_sid": "MG1", "body": "Hi\nthere & co", "validity_period": 600},
    {
        "to": "+447700900123",
        "from_": "Acme",
        "body": "Look",
        "media_url": ["https://a.example/1.jpg", "https://a.example/2.jpg"],
    },
]


class Capturing(HttpClient):
    def __init__(self):
        super().__init__(logging.getLogger("oracle"), is_async=False)

    def request(self, method, url, params=None, data=None, headers=None, auth=None, **_):
        self.seen = {"method": method, "url": url, "form": data, "auth": list(auth)}
        return Response(201, json.dumps({"sid": "SM1", "status": "queued"}))


class Fields(dict):
    """Give repeated names as web frameworks do."""

    def __init__(self, pairs):
        super().__init__(pairs)
        self.pairs = pairs

    def getall(self, name):
        return [value for key, value in self.pairs if key == name]


def signatures():
    for token in ("12345", "tökén"):
        for url in URLS:
            for form in FORMS:
                for algorithm in ("HMAC_SHA1", "HMAC_SHA256"):
                    made = RequestValidator(token).compute_signature(url, Fields(form), algorithm)
                    yield {"token": token, "url": url, "form": form, "algorithm": algorithm, "signature": made}


def requests():
    for message in MESSAGES:
        http = Capturing()
        Client("AC" + "1" * 32, "token", http_client=http).messages.create(**message)
        yield {"given": message, **http.seen}


if __name__ == "__main__":
    made = {"oracle": f"twilio {version('twilio')}", "signatures": list(signatures()), "requests": list(requests())}
    Path(__file__).with_name("twilio.json").write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")
