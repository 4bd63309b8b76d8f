"""Vonage's codes in our words.

Sources: https://developer.vonage.com/messaging/sms/guides/troubleshooting-sms (statuses),
https://developer.vonage.com/messaging/sms/guides/delivery-receipts (receipts).
"""

from __future__ import annotations

from omnibus_sms.carrier import Says, account, later, refused, unreachable
from omnibus_sms.reports import Fates

#: https://developer.vonage.com/api-errors/sms — ``status`` of each message in a 200
ANSWERS: dict[str, Says] = {
    "1": later,  # throttled
    "2": refused,  # missing parameters
    "3": refused,  # invalid parameters
    "4": account,  # invalid credentials
    "5": later,  # internal error, the message was not taken
    "6": refused,  # cannot be processed, e.g. an unknown prefix
    "7": unreachable,  # number barred
    "8": account,  # account barred
    "9": account,  # no credit
    "10": later,  # too many binds
    "11": account,  # not enabled for HTTP
    "12": refused,  # too long
    "14": account,  # signature of the request
    "15": refused,  # sender is not allowed there
    "22": refused,  # network code
    "23": refused,  # callback URL
    "29": account,  # demo account, number not on its list
    "32": account,  # signed and with a secret at once
    "33": unreachable,  # number deactivated
}

#: ``status`` of a receipt → event; the rest is on its way and no news
STATUSES = {
    "delivered": "message.delivered",
    "expired": "message.failed",
    "failed": "message.failed",
    "rejected": "message.failed",
    "unknown": "message.failed",
}

#: ``err-code`` of a receipt; https://developer.vonage.com/messaging/sms/guides/delivery-receipts#dlr-error-codes
FATES = Fates(
    bounces={
        "2": False,  # absent for now
        "3": True,  # absent for good
        "4": True,  # barred by the user
        "5": True,  # ported wrongly
        "7": False,  # handset busy
        "8": False,  # network error
        "9": True,
        "11": True,  # unroutable
        "12": True,  # unreachable
    },
    opt_outs=frozenset({"9"}),  # the person asked this service to stop
    ours=frozenset({"6", "16", "50", "51", "52", "54"}),  # spam filter, quota, regulation
)
