"""Every error of Omnibus, one tree; branches are named by what the caller does next.

::

    OmnibusError
    ├── InputError          mend what you gave: file, value, argument (says what, where and the fix)
    │   ├── ConfigError     omnibus.toml, environment, secret files
    │   ├── MessageError    a message or brand file
    │   ├── JourneyError    a journey file
    │   └── NotFound        no such customer, delivery, message, offer …
    ├── PluginError         a plugin could not be loaded, or registers something wrong
    ├── FacetError          a facet cannot be told of somebody: wait, mend its code, `omnibus rebuild`
    ├── Conflict            the same key was used for something else
    ├── StoreFull           refused before accepting: disk full, locked or down; nothing was stored
    ├── DeliveryError       what a provider raises from ``deliver``; one of four answers
    │   ├── TryLater        nothing was processed; the same again, later
    │   ├── Refused         this message is bad here, for good
    │   ├── Unreachable     this identity does not work on this channel; suppress it
    │   └── Unknown         it may have arrived; never resent blindly, never failed over
    └── Forged              a webhook that nobody entitled signed

No text of an error holds a secret, an address or a message body.
"""

from __future__ import annotations


class OmnibusError(Exception):
    """Be the one base that an app may catch."""


class InputError(OmnibusError):
    """Say what is wrong, where it stands and how to mend it.

    Args:
        what: one clause, e.g. ``unknown key `tokn```.
        where: file, section, line or argument; may be empty.
        fix: what to do; may be empty.
    """

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what, self.where, self.fix = what, where, fix
        text = f"{where}: {what}" if where else what
        super().__init__(f"{text}; {fix}" if fix else text)


class ConfigError(InputError):
    """Point at a wrong key or value of the configuration."""


class MessageError(InputError):
    """Point at a wrong line of a message or brand file, or a message that no channel can carry."""


class JourneyError(InputError):
    """Point at a wrong step of a journey file."""


class NotFound(InputError):
    """Name what does not exist, and how to list what does."""


def stranger(what: str) -> NotFound:
    """Say that there is no such customer: *what* is their id, or how they were asked for; an address is not repeated."""
    if "@" in what or what.startswith("+"):
        fix = "write its kind before it, as in email:… or phone:…"
        return NotFound("a customer is told by their id or by an identity, not by a bare address", fix=fix)
    return NotFound(f"no customer {what}", fix="`omnibus customers` lists them")


class PluginError(OmnibusError):
    """Name a plugin that cannot be used, and why."""


class FacetError(OmnibusError):
    """Say which facet of which customer is not known, because its code raised something; nothing is guessed in its place.

    Args:
        error: name of the class of what was raised.
        event, source: the first event that could not be folded; empty when the stored facet could not be read.
    """

    def __init__(self, facet: str, customer: str, error: str, event: str = "", source: str = "") -> None:
        self.facet, self.customer, self.error, self.event, self.source = facet, customer, error, event, source
        super().__init__(f"{self.reason}; mend the facet, then `omnibus rebuild {customer}`; `omnibus dead` lists all")

    @property
    def reason(self) -> str:
        """Say it in one clause, for what waits until it is mended."""
        return f"the facet {self.facet} cannot be folded: {self.error}"


class Conflict(OmnibusError):
    """Tell that a key was already used with another content."""


class StoreFull(OmnibusError):
    """Refuse before accepting: nothing was stored, trying again later is safe."""


class DeliveryError(OmnibusError):
    """Be one of the four answers of a provider that is not a receipt.

    Args:
        reason: our word or the provider's code, e.g. ``rate_limited`` or ``21610``; never an address.
        account: the sender's set-up, credit or reputation is to blame, not this message; ops are told.
    """

    def __init__(self, reason: str, *, account: bool = False) -> None:
        self.reason, self.account = reason, account
        super().__init__(reason)


class TryLater(DeliveryError):
    """Hand the same message over again later; nothing was processed.

    Args:
        retry_after: seconds the provider asked for, or None for our own schedule.
        account: pause this provider for every worker until then.
        alone: *retry_after* is about this recipient only (greylisting): the provider goes on with the others.
    """

    def __init__(
        self, reason: str, *, retry_after: float | None = None, account: bool = False, alone: bool = False
    ) -> None:
        self.retry_after, self.alone = retry_after, alone
        super().__init__(reason, account=account)


class Refused(DeliveryError):
    """Give up on this route: the message is bad here, the identity stays good."""


class Unreachable(DeliveryError):
    """Give up on this identity: suppress it; with *opt_out* the person said no, so consent is withdrawn too."""

    def __init__(self, reason: str, *, opt_out: bool = False) -> None:
        self.opt_out = opt_out
        super().__init__(reason)


class Unknown(DeliveryError):
    """Admit that the message may have arrived: the answer is lost, unreadable or ambiguous."""


class Forged(OmnibusError):
    """Refuse a webhook whose signature, secret or age is wrong; the body is never parsed."""
