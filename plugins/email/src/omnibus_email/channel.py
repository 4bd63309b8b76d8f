"""The email medium: one subject line, a text part, an HTML part in the brand's layout, headers.

Rules: RFC 5322 (message), RFC 2369 and 8058 (one-click unsubscribe), RFC 2392 (``cid:`` pictures);
Gmail clips HTML above about 102 KB (https://developers.google.com/workspace/gmail).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, NamedTuple
from urllib.parse import urlsplit

from omnibus import Brand, Capabilities, Channel, Content, Context, Draft, Fact, Layout, Loss, Message, Preview, Purpose
from omnibus_email import layout as layouts
from omnibus_email.markup import CONTROL, escape, paragraphs, to_html
from omnibus_email.quoted import piece

MAX_HTML = 102_000  # bytes that Gmail shows before it clips
PREVIEW = 140  # characters of the body that stand in for a missing preheader
MAX_SUBJECT = 250  # characters; clients show 30 to 70 of them
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")  # would end a header or hide in one


@dataclass(frozen=True, slots=True)
class Attachment:
    """Hold a file that travels with the mail; with *cid* it is a picture inside the HTML."""

    name: str
    media_type: str
    data: bytes = field(repr=False)
    cid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailContent(Content):
    """Hold one mail but for its envelope: who sends and carries it is the provider's.

    Args:
        html: a whole HTML document, CSS inlined.
        headers: further headers, e.g. ``List-Unsubscribe``; never ones the provider writes (From, To, Date …).
        sender: display name for From where the provider's settings give none.
        thread: stable reference of the conversation; empty for none.
        coded: *html* as quoted-printable where the layout has prepared it; empty otherwise.
    """

    subject: str = field(repr=False)
    html: str = field(repr=False)
    preheader: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    attachments: tuple[Attachment, ...] = field(default=(), repr=False)
    sender: str = ""
    thread: str = ""
    coded: str = field(default="", repr=False, compare=False)

    def preview(self) -> Preview:
        """Show the mail as its reader sees it, pictures included."""
        html = self.html
        for each in self.attachments:
            if each.cid:
                data = base64.b64encode(each.data).decode()
                html = html.replace(f"cid:{each.cid}", f"data:{each.media_type};base64,{data}")
        return Preview(f"Subject: {self.subject}\n\n{self.text}", "text/html", html.encode())


class Email(Channel):
    """Compose mail for a person."""

    name: ClassVar[str] = "email"
    identity: ClassVar[str | None] = "email"
    capabilities: ClassVar[Capabilities] = Capabilities(
        media=True, html=True, replies=True,
        reports=("delivered", "opened", "clicked", "replied", "bounced", "complained", "unsubscribed"),
    )  # fmt: skip

    def layout(self, message: Message, brand: Brand, locale: str) -> Layout:
        """Inline the brand's CSS and read local pictures, once."""
        return layouts.prepare(message, brand, locale)

    def compose(self, draft: Draft, layout: Layout | None, context: Context) -> EmailContent:
        """Fill the slots of the layout; nothing mandatory can be too long for a mail."""
        parts = (layout or self.layout(draft.message, draft.brand, draft.locale)).parts
        subject, losses = _subject(draft)
        text = _text(draft)
        page = _filled(parts, "page", _values(draft, parts, subject, losses))
        html = page.html
        if len(html) > MAX_HTML // 4 and len(html.encode()) > MAX_HTML:
            losses.append(Loss("end of the HTML", f"Gmail clips above {MAX_HTML} bytes; the text part is whole"))
        return EmailContent(
            text=text, losses=tuple(losses), subject=subject, html=html, preheader=_preheader(draft),
            headers=_list_headers(draft), attachments=_attachments(parts, html), sender=_line(draft.brand.name), thread=_line(draft.thread),
            coded=page.coded,
        )  # fmt: skip


def _line(text: str) -> str:
    return _UNSEEN.sub(" ", text).strip()


def _subject(draft: Draft) -> tuple[str, list[Loss]]:
    subject = _line(draft.headline) or _line(draft.brand.name)
    if len(subject) <= MAX_SUBJECT:
        return subject, []
    return subject[: MAX_SUBJECT - 1].rstrip() + "…", [Loss("end of the subject", f"over {MAX_SUBJECT} characters")]


def _text(draft: Draft) -> str:
    """Write the text part: what the HTML says, in the same order, and every fact letter by letter."""
    own = draft.blocks.get("email", "")
    pieces = [draft.headline, own or draft.text]
    pieces.append(_offer_line(draft))
    if draft.cta:
        pieces.append(f"{draft.cta.label}: {draft.cta.url}")
    pieces.append(_sign_off(draft))
    pieces += _missing(draft.facts, "\n".join(pieces), "opt_out")
    foot = [*draft.brand.legal]
    if stop := draft.opt_out.url or draft.opt_out.mailto:
        foot.append(f"{_words(draft)['stop']}: {stop}")
    foot += [each.text for each in draft.facts if each.kind == "opt_out" and each.text not in "\n".join(foot)]
    if foot:
        pieces += ["--", "\n".join(foot)]
    return CONTROL.sub("", "\n\n".join(each.strip() for each in pieces if each.strip())) + "\n"


class _Made(NamedTuple):
    """Hold a filled piece of the page, as HTML and as quoted-printable."""

    html: str
    coded: str


def _plain(html: str) -> _Made:
    return _Made(html, piece(html))


_NOTHING = _Made("", "")


def _filled(parts: Mapping[str, str], name: str, values: Mapping[str, _Made]) -> _Made:
    return _Made(
        parts[name] % {slot: made.html for slot, made in values.items()},
        parts[f"coded.{name}"] % {slot: made.coded for slot, made in values.items()},
    )


def _values(draft: Draft, parts: Mapping[str, str], subject: str, losses: list[Loss]) -> dict[str, _Made]:
    """Fill the slots of the page; every fact stands in one of them."""
    offer, cta, stop, sign = draft.offer, draft.cta, draft.opt_out.url or draft.opt_out.mailto, _sign_off(draft)
    values = {
        "subject": _plain(escape(subject)), "headline": _plain(escape(_line(draft.headline))),
        "preheader": _plain(escape(_preheader(draft))), "body": _plain(_body(draft, parts)),
        "image": _image(draft, parts, losses), "offer": _NOTHING, "cta": _NOTHING, "sign": _NOTHING, "stop": _NOTHING,
    }  # fmt: skip
    if offer:
        until = _offer_line(draft).partition(offer.code)[2].strip(" ·") if offer.code else offer.deadline
        values["offer"] = _section(parts, "offer", label=offer.label, code=offer.code, until=until or offer.deadline)
    if cta:
        values["cta"] = _section(parts, "cta", url=web(cta.url), label=cta.label)
    if sign:
        values["sign"] = _section(parts, "sign", sign_off=sign)
    if stop:
        values["stop"] = _section(parts, "stop", url=stop, label=_words(draft)["stop"])
    return values


def _section(parts: Mapping[str, str], name: str, **texts: str) -> _Made:
    values = {slot: _plain(escape(text).replace("\n", "<br>")) for slot, text in texts.items()}
    return _filled(parts, name, values)


def _body(draft: Draft, parts: Mapping[str, str]) -> str:
    """Write the body, and below it the facts that nothing else on the page says."""
    styles = _styles(parts["styles"])
    own = draft.blocks.get("email", "")
    body = paragraphs(own, styles) if own else to_html(draft.markdown, styles)
    said = [draft.headline, own or draft.text]
    said += [draft.offer.code, draft.offer.label, draft.offer.deadline] if draft.offer else []
    said += [draft.cta.url] if draft.cta else []
    for text in _missing(draft.facts, "\n".join(said), "opt_out"):
        body += paragraphs(text, styles)
    return CONTROL.sub("", body)


@lru_cache(maxsize=256)
def _styles(lines: str) -> Mapping[str, str]:
    return dict(each.split("\t", 1) for each in lines.split("\n"))


def _preheader(draft: Draft) -> str:
    """Give the preview line: the author's, else the first words of the body."""
    return _line(draft.preheader) or _line(draft.text[:PREVIEW])


def _image(draft: Draft, parts: Mapping[str, str], losses: list[Loss]) -> _Made:
    """Show the pictures that the layout has read, and those on the web."""
    made = []
    for media in draft.media:
        cid = parts.get(f"cid.{media.url}")
        if cid is None and not media.url.startswith("https://"):
            losses.append(Loss("picture", "neither an https URL nor a file that the author named"))
            continue
        made.append(_section(parts, "image", src=f"cid:{cid}" if cid else media.url, alt=media.alt))
    return _Made("".join(each.html for each in made), "".join(each.coded for each in made))


def _attachments(parts: Mapping[str, str], html: str) -> tuple[Attachment, ...]:
    """Give the pictures that the HTML shows, then the author's files."""
    cids = [(path, parts[f"cid.{path}"]) for path in parts["pictures"].splitlines()]
    shown = [(path, cid) for path, cid in cids if f'"cid:{cid}"' in html]
    files = [(path, "") for path in parts["files"].splitlines()]
    return tuple(_attachment(path, parts[f"kind.{path}"], parts[f"data.{path}"], cid) for path, cid in shown + files)


@lru_cache(maxsize=64)
def _attachment(path: str, kind: str, data: str, cid: str) -> Attachment:
    return Attachment(re.split(r"[/\\]", path)[-1], kind, base64.b64decode(data), cid)


def _missing(facts: tuple[Fact, ...], text: str, besides: str) -> list[str]:
    return [each.text for each in facts if each.kind != besides and each.text not in text]


def _offer_line(draft: Draft) -> str:
    """Say the offer in one line: as the draft words it, else its plain parts."""
    told = next((each.text for each in draft.elements if each.kind == "offer"), "")
    offer = draft.offer
    if offer is None:
        return ""
    needed = [each for each in (offer.code, offer.deadline) if each]
    if told and all(each in told for each in needed):
        return told
    return " · ".join(each for each in (offer.label, offer.code, offer.deadline) if each)


def _sign_off(draft: Draft) -> str:
    told = [each.text for each in draft.elements if each.kind == "sign_off"]
    sign = "\n".join(told) or draft.brand.voice.sign_off
    return "" if sign and draft.text.rstrip().endswith(sign) else sign


def web(url: str) -> str:
    """Let through links that a mail client may open: web, mail and telephone; anything else leads nowhere."""
    return url if url.lower().startswith(("https://", "http://", "mailto:", "tel:")) else "#"


_WORDS = {
    "en": "Unsubscribe", "de": "Abmelden", "fr": "Se désabonner", "es": "Darse de baja", "it": "Annulla iscrizione",
    "nl": "Afmelden", "pt": "Cancelar subscrição", "pl": "Wypisz się", "sv": "Avregistrera", "da": "Afmeld",
}  # fmt: skip


def _words(draft: Draft) -> dict[str, str]:
    language = draft.locale.replace("_", "-").split("-")[0].lower()
    return {"stop": _WORDS.get(language, _WORDS["en"])}


def _list_headers(draft: Draft) -> dict[str, str]:
    """Write List-Unsubscribe and, beside one HTTPS URI, the one-click header of RFC 8058.

    A loopback address gets the header too, so that a set-up can be tried without a certificate.
    """
    url, mailto = draft.opt_out.url, draft.opt_out.mailto
    if draft.message.purpose is Purpose.TRANSACTIONAL or not (url or mailto):
        return {}
    targets = [each for each in (url, mailto) if each and not re.search(r"[\s<>,]", each)]
    headers = {"List-Unsubscribe": ", ".join(f"<{each}>" for each in targets)} if targets else {}
    parts = urlsplit(url)
    if headers and (parts.scheme == "https" or parts.hostname in {"127.0.0.1", "localhost", "::1"}):
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers
