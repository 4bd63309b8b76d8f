"""Find the words that a person wrote in a reply: no quoted mail, no signature.

The marks are what mail programs put before a quotation; they are conventions, not a standard (RFC 3676 §4.3 has ``-- ``).
"""

from __future__ import annotations

import re
from email.message import Message
from html import unescape

import nh3

#: the line that introduces a quotation, in the languages of common mail programs; it may be wrapped over three lines
_INTRODUCED = re.compile(
    r"^[ \t]*(?:On\b.{4,300}?\bwrote|Am\b.{4,300}?\bschrieb\b.{0,200}?|Le\b.{4,300}?\ba écrit|El\b.{4,300}?\bescribió"
    r"|Il\b.{4,300}?\bha scritto|Op\b.{4,300}?\bschreef\b.{0,200}?|Em\b.{4,300}?\bescreveu)[ \t\xa0]?:[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
#: everything from here on is an old mail
_ORIGINAL = re.compile(
    r"^[ \t]*(?:-{2,}[ ]?(?:Original Message|Ursprüngliche Nachricht|Message d'origine|Mensaje original"
    r"|Forwarded message)[ ]?-{2,}|_{10,}[ \t]*\n[ \t]*(?:From|Von|De|Da):|(?:From|Von|De): .+\n(?:Sent|Gesendet|Envoyé|Enviado|Date|Datum): )",
    re.MULTILINE | re.IGNORECASE,
)
_QUOTED = re.compile(r"^[ \t]*>.*\n?", re.MULTILINE)
_SIGNATURE = re.compile(r"^-- ?$.*", re.MULTILINE | re.DOTALL)
_SENT_FROM = re.compile(
    r"^(?:Sent from my |Von meinem \w+ gesendet|Envoyé de mon |Enviado desde mi |Get Outlook for ).*$", re.MULTILINE
)
_BREAKS = re.compile(r"<(?:br|/p|/div|/li|/tr|/h[1-6])\b[^>]*>", re.IGNORECASE)
_DROPPED = {"script", "style", "head", "title", "blockquote"}


def spoken(mail: Message) -> str:
    """Give the words of a mail without what they quote; the whole text where nothing would be left."""
    text = _plain(mail).replace("\r\n", "\n").replace("\r", "\n")
    return unquoted(text) or text.strip()


def unquoted(text: str) -> str:
    """Cut quotations, the lines that introduce them, and the signature."""
    found = _ORIGINAL.search(text)
    text = text[: found.start()] if found else text
    found = _INTRODUCED.search(text)
    if found:
        # with quoted lines below, an answer may stand under them; without, all below is the old mail
        below = text[found.end() :]
        text = text[: found.start()] + ("\n" + below if ">" in below else "")
    text = _SENT_FROM.sub("", _SIGNATURE.sub("", _QUOTED.sub("", text)))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _plain(mail: Message) -> str:
    """Give the first plain text part, else the HTML part as text."""
    html = ""
    for part in mail.walk():
        if part.is_multipart() or part.get_filename():
            continue
        if part.get_content_type() == "text/plain":
            return _decoded(part)
        if part.get_content_type() == "text/html" and not html:
            html = _decoded(part)
    bare = nh3.clean(_BREAKS.sub("\n", html), tags=set(), attributes={}, clean_content_tags=_DROPPED)
    return re.sub(r"[ \t]+", " ", unescape(bare)).replace("\xa0", " ")


def _decoded(part: Message) -> str:
    body = part.get_payload(decode=True)
    raw = body if isinstance(body, bytes) else b""
    charset = str(part.get_content_charset() or "utf-8")
    try:
        return raw.decode(charset, "replace")
    except (LookupError, ValueError):  # a charset that nobody knows, or one that is no name
        return raw.decode("utf-8", "replace")
