"""Fill a gateway's templates, and find values in its answers; pure, and no template ever runs code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

Form = Literal["json", "form", "xml", "text", "none"]
#: what a template may name; ``{{`` and ``}}`` are braces
NAMES = frozenset({
    "to", "digits", "from", "text", "attempt", "report_url", "encoding", "parts", "unicode", "token", "user", "password",
})  # fmt: skip
TYPES: Mapping[Form, str] = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "xml": "application/xml; charset=utf-8",
    "text": "text/plain; charset=utf-8",
    "none": "",
}
_PLACE = re.compile(r"\{\{|\}\}|\{([a-z_]+)\}")
_STEP = re.compile(r"[^.\[\]]+")


def named(template: Any) -> set[str]:
    """List the names a template uses, in all its strings."""
    if isinstance(template, str):
        return {found for found in _PLACE.findall(template) if found}
    parts = (
        template.values() if isinstance(template, Mapping) else template if isinstance(template, (list, tuple)) else ()
    )
    return {name for part in parts for name in named(part)}


def filled(template: Any, values: Mapping[str, Any], spelt: Callable[[str], str] = str) -> Any:
    """Put values in; a string that is one name alone keeps the value's type (``"{parts}"`` → 2)."""
    if isinstance(template, Mapping):
        return {name: filled(part, values, spelt) for name, part in template.items()}
    if isinstance(template, (list, tuple)):
        return [filled(part, values, spelt) for part in template]
    if not isinstance(template, str):
        return template
    alone = _PLACE.fullmatch(template)
    if alone and alone[1] and not isinstance(values[alone[1]], str):
        return values[alone[1]]
    return _PLACE.sub(lambda found: spelt(_plain(values[found[1]])) if found[1] else found[0][0], template)


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def url(template: str, values: Mapping[str, Any]) -> str:
    """Write the URL; every value is percent-encoded."""
    return str(filled(template, values, lambda value: quote(value, safe="")))


def body(template: Any, values: Mapping[str, Any], form: Form) -> bytes | None:
    """Write the body; a value can become no other field, element or parameter."""
    match form:
        case "none":
            return None
        case "json":
            return json.dumps(filled(template, values), ensure_ascii=False).encode()
        case "form":
            made = filled(template, values)
            return urlencode({name: _plain(value) for name, value in made.items()}).encode()
        case "xml":
            return str(filled(template, values, lambda value: escape(value, {'"': "&quot;"}))).encode()
    return str(filled(template, values)).encode()


def found(told: Any, path: str) -> Any:
    """Follow a path like ``$.messages[0].id`` or ``messages.0.id``; None where it leads nowhere."""
    for step in _STEP.findall(path.removeprefix("$")):
        if isinstance(told, list) and step.isdecimal() and int(step) < len(told):
            told = told[int(step)]
        elif isinstance(told, dict):
            told = told.get(step)
        else:
            return None
    return told


def word(value: Any) -> str:
    """Write a found value as a short code for reasons and ids; empty for what is none."""
    if isinstance(value, (bool, int, str)):
        text = _plain(value)
        return text if re.fullmatch(r"[\w.:-]{1,128}", text) else ""
    return ""
