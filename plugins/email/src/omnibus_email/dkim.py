"""Sign mail with DKIM: ``relaxed/relaxed``, RSA or Ed25519, through `cryptography`.

Signed are the headers that matter, From and Subject once more than they stand there, so that none can be added;
List-Unsubscribe and its one-click partner, as RFC 8058 §4 demands.
Sources: RFC 6376 §3.4.2, §3.4.4, §3.5, §3.7; RFC 8463 (Ed25519); RFC 8301 (RSA keys of 1024 bits and more).
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from omnibus import InputError

#: headers that are signed where they stand in the mail, in this order
SIGNED = (
    "from", "to", "cc", "subject", "date", "message-id", "reply-to", "mime-version", "content-type", "in-reply-to",
    "references", "list-unsubscribe", "list-unsubscribe-post", "auto-submitted",
)  # fmt: skip
OVERSIGNED = ("from", "subject")
MIN_BITS = 1024  # RFC 8301 §3.2; 2048 is advised
_LINE = 72  # characters of the signature on one line

_SPACE = re.compile(rb"[ \t]+")


@dataclass(frozen=True, slots=True)
class Signer:
    """Hold a key, and under which name its public half stands in the DNS (``selector._domainkey.domain``)."""

    domain: str
    selector: str
    key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey = field(repr=False)

    @classmethod
    def of_pem(cls, domain: str, selector: str, pem: str) -> Signer:
        """Read an unencrypted PEM key.

        Raises:
            InputError: it is no key that DKIM knows, too short, or the names are no DNS labels.
        """
        for name, value in (("domain", domain), ("selector", selector)):
            if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", value):
                raise InputError("no DNS name", where=f"dkim_{name}", fix="write it as in the DNS, e.g. `mail2026`")
        try:
            key = load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError):  # also what an encrypted or an unknown key raises
            raise InputError("no readable key", where="dkim_key", fix="give an unencrypted PEM private key") from None
        if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= MIN_BITS:
            return cls(domain, selector, key)
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return cls(domain, selector, key)
        raise InputError("not a DKIM key", where="dkim_key", fix=f"use RSA with {MIN_BITS}+ bits or Ed25519")

    @property
    def quick(self) -> bool:
        """Tell whether signing takes so little that the event loop may do it: some 30 µs with Ed25519, 300 with RSA."""
        return isinstance(self.key, ed25519.Ed25519PrivateKey)

    def sign(self, mail: bytes, at: datetime) -> bytes:
        """Return *mail* (CRLF line ends) with the signature before its first header."""
        head, _, body = mail.partition(b"\r\n\r\n")
        headers = [_relaxed(each) for each in re.split(rb"\r\n(?![ \t])", head)]
        names = [name for name, _ in headers]
        chosen = [each for each in SIGNED if each.encode() in names]
        listed = ":".join([*chosen, *OVERSIGNED])
        algorithm = "rsa-sha256" if isinstance(self.key, rsa.RSAPrivateKey) else "ed25519-sha256"
        digest = base64.b64encode(hashlib.sha256(relaxed_body(body)).digest()).decode()
        value = (
            f"v=1; a={algorithm}; c=relaxed/relaxed; d={self.domain}; s={self.selector};\r\n"
            f" t={int(at.timestamp())}; h={listed};\r\n bh={digest};\r\n b="
        )
        lines = [b"%s:%s\r\n" % headers[names.index(each.encode())] for each in chosen]
        own = b"%s:%s" % _relaxed(f"DKIM-Signature: {value}".encode())
        made = base64.b64encode(self._signature(b"".join(lines) + own)).decode()
        folded = "\r\n ".join(made[at : at + _LINE] for at in range(0, len(made), _LINE))
        return f"DKIM-Signature: {value}{folded}\r\n".encode() + mail

    def _signature(self, data: bytes) -> bytes:
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(data, padding.PKCS1v15(), SHA256())
        return self.key.sign(hashlib.sha256(data).digest())  # RFC 8463 §3: over the hash


def relaxed_body(body: bytes) -> bytes:
    """Write a body in the relaxed form: no space at line ends, one between words, no empty lines at the end."""
    whole = body if body.endswith(b"\r\n") else body + b"\r\n"  # as it will stand before the final dot
    whole = whole.replace(b"\t", b" ")
    while b"  " in whole:
        whole = whole.replace(b"  ", b" ")
    stripped = whole.replace(b" \r\n", b"\r\n").rstrip(b"\r\n")
    return stripped + b"\r\n" if stripped else b""


def _relaxed(header: bytes) -> tuple[bytes, bytes]:
    name, _, value = header.partition(b":")
    return name.strip().lower(), _SPACE.sub(b" ", value.replace(b"\r\n", b"")).strip()
