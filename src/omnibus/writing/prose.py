"""Markdown → plain pieces. Works on a skeleton (values are slots), so its result serves everybody it fits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

#: a link's target with its colon, kept apart until its value is known
LINK = re.compile("\ue002: ([^\ue003]*)\ue003")
#: where a link may lead
SCHEMES = ("https://", "http://", "mailto:", "tel:")


class _Parser(MarkdownIt):
    """Leave link targets as written: they may be slots; ``settle_links`` judges them once they are known."""

    def normalizeLink(self, url: str) -> str:  # noqa: N802 - the library's name
        return url

    def validateLink(self, url: str) -> bool:  # noqa: N802 - the library's name
        return True


_parser = _Parser("commonmark", {"html": False})


@lru_cache(maxsize=1024)
def pieces(skeleton: str) -> tuple[str, ...]:
    """Give the blocks of a Markdown text as plain texts, in order; lists keep one line per entry."""
    out: list[str] = []
    tokens = _parser.parse(skeleton)
    start = 0
    for index, token in enumerate(tokens):
        if token.level == 0 and token.nesting <= 0:
            out.append(_block(tokens[start : index + 1]))
            start = index + 1
    return tuple(piece for piece in out if piece)


@lru_cache(maxsize=1024)
def line(skeleton: str) -> str:
    """Give inline Markdown (a headline) as one plain line."""
    return " ".join(_inline(token.children or ()) for token in _parser.parseInline(skeleton)).replace("\n", " ").strip()


def _block(tokens: Sequence[Token]) -> str:
    lines: list[str] = []
    counters: list[int | None] = []
    bullet = ""
    for token in tokens:
        match token.type:
            case "bullet_list_open":
                counters.append(None)
            case "ordered_list_open":
                counters.append(int(token.attrs.get("start", 1)))
            case "bullet_list_close" | "ordered_list_close":
                counters.pop()
            case "list_item_open":
                bullet, counters[-1] = _bullet(counters)
            case "inline":
                lines.append(f"{bullet}{_inline(token.children or ())}")
                bullet = ""
            case "fence" | "code_block":
                lines.append(token.content.rstrip("\n"))
    return "\n".join(lines).strip()


def _bullet(counters: list[int | None]) -> tuple[str, int | None]:
    number, indent = counters[-1], "  " * (len(counters) - 1)
    return (f"{indent}- ", None) if number is None else (f"{indent}{number}. ", number + 1)


def _inline(children: Sequence[Token]) -> str:
    out, targets = "", []
    for token in children:
        match token.type:
            case "text" | "code_inline":
                out += token.content
            case "softbreak":
                out += " "
            case "hardbreak":
                out += "\n"
            case "image":
                out += _inline(token.children or ())
            case "link_open":
                targets.append((len(out), str(token.attrs.get("href", ""))))
            case "link_close":
                begin, target = targets.pop()
                label = out[begin:]
                out = out if label == target else f"{out}\ue002: {target}\ue003"
    return out


def settle_links(text: str) -> str:
    """Write links as ``label: url``, once their values are in; a target that leads elsewhere is left out."""
    return LINK.sub(lambda found: f": {found[1]}" if found[1].lower().startswith(SCHEMES) else "", text)
