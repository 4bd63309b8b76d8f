"""The SMS channel of Omnibus: parts counted exactly, STOP honoured, Twilio, Vonage, SMPP and any HTTP gateway."""

from __future__ import annotations

from typing import Any

from omnibus import hookimpl
from omnibus_sms.channel import Sms, SmsContent
from omnibus_sms.gateway import Gateway
from omnibus_sms.phones import normal as normal_phone
from omnibus_sms.smpp import Smpp
from omnibus_sms.twilio import Twilio
from omnibus_sms.vonage import Vonage
from omnibus_sms.vonage_messages import VonageMessages

__all__ = [
    "Smpp",
    "Sms",
    "SmsContent",
    "Twilio",
    "Vonage",
    "VonageMessages",
    "normal_phone",
    "omnibus_register",
    "omnibus_sandbox",
]


@hookimpl
def omnibus_register(register: Any) -> None:
    """Bring the channel and its carriers."""
    register(Sms, Gateway, Smpp, Twilio, Vonage, VonageMessages)


@hookimpl
def omnibus_sandbox(register: Any) -> None:
    """Bring the carriers' side for tests and demo."""
    from omnibus_sms.sandbox import TwilioSandbox  # noqa: PLC0415 - heavy, and only tests and demo need it

    register(TwilioSandbox)
