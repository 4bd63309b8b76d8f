"""Secrets: where they rest (``env:NAME``, ``file:path``), how they are read late, and how they are masked."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omnibus.errors import ConfigError

MASK = "••••"
KEY_BYTES = 32  # of the master key: 256 bits for every key derived from it

_SECRET_NAME = re.compile(r"token|secret|passw|key|credential", re.IGNORECASE)
_REFERENCE = ("env:", "file:")
_USERINFO = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<who>[^/?#\s]*)@", re.IGNORECASE)
_QUERY_SECRET = re.compile(r"([?&][^=&#\s]*(?:token|secret|passw|key)[^=&#\s]*=)[^&#\s]*", re.IGNORECASE)
#: schemes whose user is a name, not a credential, when it stands alone
_NAMED_USERS = {"smtp", "smtps", "postgresql", "postgres", "smpp"}


def resolve_secrets(
    table: Mapping[str, Any], *, where: str = "", environ: Mapping[str, str] | None = None, folder: Path | None = None
) -> dict[str, Any]:
    """Copy a table with every ``env:NAME`` and ``file:path`` replaced by what it names.

    Args:
        where: section for errors, e.g. ``[channels.sms]``.
        folder: where relative files are looked for; a trailing line break of a file is dropped.

    Raises:
        ConfigError: the variable is not set or empty, the file cannot be read.
    """
    names = os.environ if environ is None else environ
    made: dict[str, Any] = {
        key: _resolve(value, f"{where} {key}".strip(), names, folder) for key, value in table.items()
    }
    return made


def _resolve(value: Any, where: str, environ: Mapping[str, str], folder: Path | None) -> Any:
    if isinstance(value, Mapping):
        return {key: _resolve(each, f"{where}.{key}", environ, folder) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_resolve(each, where, environ, folder) for each in value]
    if not isinstance(value, str) or not value.startswith(_REFERENCE):
        return value
    kind, _, name = value.partition(":")
    if kind == "env":
        found = environ.get(name, "")
        if not found:
            raise ConfigError(f"the environment variable {name} is not set", where=where, fix=f"set {name}")
        return found
    path = (folder or Path()) / name
    try:
        return path.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"the file {name} cannot be read", where=where, fix="create it, or mend the path") from None


def read_key(told: str, *, where: str, environ: Mapping[str, str] | None = None, folder: Path | None = None) -> bytes:
    """Read the master key: base64 of at least 32 bytes, from a reference or as it stands.

    Raises:
        ConfigError: it is not there, too short or no base64.
    """
    fix = "`omnibus init` makes one"
    if told.startswith("file:") and not ((folder or Path()) / told.removeprefix("file:")).exists():
        raise ConfigError(f"the key file {told.removeprefix('file:')} is not there", where=where, fix=fix)
    text = str(resolve_secrets({"key": told}, where=where.removesuffix(" key"), environ=environ, folder=folder)["key"])
    try:
        key = base64.b64decode(text.strip().replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError("the key is not base64", where=where, fix=fix) from None
    if len(key) < KEY_BYTES:
        raise ConfigError(f"the key has fewer than {KEY_BYTES} bytes", where=where, fix=fix)
    return key


def make_key(path: Path) -> bool:
    """Write a new master key, readable by its owner only; False when the file is there already (it is left alone)."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "wb") as file:
        file.write(base64.urlsafe_b64encode(os.urandom(KEY_BYTES)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return True


def mask(name: str, value: Any) -> Any:
    """Give a value as it may be shown: references stand, secrets are dots, URLs lose their passwords."""
    if isinstance(value, Mapping):
        return {key: mask(str(key), each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [mask(name, each) for each in value]
    if not isinstance(value, str) or value.startswith(_REFERENCE) or not value:
        return value
    if _SECRET_NAME.search(name):
        return MASK
    return _QUERY_SECRET.sub(rf"\g<1>{MASK}", _USERINFO.sub(_mask_user, value))


def _mask_user(found: re.Match[str]) -> str:
    scheme, who = found["scheme"], found["who"]
    user, colon, _ = who.partition(":")
    if colon:
        return f"{scheme}://{user}:{MASK}@"
    return found[0] if scheme.lower() in _NAMED_USERS else f"{scheme}://{MASK}@"
