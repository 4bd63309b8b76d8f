"""Twilio's codes in our words.

Twilio keeps splitting codes: what is not listed is decided by the HTTP status (``omnibus.http.error_for``), and a
report by its status alone. Source: https://www.twilio.com/docs/api/errors
"""

from __future__ import annotations

from omnibus_sms.carrier import Says, account, later, opted_out, refused, unreachable
from omnibus_sms.reports import Fates

#: https://www.twilio.com/docs/api/errors — what the API answers to POST Messages.json
ANSWERS: dict[int, Says] = {
    20003: account,  # authentication
    20404: refused,
    20429: later,  # too many requests, nothing was processed
    21211: unreachable,  # To is no number
    21212: account,  # From is not usable
    21265: unreachable,  # To is a short code
    21266: refused,  # To equals From: our own mistake, so the number is not suppressed
    21268: unreachable,  # premium number
    21408: account,  # region not enabled for this account
    21602: refused,  # no body
    21603: account,
    21604: refused,  # no To: our own mistake
    21606: account,
    21608: account,  # trial account, To not verified
    21609: refused,  # StatusCallback is no URL
    21610: opted_out,  # they wrote STOP to this sender: Twilio blocks it, so do we
    21611: later,  # the sender's queue holds more than 10 hours
    21612: refused,  # no route for this pair of numbers: another provider may have one
    21614: unreachable,  # not a mobile number
    21617: refused,  # over 1,600 characters
    21619: refused,
    21620: refused,
    21623: refused,
    21635: unreachable,  # landline
    21655: refused,
    21656: refused,
    21659: account,
    21660: account,
    21661: account,
    21701: account,
    21702: account,
    21703: account,
    21704: account,
    21705: account,
    30001: later,
    30002: account,  # suspended
    30011: refused,  # no MMS
    30017: later,
    30019: refused,
    30022: later,
    30023: later,  # T-Mobile's daily cap: until midnight Pacific
    30027: later,
    30032: account,  # toll-free number not verified
    30034: account,  # US number outside a registered campaign
    30047: later,
    30450: account,  # pumping protection
    30610: later,  # quiet hours by the Compliance Toolkit
    30640: opted_out,  # known litigator
}

#: MessageStatus → event; the rest is on its way and no news
#: https://www.twilio.com/docs/messaging/api/message-resource#message-status-values
STATUSES = {
    "delivered": "message.delivered",
    "read": "message.opened",
    "undelivered": "message.failed",
    "failed": "message.failed",
}

#: ErrorCode of a report that says more than "failed"; https://www.twilio.com/docs/api/errors
FATES = Fates(
    bounces={
        "30003": False,  # off or roaming
        "30004": False,  # blocked by handset or carrier, often for a while
        "30005": True,  # unknown handset
        "30006": True,  # landline, or the carrier cannot be reached
        "21211": True,
        "21265": True,
        "21268": True,
        "21614": True,
        "21635": True,
    },
    opt_outs=frozenset({"21610", "30640"}),
    ours=frozenset({"30002", "30007", "30032", "30034", "30450"}),
)
