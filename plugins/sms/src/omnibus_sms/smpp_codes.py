"""SMPP's numbers in our words. Source: SMPP v3.4 issue 1.2, §5.1.3 (command_status), §5.2.28 (message_state), appendix B."""

from __future__ import annotations

from omnibus_sms.carrier import Says, account, later, refused, unreachable

#: SMPP v3.4 §5.1.3 — command_status of a response to bind or submit; 0x400 and above are the vendor's own
ANSWERS: dict[int, Says] = {
    0x01: refused,  # RINVMSGLEN
    0x02: later,  # RINVCMDLEN: our own mistake, a new session helps
    0x03: later,  # RINVCMDID
    0x04: later,  # RINVBNDSTS
    0x05: later,  # RALYBND
    0x08: later,  # RSYSERR
    0x0A: account,  # RINVSRCADR
    0x0B: unreachable,  # RINVDSTADR
    0x0D: account,  # RBINDFAIL
    0x0E: account,  # RINVPASWD
    0x0F: account,  # RINVSYSID
    0x14: later,  # RMSGQFUL
    0x45: later,  # RSUBMITFAIL
    0x48: account,  # RINVSRCTON
    0x49: account,  # RINVSRCNPI
    0x50: unreachable,  # RINVDSTTON
    0x51: unreachable,  # RINVDSTNPI
    0x53: account,  # RINVSYSTYP
    0x58: later,  # RTHROTTLED
    0x61: refused,  # RINVSCHED
    0x62: refused,  # RINVEXPIRY
    0x64: later,  # RX_T_APPN
    0x65: refused,  # RX_P_APPN
    0x66: refused,  # RX_R_APPN
    0xC0: refused,
    0xC1: refused,
    0xC2: refused,
    0xC3: refused,
    0xC4: refused,
    0xFE: later,  # RDELIVERYFAILURE
    0xFF: later,  # RUNKNOWNERR
}
THROTTLED, PAUSE = 0x58, 1.0  # seconds that a throttled session keeps quiet

#: TLV message_state → the word of the receipt's text; §5.2.28
STATES = {
    1: "ENROUTE",
    2: "DELIVRD",
    3: "EXPIRED",
    4: "DELETED",
    5: "UNDELIV",
    6: "ACCEPTD",
    7: "UNKNOWN",
    8: "REJECTD",
}
#: ``stat:`` of a receipt → event; appendix B. The rest is on its way and no news
STATUSES = {
    "DELIVRD": "message.delivered",
    "EXPIRED": "message.failed",
    "DELETED": "message.failed",
    "UNDELIV": "message.failed",
    "UNKNOWN": "message.failed",
    "REJECTD": "message.failed",
}
