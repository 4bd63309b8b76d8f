"""A card as a page of its own, for previews and for what the sandbox writes to disk: no scripts, all text escaped."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

_STYLE = (
    "body{font:16px/1.5 Helvetica,Arial,sans-serif;margin:2rem;background:#f4f4f4}"
    "article{max-width:42rem;margin:0 0 1rem;padding:1rem 1.25rem;border-radius:6px;border:1px solid #0003;white-space:pre-line}"
    "h2{margin:0 0 .5rem;font-size:1.2rem}p{margin:.25rem 0}img{max-width:100%;max-height:12rem;border-radius:4px}"
    "code{font-size:1.1rem;padding:.1rem .5rem;border:1px dashed currentColor;border-radius:4px}"
    "a{display:inline-block;margin:.5rem 0;padding:.5rem 1rem;border:1px solid;border-radius:4px;text-decoration:none;font-weight:600}"
    "small{display:block}"
)


def card_page(*cards: Mapping[str, Any], title: str = "") -> str:
    """Draw cards as one HTML page; none gives a page that says so."""
    drawn = "".join(_article(card) for card in cards) or "<p>No card is on show.</p>"
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title or "Card")}</title>'
    return f"{head}<style>{_STYLE}</style><body>{drawn}</body></html>"


def _article(card: Mapping[str, Any]) -> str:
    def tag(name: str, text: str) -> str:
        return f"<{name}>{escape(text)}</{name}>" if text else ""

    shades = card["colours"]
    offer, code = escape(card["offer"]), tag("code", card["code"])
    if card["code"]:
        plain = escape(card["code"])
        offer = offer.replace(plain, code, 1) if plain in offer else f"{offer} {code}"
    deadline = "" if card["deadline"] in card["offer"] else card["deadline"]
    image = f'<img src="{escape(card["image"])}" alt="{escape(card["alt"])}">' if card["image"] else ""
    link = ""
    if card["url"]:
        paint = f"background:{escape(shades['action'])};color:{escape(shades['on_action'])}"
        link = f'<a href="{escape(card["url"])}" style="{paint}">{escape(card["label"])}</a>'
    pieces = (
        image, tag("h2", card["headline"]), "".join(tag("p", each) for each in card["body"].split("\n\n")),
        f"<p>{offer}</p>" if offer else "", tag("p", deadline), link,
        "".join(tag("small", each) for each in card["notes"]),
    )  # fmt: skip
    paint = f"background:{escape(shades['ground'])};color:{escape(shades['ink'])}"
    return f'<article class="{escape(card["kind"])}" style="{paint}">{"".join(pieces)}</article>'
