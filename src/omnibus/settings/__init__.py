"""``omnibus.toml``, environment and secret files → ``Settings``. Start with ``load``.

Stands one floor above ``omnibus.model``, whose ``Offer`` it fills. A later source wins:
``omnibus.toml`` < ``OMNIBUS_*`` < secret files < keyword arguments.
"""

from omnibus.settings.keep import Retention
from omnibus.settings.loading import Settings, load
from omnibus.settings.secrets import MASK, make_key, mask, read_key, resolve_secrets
from omnibus.settings.sections import Budget, Core, Policies, QuietHours, Safety, Server, Tracking
from omnibus.settings.words import Mistake, describe, describe_channel_errors, suggest

__all__ = [
    "MASK",
    "Budget",
    "Core",
    "Mistake",
    "Policies",
    "QuietHours",
    "Retention",
    "Safety",
    "Server",
    "Settings",
    "Tracking",
    "describe",
    "describe_channel_errors",
    "load",
    "make_key",
    "mask",
    "read_key",
    "resolve_secrets",
    "suggest",
]  # fmt: skip
