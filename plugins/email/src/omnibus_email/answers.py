"""What an SMTP server's answer means: one table, the basic code decides and the enhanced one refines.

Sources: RFC 5321 §4.2, RFC 3463, RFC 5248 and its registry
(https://www.iana.org/assignments/smtp-enhanced-status-codes); Gmail: https://support.google.com/a/answer/3726730.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from omnibus import Refused, TryLater, Unreachable

GREYLISTED_FOR = 300.0  # seconds; what most greylisting servers want (RFC 6647 §5 advises one minute to a day)
FULL_FOR = 3_600.0  # seconds until a full mailbox is worth another look

Fault = TryLater | Refused | Unreachable
Make = Callable[[str], Fault]


def later(reason: str) -> Fault:
    """Try again by our own schedule."""
    return TryLater(reason)


def soon(reason: str) -> Fault:
    """Try this recipient again when greylisting usually lets a sender through; the others are not held up."""
    return TryLater(reason, retry_after=GREYLISTED_FOR, alone=True)


def full(reason: str) -> Fault:
    """Try this recipient again when there may be room; the others are not held up."""
    return TryLater(reason, retry_after=FULL_FOR, alone=True)


def ours(reason: str) -> Fault:
    """Pause this account: its set-up or reputation is to blame."""
    return TryLater(reason, account=True)


def refused(reason: str) -> Fault:
    """Give up on this mail, not on the person."""
    return Refused(reason)


def barred(reason: str) -> Fault:
    """Give up on this mail and tell ops: policy or authentication of our domain."""
    return Refused(reason, account=True)


def dead(reason: str) -> Fault:
    """Give up on this address."""
    return Unreachable(reason)


#: ``subject.detail`` → (answer to 4yz, answer to 5yz)
DETAIL: dict[str, tuple[Make, Make]] = {
    "1.0": (later, dead),
    "1.1": (later, dead),  # no such mailbox
    "1.2": (later, dead),  # no such domain
    "1.3": (later, dead),  # syntax of the address
    "1.6": (later, dead),  # moved, no new address
    "1.7": (ours, ours),  # our sender's syntax
    "1.8": (ours, ours),  # our sender's domain
    "1.10": (later, dead),  # null MX, RFC 7505
    "2.1": (later, dead),  # disabled; Gmail's "too fast" is read from the text
    "2.2": (full, full),  # mailbox full, even where the server says so for good
    "2.3": (refused, refused),  # larger than this mailbox allows
    "3.4": (refused, refused),  # larger than the system allows
    "4.4": (later, dead),  # no route to the domain
    "4.6": (refused, refused),  # loop
    "5.3": (later, refused),  # too many recipients: we send to one
    "7.0": (ours, barred),
    "7.1": (ours, barred),
    "7.8": (ours, ours),  # wrong user or password, RFC 4954
    "7.9": (ours, ours),
    "7.11": (ours, ours),  # wants encryption first
    "7.14": (ours, ours),  # wants a log-in by browser first
    "7.28": (ours, ours),  # flood
}
#: ``subject`` where the detail says nothing more
SUBJECT: dict[str, tuple[Make, Make]] = {
    "1": (later, refused),
    "2": (later, refused),
    "3": (later, later),  # their system
    "4": (later, later),  # the network
    "5": (later, refused),  # protocol: our defect
    "6": (refused, refused),  # content or encoding
    "7": (ours, barred),  # policy, SPF, DKIM, DMARC (RFC 7372)
}
#: basic codes of a server without enhanced ones
BASIC: dict[int, Make] = {
    421: later,
    450: later,
    451: later,
    452: later,
    454: ours,
    523: ours,
    530: ours,
    534: ours,
    535: ours,
    538: ours,
    552: refused,
}
_NOBODY = re.compile(
    r"(no such|unknown|invalid|nonexist\w*|not found|does ?n.t exist|does not exist)[ \w]{0,20}(user|mailbox|recipient|address)"
    r"|(user|mailbox|recipient|address)[ \w]{0,20}(unknown|not found|does ?n.t exist|does not exist|unavailable|disabled)",
    re.IGNORECASE,
)
_TOO_FAST = re.compile(r"too (fast|quickly|many)|rate", re.IGNORECASE)
_GREYLISTED = re.compile(r"gr[ea]y-?list", re.IGNORECASE)
_ENHANCED = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")


class Reply:
    """Hold one answer of a server; its text may quote an address, so it stays out of ``repr``.

    Args:
        lines: as they came, codes included; most are never read.
    """

    __slots__ = ("_lines", "code")

    def __init__(self, code: int, lines: Sequence[bytes]) -> None:
        self.code, self._lines = code, lines

    @property
    def text(self) -> str:
        """Give the words, a line each."""
        return "\n".join([each[4:].decode("utf-8", "replace").rstrip("\r") for each in self._lines])

    @property
    def enhanced(self) -> str:
        """Give the enhanced status code at the beginning of the text, else nothing."""
        found = _ENHANCED.match(self.text)
        return found[0] if found else ""


def fault(code: int, text: str = "", status: str = "", *, recipient: bool = True) -> Fault:
    """Say what to raise for a 4yz or 5yz answer.

    Args:
        text: the server's words; read, never kept.
        status: enhanced code such as ``5.1.1``; empty without one.
        recipient: it answers to ``RCPT`` (or stands in a report about one), so a bare 550 may mean the mailbox.
    """
    for_good = code >= 500
    if status:
        _, subject, detail = status.split(".")
        key = f"{int(subject)}.{int(detail)}"
        if not for_good and _GREYLISTED.search(text):
            return soon(status)
        if key == "2.1" and _TOO_FAST.search(text):
            return later(status)
        pair = DETAIL.get(key) or SUBJECT.get(subject)
        if pair is not None:
            return pair[for_good](status)
    reason = status or str(code)
    if not for_good and _GREYLISTED.search(text):
        return soon(reason)
    if for_good and recipient and code in {550, 551, 553} and _NOBODY.search(text):
        return dead(reason)
    return BASIC.get(code, refused if for_good else later)(reason)
