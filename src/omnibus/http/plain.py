"""Answers as nearly all are: a status, headers in plain text, one length. They are read at one look.

Whatever else HTTP allows (chunks, packed bodies, redirects, interim answers, ends without a length), and all that is not
quite right, is not plain: it goes to aiohttp's parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from omnibus.http.answer import MAX_BODY

MAX_HEAD = 8_000  # bytes; the parser takes no longer lines

_LINE = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++:[\t\x20-\x7e]*+\r\n"
_TELLING = rb"(?i:content-(?:length|encoding)|transfer-encoding|upgrade|connection(?!:[ ]?keep-alive\r\n)):"
_LINES = rb"(?:(?!%b)%b){0,60}+" % (_TELLING, _LINE)  # none that tells how the body is to be read
_HEAD = re.compile(
    rb"HTTP/1\.1 ((?:2(?!04)|[45])[0-9][0-9]) [\t\x20-\x7e]*+\r\n(%b(?i:content-length):[ ]?([0-9]{1,7})\r\n%b)\r\n"
    % (_LINES, _LINES)
)


class Headers(Mapping[str, str]):
    """Hold headers by lower-case name, those told twice joined; read when they are asked for, which is seldom."""

    __slots__ = ("_lines", "_read")

    def __init__(self, lines: bytes) -> None:
        self._lines, self._read = lines, dict[str, str]()

    def __getitem__(self, name: str) -> str:
        return (self._read or self._all())[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read or self._all())

    def __len__(self) -> int:
        return len(self._read or self._all())

    def _all(self) -> dict[str, str]:
        found = self._read
        for line in self._lines.decode("ascii").split("\r\n")[:-1]:
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip()
            found[name] = f"{found[name]}, {value}" if name in found else value
        return found


def read_head(data: bytes) -> tuple[int, Headers, int, int] | None:
    """Read the head of an answer, if it is plain and all there: status, headers, where the body begins, where it ends."""
    found = _HEAD.match(data)
    if found is None:
        return None
    status, lines, length = found.groups()
    begin, size = found.end(), int(length)
    return None if begin > MAX_HEAD or size > MAX_BODY else (int(status), Headers(lines), begin, begin + size)
