"""Find what X takes for a URL in a text: those parts weigh 23 each, however long they are.

A URL needs a known top-level domain, with a scheme or without; without one only its ASCII part counts, and it may not
follow ``-``, ``_``, ``.`` or ``/``. Source: https://docs.x.com/fundamentals/counting-characters; the rules and the list of domains
agree with npm twitter-text 3.1.0 (tests/oracle.json).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files

import regex

_PUNCTUATION = r"!'#%&()*+,\\\-./:;<=>?@\[\]\^_{|}~$"
_SPACES = r"\s\u2000-\u200a\u202f\u205f\u3000\u180e\u0085"
_INVALID = r"\uFFFE\uFEFF\uFFFF"
_MARKS = r"\u202A-\u202E\u061C\u200E\u200F\u2066\u2067\u2068\u2069"
_LABEL = rf"[^{_PUNCTUATION}{_SPACES}{_INVALID}{_MARKS}]"
#: letters of Latin scripts that X lets stand in a path and in a domain without scheme
_ACCENTS = (
    r"\xC0-\xD6\xD8-\xF6\xF8-\xFF\u0100-\u024F\u0253\u0254\u0256\u0257\u0259\u025B\u0263\u0268\u026F\u0272\u0289"
    r"\u028B\u02BB\u0300-\u036F\u1E00-\u1EFF"
)
_PATH = rf"[a-z\u0400-\u04FF0-9!*';:=+,.$/%#\[\]\-\u2013_~@|&{_ACCENTS}]"
_PATH_END = rf"[+\-a-z\u0400-\u04FF0-9=_#/{_ACCENTS}]"
_PARENS = rf"\((?:{_PATH}+|(?:{_PATH}*\({_PATH}+\){_PATH}*))\)"
_QUERY = r"[a-z0-9!?*'@();:&=+$/%#\[\]\-_.,~|]"
_QUERY_END = r"[a-z0-9\-_&=#/]"
_SHORT = regex.compile(rf"^https?://t\.co/([a-z0-9]+)(?:\?{_QUERY}*{_QUERY_END})?", regex.IGNORECASE)
_MAX_SLUG = 40  # characters of a t.co path; longer ones are no link of X's


@cache
def _patterns() -> tuple[regex.Pattern[str], regex.Pattern[str]]:
    """Compile the pattern of a URL and that of a domain without scheme; the list of domains is read once."""
    names = (files(__package__) / "tlds.txt").read_text(encoding="utf-8").split()
    ends = "|".join(regex.escape(each) for each in sorted(names, key=len, reverse=True))
    tld = rf"(?:(?:{ends})(?=[^0-9a-zA-Z@+\-]|$)|xn--[\-0-9a-z]+)"
    domain = rf"(?:(?:{_LABEL}(?:[_\-]|{_LABEL})*)?{_LABEL}\.)*(?:{_LABEL}(?:-|{_LABEL})*)?{_LABEL}\.{tld}"
    path = rf"(?:(?:{_PATH}*(?:{_PARENS}{_PATH}*)*(?:{_PATH_END}|{_PARENS}))|(?:@{_PATH}+/))"
    whole = (
        rf"(?P<before>[^A-Za-z0-9@＠$#＃{_INVALID}]|^)"
        rf"(?P<url>(?P<scheme>https?://)?(?P<domain>{domain})(?::[0-9]+)?(?P<path>/{path}*)?(?:\?{_QUERY}*{_QUERY_END})?)"
    )
    ascii_domain = rf"(?:[\-a-z0-9{_ACCENTS}]+\.)+{tld}"
    return regex.compile(whole, regex.IGNORECASE), regex.compile(ascii_domain, regex.IGNORECASE)


def spans(text: str) -> list[tuple[int, int]]:
    """List the (start, end) of every URL in *text*, which is NFC already; in order, never overlapping."""
    if "." not in text:
        return []
    whole, _ = _patterns()
    return [span for found in whole.finditer(text) for span in _read(found)]


def _read(found: regex.Match[str]) -> Iterator[tuple[int, int]]:
    start, end = found.span("url")
    if found["scheme"]:
        short = _SHORT.match(found["url"])
        if short is None:
            yield start, end
        elif len(short[1]) <= _MAX_SLUG:
            yield start, start + short.end()
        return
    if found["before"] in {"-", "_", ".", "/"}:
        return
    _, ascii_domain = _patterns()
    offset = found.start("domain")
    hits = [(offset + hit.start(), offset + hit.end()) for hit in ascii_domain.finditer(found["domain"])]
    if hits and found["path"]:
        first, last = hits[-1]
        hits[-1] = first, last + end - found.end("domain")  # X counts on from the ASCII part, as long as the rest is
    yield from hits
