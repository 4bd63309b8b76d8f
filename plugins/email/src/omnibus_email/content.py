"""What one mail carries, before anybody carries it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from omnibus import Content, Preview


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
