"""Prepare the brand's mail once per message version, brand and language: CSS inlined, slots open, local pictures read.

``compose`` afterwards only fills the slots of the parts made here: no CSS, no MIME tree, no file per recipient.
Sources: https://www.caniemail.com (what clients keep of CSS), Gmail clips HTML above about 102 KB.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from css_inline import CSSInliner

from omnibus import Brand, Layout, Message, MessageError
from omnibus_email.content import Attachment
from omnibus_email.form import NOTHING, Form, Made, made, shown
from omnibus_email.markup import escape

#: sections of layout.html that are filled only where the draft has something for them
SECTIONS = ("image", "offer", "cta", "sign", "stop", "styles")
#: keeps the client from filling up the preview line with the first words of the body
PADDING = "&#847;&zwnj;&nbsp;" * 40
RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur", "yi", "ps", "dv", "ckb"})
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif"})  # what mail clients show everywhere
MAX_PICTURE = 1_000_000  # bytes; larger ones belong on a web server
MAX_FILE = 5_000_000  # bytes; base64 makes 7 MB of it, and many mailboxes take 10 MB in all

#: how to unsubscribe, by language
WORDS = {
    "en": "Unsubscribe", "de": "Abmelden", "fr": "Se désabonner", "es": "Darse de baja", "it": "Annulla iscrizione",
    "nl": "Afmelden", "pt": "Cancelar subscrição", "pl": "Wypisz się", "sv": "Avregistrera", "da": "Afmeld",
}  # fmt: skip

_AT_RULES = re.compile(r"<head>(<style>.*?</style>)(.*?)</head>", re.DOTALL)
_SLOT = re.compile(r"@@(\w+)@@")
_STYLED = re.compile(r"<(\w+)(?: [^>]*?)?style=\"([^\"]*)\"")


@dataclass(frozen=True, slots=True)
class Page(Layout):
    """Hold all that is the same for everybody who gets this version of a message in this language.

    Args:
        form: the page; its slots are the sections, ``subject``, ``preheader``, ``headline`` and ``body``.
        sections: the forms that are filled only where the draft has something for them; ``labelled`` is ``cta`` with *label*.
        styles: the inline style of a tag in the body.
        cids: path of a local picture → its content id.
        pictures: what stands in the HTML where a picture is shown, and the picture.
        sign_off, signed: the brand's sign-off, as text and as its filled section.
        label: what the call to action says to everybody; empty where the template has values in it.
        stop: the word for unsubscribing.
    """

    form: Form = field(default_factory=lambda: Form((), (NOTHING,)))
    sections: Mapping[str, Form] = field(default_factory=dict)
    styles: tuple[tuple[str, str], ...] = ()
    cids: Mapping[str, str] = field(default_factory=dict)
    pictures: tuple[tuple[str, Attachment], ...] = ()
    files: tuple[Attachment, ...] = ()
    sign_off: str = ""
    signed: Made = NOTHING
    label: str = ""
    stop: str = ""


def prepare(message: Message, brand: Brand, locale: str) -> Page:
    """Make the page.

    Raises:
        MessageError: a picture or attachment is missing or too big, or a picture of a kind that mail clients do not show.
    """
    html = _inlined(_themed(brand, locale))
    cut: dict[str, str] = {}
    for name in SECTIONS:
        head, rest = html.split(f"<!--@{name}-->")
        cut[name], tail = rest.split(f"<!--/{name}-->")
        html = (head if name == "styles" else f"{head}@@{name}@@") + tail
    where = message.source or message.name
    local = dict.fromkeys(
        each for each in (*(media.url for media in message.media), brand.theme.logo_path) if _is_local(each)
    )
    pictures = {path: _picture(path, f"picture{number}", where) for number, path in enumerate(local)}
    cids = {path: each.cid for path, each in pictures.items()}
    page = html.replace("@@brand@@", _logo(brand, cids)).replace("@@legal@@", _legal(brand))
    sections = {name: _form(each) for name, each in cut.items() if name != "styles"}
    label = message.cta.label if message.cta and "{" not in message.cta.label else ""
    stop = WORDS.get(locale.replace("_", "-").split("-")[0].lower(), WORDS["en"])
    sections["stop"] = sections["stop"].fixing("label", lines(stop))
    sections["labelled"] = sections["cta"].fixing("label", lines(label))
    return Page(
        {}, _form(page), sections, _styles(cut["styles"]), cids, tuple((f'"cid:{each.cid}"', each) for each in pictures.values()),
        _files(message), brand.voice.sign_off, sections["sign"].fill({"sign_off": lines(brand.voice.sign_off)}), label, stop,
    )  # fmt: skip


def lines(text: str) -> Made:
    """Show a text whose line ends are line ends."""
    return shown(text) if "\n" not in text else made(escape(text).replace("\n", "<br>"))


def _styles(section: str) -> tuple[tuple[str, str], ...]:
    return tuple((tag, style) for tag, style in _STYLED.findall(section) if tag != "div" and style)


def _logo(brand: Brand, cids: Mapping[str, str]) -> str:
    logo = f"cid:{cids[brand.theme.logo_path]}" if brand.theme.logo_path else brand.theme.logo_url
    return f'<img src="{escape(logo)}" alt="{escape(brand.name)}">' if logo else escape(brand.name)


def _themed(brand: Brand, locale: str) -> str:
    theme, language = brand.theme, locale.replace("_", "-")
    on_dark = _mixed(theme.primary, "#ffffff", 0.6)
    # a very light brand colour cannot be read as text on the brand's own background
    readable = theme.primary if contrast(theme.primary, theme.background) >= 4.5 else theme.text
    values = {
        "lang": escape(language), "dir": "rtl" if language.split("-")[0].lower() in RIGHT_TO_LEFT else "ltr",
        "canvas": _mixed(theme.background, theme.text, 0.05), "background": theme.background, "text": theme.text,
        "primary": theme.primary, "primary_text": readable, "on_primary": theme.on_primary, "accent": theme.accent,
        "font": re.sub(r"[<>{};]", "", theme.font).replace('"', "'"), "radius": str(theme.radius),
        "dark_canvas": "#111111", "dark_card": "#1d1d1f", "dark_link": on_dark, "padding": PADDING,
    }  # fmt: skip
    return _SLOT.sub(lambda found: values.get(found[1], found[0]), _source())


@lru_cache(maxsize=1)
def _source() -> str:
    return files("omnibus_email").joinpath("layout.html").read_text(encoding="utf-8")


def _inlined(html: str) -> str:
    inliner = CSSInliner(keep_style_tags=False, keep_at_rules=True, load_remote_stylesheets=False)
    made: str = inliner.inline(html)
    # what cannot be inlined comes out first; readers want the charset within the first kilobyte
    return _AT_RULES.sub(r"<head>\2\1</head>", made, count=1)


def _form(html: str) -> Form:
    """Open the slots; what is not ASCII becomes an entity, which is shorter than its quoted-printable."""
    return Form.of(html.encode("ascii", "xmlcharrefreplace").decode(), _SLOT)


def _legal(brand: Brand) -> str:
    return "".join(f"<p>{escape(line)}</p>" for line in brand.legal)


def _is_local(url: str) -> bool:
    """Tell whether the author named a file; a template or a web address is none, and data of people never is."""
    return bool(url) and "{" not in url and "://" not in url and not url.startswith("data:")


def _picture(path: str, cid: str, where: str) -> Attachment:
    kind = mimetypes.guess_type(path)[0] or ""
    if kind not in PICTURES:
        raise MessageError(f"mail clients do not show `{path}`", where=where, fix="use a PNG, JPEG or GIF")
    return Attachment(_name(path), kind, _read(path, MAX_PICTURE, where), cid)


def _files(message: Message) -> tuple[Attachment, ...]:
    """Read what the author attaches: ``data: { attachments: [terms.pdf] }`` in the message file."""
    where, paths = message.source or message.name, message.data.get("attachments") or ()
    if isinstance(paths, str) or not all(isinstance(each, str) for each in paths):
        raise MessageError("`attachments` is no list of files", where=where, fix="write `attachments: [terms.pdf]`")
    return tuple(
        Attachment(
            _name(path), mimetypes.guess_type(path)[0] or "application/octet-stream", _read(path, MAX_FILE, where)
        )
        for path in paths
    )


def _name(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]


def _read(path: str, limit: int, where: str) -> bytes:
    if not Path(path).is_file():
        raise MessageError(
            f"there is no file `{path}`", where=where, fix="give an existing file or, of a picture, its URL"
        )
    data = Path(path).read_bytes()
    if len(data) > limit:
        raise MessageError(f"`{path}` has {len(data)} bytes", where=where, fix=f"stay below {limit} bytes")
    return data


def contrast(one: str, other: str) -> float:
    """Compute the contrast of two ``#rrggbb`` colours, 1 to 21 (WCAG 2.2, relative luminance)."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [part / 255 for part in _rgb(colour)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mixed(one: str, other: str, share: float) -> str:
    pairs = zip(_rgb(one), _rgb(other), strict=True)
    return "#" + "".join(f"{round(a * (1 - share) + b * share):02x}" for a, b in pairs)


def _rgb(colour: str) -> tuple[int, int, int]:
    digits = colour.lstrip("#")
    if len(digits) == 3:
        digits = "".join(each * 2 for each in digits)
    if not re.fullmatch(r"[0-9a-fA-F]{6}", digits):
        raise MessageError(f"`{colour}` is no colour", where="brand theme", fix="write it as #rrggbb")
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
