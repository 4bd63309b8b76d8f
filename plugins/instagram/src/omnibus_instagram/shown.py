"""What people would see of the sandbox's account: a page and pictures for each post, a page for each conversation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

from omnibus.testing import Entry

STYLE = (
    "body{font:15px/1.4 Helvetica,Arial,sans-serif;max-width:420px;margin:24px auto;color:#1c1c1c}"
    "img{width:100%;border-radius:4px}p{white-space:pre-wrap}small{color:#737373}"
    ".us{background:#efefef;border-radius:18px;padding:10px 14px;margin:6px 0 6px 40px}"
    ".them{border:1px solid #dbdbdb;border-radius:18px;padding:10px 14px;margin:6px 40px 6px 0}"
)


def show_post(folder: Path, name: str, entry: Entry, pictures: Sequence[tuple[str, bytes | None]]) -> None:
    """Write ``<name>.json``, ``.html`` and the pictures that were fetched, numbered from the second on."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = []
    for at, (url, data) in enumerate(pictures, 1):
        file = f"{name}.jpg" if at == 1 else f"{name}-{at}.jpg"
        if data is not None:
            (folder / file).write_bytes(data)
        sources.append(url if data is None else file)
    shown = {"id": entry.id, "at": entry.at, "text": entry.text, **entry.data}
    (folder / f"{name}.json").write_text(json.dumps(shown, ensure_ascii=False, indent=1), encoding="utf-8")
    images = "".join(f'<img src="{escape(each, quote=True)}" alt="">' for each in sources)
    _page(folder / f"{name}.html", f"{images}<p>{escape(entry.text)}</p><small>{escape(entry.at)}</small>")


def show_thread(folder: Path, person: str, said: Sequence[Entry]) -> None:
    """Write the conversation with one person, oldest first."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(
        f'<div class="{"them" if each.kind == "inbound" else "us"}">{_words(each)}<br><small>{escape(each.at)}</small></div>'
        for each in said
    )
    _page(folder / f"direct-{person}.html", lines)


def _words(entry: Entry) -> str:
    if picture := str(entry.data.get("picture", "")):
        return f'<img src="{escape(picture, quote=True)}" alt="">'
    return escape(entry.text).replace("\n", "<br>")


def _page(path: Path, body: str) -> None:
    page = f"<!doctype html><meta charset=utf-8><title>Instagram</title><style>{STYLE}</style>{body}"
    path.write_text(page, encoding="utf-8")
