"""The email channel of Omnibus: the medium, and who carries it."""

from __future__ import annotations

from typing import Any

from omnibus import hookimpl
from omnibus_email.channel import Email
from omnibus_email.content import Attachment, EmailContent
from omnibus_email.mailgun import Mailgun
from omnibus_email.postmark import Postmark
from omnibus_email.resend import Resend
from omnibus_email.sendgrid import Sendgrid
from omnibus_email.ses import Ses
from omnibus_email.smtp import Smtp, Smtps

__all__ = [
    "Attachment",
    "Email",
    "EmailContent",
    "Mailgun",
    "Postmark",
    "Resend",
    "Sendgrid",
    "Ses",
    "Smtp",
    "Smtps",
    "omnibus_register",
    "omnibus_sandbox",
]


@hookimpl
def omnibus_register(register: Any) -> None:
    """Bring the channel and its providers."""
    register(Email, Smtp, Smtps, Ses, Sendgrid, Postmark, Mailgun, Resend)


@hookimpl
def omnibus_sandbox(register: Any) -> None:
    """Bring the mail server for tests and the demo."""
    from omnibus_email.sandbox import SmtpSandbox  # noqa: PLC0415 - needs aiosmtpd, which only tests and demo have

    register(SmtpSandbox)
