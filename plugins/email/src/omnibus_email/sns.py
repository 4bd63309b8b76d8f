"""Check what Amazon SNS posts: a signature by Amazon's certificate, and a topic of ours.

A valid signature proves Amazon, not you: anybody can point their topic at your URL, so topics are listed.
Source: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from omnibus import Forged, Refused, TryLater, Unknown
from omnibus.http import Client
from omnibus_email import api

#: fields that are signed, in order
NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
FETCH = 3.0  # seconds; verifying waits for it once per certificate
_HOST = r"https://sns\.[a-z0-9-]{3,}\.amazonaws\.com(?:\.cn)?"
_CERTIFICATE = re.compile(_HOST + r"/[A-Za-z0-9._/-]+\.pem")
_SUBSCRIBE = re.compile(_HOST + r"/\?Action=ConfirmSubscription&[!-~]+")


def string_to_sign(told: Mapping[str, Any]) -> str:
    """Write what was signed: each key and its value on a line of its own."""
    names = NOTIFICATION if api.text(told, "Type") == "Notification" else CONFIRMATION
    return "".join(f"{name}\n{api.text(told, name)}\n" for name in names if name != "Subject" or api.text(told, name))


def check(told: Any, topics: frozenset[str], certificate: str) -> None:
    """Check topic and signature.

    Args:
        certificate: PEM that is used instead of fetching the one that the message names; may be empty.

    Raises:
        Forged: another topic, an unknown version, or a wrong signature.
    """
    if not isinstance(told, dict) or not topics or api.text(told, "TopicArn") not in topics:
        raise Forged("no topic of ours")
    if api.text(told, "SignatureVersion") != "2":  # version 1 is SHA-1: set the topic to version 2
        raise Forged("unknown signature version")
    pem = certificate or _fetched(api.text(told, "SigningCertURL"))
    try:
        key = x509.load_pem_x509_certificate(pem.encode()).public_key()
        mark = base64.b64decode(api.text(told, "Signature"), validate=True)
        if not isinstance(key, rsa.RSAPublicKey):
            raise Forged("no RSA certificate")
        key.verify(mark, string_to_sign(told).encode(), padding.PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        raise Forged("wrong signature") from None


def _fetched(url: str) -> str:
    if not _CERTIFICATE.fullmatch(url):
        raise Forged("the certificate is not Amazon's")
    try:
        return get(url)
    except (TryLater, Refused, Unknown):
        raise TryLater("certificate_not_read", retry_after=30) from None  # Amazon repeats what is answered by 503


def confirm(url: str) -> bool:
    """Confirm a subscription of a topic that was checked before; False where the address is not Amazon's."""
    if not _SUBSCRIBE.fullmatch(url):
        return False
    get(url)
    return True


@lru_cache(maxsize=32)
def get(url: str) -> str:
    """Fetch a text of Amazon's over the one HTTP seam, from a thread of its own: checking is not asynchronous.

    Raises:
        DeliveryError: it could not be fetched.
    """
    with ThreadPoolExecutor(1) as one:
        return one.submit(lambda: asyncio.run(_get(url))).result()


async def _get(url: str) -> str:
    client = Client(deadline=FETCH)
    try:
        answer = await client.request("GET", url)
        return answer.body.decode("utf-8", "replace") if answer.ok else ""
    finally:
        await client.aclose()
