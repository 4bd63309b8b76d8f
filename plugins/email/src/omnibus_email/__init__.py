"""The email channel of Omnibus: the medium, and who carries it."""

from __future__ import annotations

from typing import Any

from omnibus import hookimpl
from omnibus_email.channel import Attachment, Email, EmailContent
from omnibus_email.smtp import Smtp, Smtps

__all__ = ["Attachment", "Email", "EmailContent", "Smtp", "Smtps", "omnibus_register", "omnibus_sandbox"]


@hookimpl
def omnibus_register(register: Any) -> None:
    """Bring the channel and its providers."""
    register(Email, Smtp, Smtps)


@hookimpl
def omnibus_sandbox(register: Any) -> None:
    """Bring the mail server for tests and the demo."""
    from omnibus_email.sandbox import SmtpSandbox  # noqa: PLC0415 - needs aiosmtpd, which only tests and demo have

    register(SmtpSandbox)
