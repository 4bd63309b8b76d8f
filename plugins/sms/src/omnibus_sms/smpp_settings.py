"""What an SMSC account needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, SecretStr

from omnibus_sms.carrier import CarrierSettings, Meaning, either
from omnibus_sms.reports import Fates
from omnibus_sms.smpp_pdu import Alphabet, Long


class SmppSettings(CarrierSettings):
    """Hold an SMSC account; DSN ``smpp://SYSTEM_ID:PASSWORD@host:2775?from=Acme``.

    Args:
        webhook_secret, previous_webhook_secret: sign what the session posts to our own hook; without one, or without
            a public URL, it binds as transmitter and asks for no receipts.
        alphabet: what the SMSC takes data_coding 0 for. *long*: how parts are joined.
        receipt_ids: how receipts spell an id: ``same`` as the response, or ``decimal`` where that is hexadecimal.
        statuses: meanings of the vendor's own command_status, by hexadecimal, e.g. ``{"0x400": "account"}``.
        errors: meanings of ``err:`` in receipts: ``hard``, ``soft``, ``opt_out`` or ``account``; they differ by SMSC.
        validity: seconds that the SMSC may keep trying; 0 for its default. *idle*: seconds between enquire_links.
    """

    system_id: str = Field(validation_alias=either("system_id", "user"), max_length=15)
    password: SecretStr = Field(max_length=8)
    host: str = Field(min_length=1)
    port: int = 2775
    tls: bool = False
    system_type: str = Field(default="", max_length=12)
    service_type: str = Field(default="", max_length=5)
    from_: str = Field(alias="from", min_length=1, max_length=20)
    webhook_secret: SecretStr = SecretStr("")
    previous_webhook_secret: SecretStr = SecretStr("")
    alphabet: Alphabet = "gsm7"
    long: Long = "udh"
    window: int = Field(default=10, ge=1, le=1000)
    receipt_ids: Literal["same", "decimal"] = "same"
    statuses: Mapping[str, Meaning] = Field(default_factory=dict)
    errors: Mapping[str, Literal["hard", "soft", "opt_out", "account"]] = Field(default_factory=dict)
    validity: int = Field(default=0, ge=0, le=2_592_000)
    idle: float = Field(default=30.0, gt=0)

    @property
    def fates(self) -> Fates:
        """Give what ``err:`` of a receipt means at this SMSC."""
        return Fates(
            bounces={code: meant == "hard" for code, meant in self.errors.items() if meant in {"hard", "soft"}},
            opt_outs=frozenset(code for code, meant in self.errors.items() if meant == "opt_out"),
            ours=frozenset(code for code, meant in self.errors.items() if meant == "account"),
        )
