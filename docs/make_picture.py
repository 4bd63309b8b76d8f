"""Make docs/pictures/story.png from what the demo left: `omnibus demo --state S && python docs/make_picture.py S/world`.

Needs the system package `chromium`, as the tests of the pages do.
"""

# ruff: noqa: INP001 - a script of the docs, not a package

import os
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PICTURE = Path(__file__).parent / "pictures" / "story.png"
WIDE, HIGH = 1500, 690

#: what it is, the file, its own width in pixels, and how much smaller it is shown
SHOWN = (
    ("One story: a mail", "email/Q000003.html", 420, 0.62),
    ("a post, with the same code", "twitter/post-*.html", 480, 0.58),
    ("a story, with the same price", "instagram/story-*.html", 470, 0.58),
    ("Her cart: an SMS in the morning", "sms/*.svg", 360, 0.78),
    ("and a banner in the shop", "web/ada-before-she-paid.html", 560, 0.5),
    ("Paid at the till: no more reminders", "receipts/*.svg", 368, 0.74),
)
STYLE = f"""body{{margin:0;padding:20px 24px;width:{WIDE - 48}px;background:#e9edec;font:600 17px Helvetica,Arial,sans-serif;
color:#17322c;display:flex;gap:18px;justify-content:space-between}}
figure{{margin:0}}figcaption{{margin:0 0 8px}}
div{{overflow:hidden;position:relative;border-radius:8px;background:#fff;box-shadow:0 1px 4px #0003}}
iframe{{border:0;transform-origin:0 0;position:absolute}}.pair{{display:grid;gap:14px;align-content:start}}"""


def figure(world: Path, caption: str, pattern: str, wide: int, scale: float, high: int) -> str:
    """Show one file, cut at a height."""
    file = min(world.glob(pattern))
    frame = (
        f'<iframe src="{file.as_uri()}" width="{wide}" height="{high / scale:.0f}" style="transform:scale({scale})">'
    )
    return f'<figure><figcaption>{caption}</figcaption><div style="height:{high}px;width:{wide * scale:.0f}px">{frame}</iframe></div></figure>'


def page(world: Path) -> str:
    """Lay the six out: four columns of one, one column of two."""
    high = (620, 620, 620, 200, 354, 620)
    mail, post, story, sms, banner, receipt = (
        figure(world, *each, tall) for each, tall in zip(SHOWN, high, strict=True)
    )
    pair = f'<section class="pair">{sms}{banner}</section>'
    return f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>{mail}{post}{story}{pair}{receipt}"


def main(world: Path) -> None:
    """Draw it."""
    PICTURE.parent.mkdir(exist_ok=True)
    sheet = world / "story.html"
    sheet.write_text(page(world), "utf-8")
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        shown = chromium.new_page(viewport={"width": WIDE, "height": HIGH})
        shown.goto(sheet.as_uri(), wait_until="networkidle")
        shown.screenshot(path=PICTURE, type="png")
        chromium.close()
    sheet.unlink()
    Image.open(PICTURE).quantize(128).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
