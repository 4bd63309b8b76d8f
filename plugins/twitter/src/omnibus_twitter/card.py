"""Draw a post or a direct message as a small HTML page: for previews and for the sandbox's folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import urlsplit

from omnibus import Brand, Media
from omnibus_twitter.weight import clean

_PAGE = """<!doctype html><html lang="{locale}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>{title}</title><style>
body{{margin:0;padding:24px;background:#f2f4f6;font:16px/1.4 {font}}}
article{{max-width:36rem;margin:0 auto 12px;padding:16px;background:{background};color:{text};border:1px solid #d5dadf;
border-top:4px solid {primary};border-radius:{radius}px}}
header b{{display:block}}header span,footer{{color:#57606a;font-size:14px}}p{{margin:12px 0;white-space:pre-wrap;overflow-wrap:anywhere}}
figure{{margin:12px 0}}img{{display:block;max-width:100%;border-radius:{radius}px;background:{primary}}}
figcaption{{font-size:13px;color:#57606a}}</style></head><body>{articles}</body></html>
"""
_ARTICLE = "<article><header><b>{name}</b><span>{handle}</span></header><p>{text}</p>{pictures}<footer>{foot}</footer></article>"
_PICTURE = '<figure><img src="{url}" alt="{alt}"><figcaption>{alt}</figcaption></figure>'


@dataclass(frozen=True, slots=True)
class Face:
    """Hold what a card shows of the speaker; colours as ``#rrggbb``."""

    name: str = ""
    handle: str = ""
    locale: str = "en"
    primary: str = "#1f3a5f"
    background: str = "#ffffff"
    text: str = "#1c1c1c"
    font: str = "Helvetica, Arial, sans-serif"
    radius: int = 6

    @classmethod
    def of(cls, brand: Brand, locale: str) -> Face:
        """Take over a brand's name, handle on X, and colours."""
        theme, handle = brand.theme, clean(brand.handles.get("twitter", "")).lstrip("@")
        return cls(
            " ".join(clean(brand.name).split()), f"@{handle}" if handle else "", locale, theme.primary, theme.background, theme.text,
            theme.font, theme.radius,
        )  # fmt: skip


def card(face: Face, posts: Sequence[tuple[str, str]], media: Sequence[Media] = ()) -> bytes:
    """Draw *posts* (text, foot line), the first with the pictures; every value is escaped, nothing is fetched."""
    articles = "".join(
        _ARTICLE.format(
            name=escape(face.name), handle=escape(face.handle), text=escape(text), foot=escape(foot),
            pictures="".join(map(_picture, media)) if number == 0 else "",
        )
        for number, (text, foot) in enumerate(posts)
    )  # fmt: skip
    page = _PAGE.format(
        locale=escape(face.locale), title=escape(f"{face.name} {face.handle}".strip()), font=_style(face.font),
        primary=_style(face.primary), background=_style(face.background), text=_style(face.text),
        radius=face.radius, articles=articles,
    )  # fmt: skip
    return page.encode()


def _picture(media: Media) -> str:
    shown = media.url if urlsplit(media.url).scheme in {"", "http", "https", "data", "file"} else ""
    return _PICTURE.format(url=escape(shown), alt=escape(media.alt))


def _style(value: str) -> str:
    """Keep a CSS value from ending its rule or the style sheet."""
    return "".join(each for each in value if each not in "{};<>\\")
