"""One mail as an API is told of it: checked, threaded, and the pieces that every API names in its own way."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omnibus import Attempt, Refused
from omnibus_email import head
from omnibus_email.content import EmailContent
from omnibus_email.mime import message_id, thread_id

Mailbox = tuple[str, str]
#: the name under which our attempt travels through a provider and comes back in its webhooks
ATTEMPT = "omnibus_attempt"


@dataclass(frozen=True, slots=True)
class Letter:
    """Hold a mail for one person, its texts checked.

    Args:
        sender, reply_to: display name and address.
    """

    content: EmailContent
    to: str = field(repr=False)
    attempt: Attempt
    sender: Mailbox = field(repr=False)
    reply_to: Mailbox | None = field(default=None, repr=False)

    @property
    def sender_named(self) -> Mailbox:
        """Give the sender, under the brand's name where the settings say none."""
        return self.sender[0] or self.content.sender, self.sender[1]

    @property
    def headers(self) -> dict[str, str]:
        """Write the headers that go beside the provider's fields."""
        return extra_headers(self.content, self.attempt, self.sender[1].rpartition("@")[2])

    def files(self, name: str, data: str, kind: str, cid: str, as_cid: str = "{}") -> list[dict[str, str]]:
        """List the attachments under the provider's names; *cid* only where a picture has one, written as *as_cid* says."""
        return [
            {name: each.name, data: base64.b64encode(each.data).decode(), kind: each.media_type}
            | ({cid: as_cid.format(each.cid)} if each.cid else {})
            for each in self.content.attachments
        ]


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is empty."""
    return {name: value for name, value in fields.items() if value}


def mail_of(content: object) -> EmailContent:
    """Give the content as a mail, its texts checked for what could become a header.

    Raises:
        Refused: it is none, or it is forged.
    """
    if not isinstance(content, EmailContent):
        raise Refused("no_mail")
    for each in (content.subject, content.sender, *content.headers.values(), *(a.name for a in content.attachments)):
        head.checked(each)
    return content


def references(content: EmailContent, attempt: Attempt, domain: str) -> dict[str, str]:
    """Write threading headers; the second reference names our attempt, for providers replace the Message-ID."""
    mine = f"<{reference(attempt, domain)}>"
    if not content.thread:
        return {"References": mine}
    root = f"<{thread_id(content.thread, domain)}>"
    return {"In-Reply-To": root, "References": f"{root} {mine}"}


def reference(attempt: Attempt, domain: str) -> str:
    """Name our attempt as a Message-ID that answers repeat in their references."""
    return f"oma.{attempt.id}@{domain}"


def extra_headers(content: EmailContent, attempt: Attempt, domain: str) -> dict[str, str]:
    """Give the headers that go beside the provider's fields; non-ASCII values as encoded words."""
    made = {**content.headers, **references(content, attempt, domain), "Auto-Submitted": "auto-generated"}
    return {name: value if value.isascii() else " ".join(head.encoded_words(value)) for name, value in made.items()}


def own_id(attempt: Attempt, domain: str) -> str:
    """Name a mail by its delivery, for providers that keep a given Message-ID."""
    return message_id(attempt.delivery, domain)


def named(pair: Mailbox | None) -> str:
    """Write ``Acme <hello@example.com>`` for a JSON field; quotes in the name are escaped; nothing for nobody."""
    if pair is None:
        return ""
    display = pair[0]
    if not display:
        return pair[1]
    quoted = display.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{pair[1]}>'
