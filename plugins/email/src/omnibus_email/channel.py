"""The email medium: one subject line, a text part, an HTML part in the brand's layout, headers.

Rules: RFC 5322 (message), RFC 2369 and 8058 (one-click unsubscribe), RFC 2392 (``cid:`` pictures);
Gmail clips HTML above about 102 KB (https://developers.google.com/workspace/gmail).
"""

from __future__ import annotations

import re
from typing import ClassVar
from urllib.parse import urlsplit

from omnibus import Brand, Capabilities, Channel, Context, Draft, Layout, Loss, Message, Purpose
from omnibus_email.content import Attachment, EmailContent
from omnibus_email.layout import Page, prepare
from omnibus_email.page import filled
from omnibus_email.words import line, plain, words_of

MAX_HTML = 102_000  # bytes that Gmail shows before it clips
_ODD = re.compile(r"[\s<>,]")  # would end an address between angle brackets


class Email(Channel):
    """Compose mail for a person."""

    name: ClassVar[str] = "email"
    identity: ClassVar[str | None] = "email"
    capabilities: ClassVar[Capabilities] = Capabilities(
        media=True, html=True, replies=True,
        reports=("delivered", "opened", "clicked", "replied", "bounced", "complained", "unsubscribed"),
    )  # fmt: skip

    def layout(self, message: Message, brand: Brand, locale: str) -> Layout:
        """Inline the brand's CSS, encode what is the same for everybody and read local pictures, once."""
        return prepare(message, brand, locale)

    def compose(self, draft: Draft, layout: Layout | None, context: Context) -> EmailContent:
        """Fill the slots of the layout; nothing mandatory can be too long for a mail."""
        page = layout if isinstance(layout, Page) else prepare(draft.message, draft.brand, draft.locale)
        losses: list[Loss] = []
        words = words_of(draft, losses)
        html, coded = filled(draft, page, words, losses)
        if len(html) > MAX_HTML // 4 and len(html.encode()) > MAX_HTML:
            losses.append(Loss("end of the HTML", f"Gmail clips above {MAX_HTML} bytes; the text part is whole"))
        return EmailContent(
            text=plain(draft, page, words), losses=tuple(losses), subject=words.subject, html=html,
            preheader=words.preheader, headers=_list_headers(draft), attachments=_attachments(page, html),
            sender=line(draft.brand.name), thread=line(draft.thread), coded=coded,
        )  # fmt: skip


def _attachments(page: Page, html: str) -> tuple[Attachment, ...]:
    """Give the pictures that the HTML shows, then the author's files."""
    if not page.pictures:
        return page.files
    return (*(each for mark, each in page.pictures if mark in html), *page.files)


def _list_headers(draft: Draft) -> dict[str, str]:
    """Write List-Unsubscribe and, beside one HTTPS URI, the one-click header of RFC 8058.

    A loopback address gets the header too, so that a set-up can be tried without a certificate.
    """
    url, mailto = draft.opt_out.url, draft.opt_out.mailto
    if draft.message.purpose is Purpose.TRANSACTIONAL or not (url or mailto):
        return {}
    targets = [f"<{each}>" for each in (url, mailto) if each and not _ODD.search(each)]
    headers = {"List-Unsubscribe": ", ".join(targets)} if targets else {}
    if headers and _one_click(url):
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def _one_click(url: str) -> bool:
    return url[:8].lower() == "https://" or (bool(url) and urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"})
