"""The built-in policies, each a file, registered like any plugin's.

They are judged in this order for `why`; the strictest verdict wins, so the order changes nothing else.
"""

from omnibus.policies.budget import Budget
from omnibus.policies.consent import ConsentGiven
from omnibus.policies.offer import OfferAlive
from omnibus.policies.premises import Premises
from omnibus.policies.quiet_hours import QuietHours
from omnibus.policies.reach import InReach
from omnibus.policies.safety import Safety
from omnibus.policies.suppression import NotSuppressed

BUILT_IN = (Safety, ConsentGiven, NotSuppressed, Premises, OfferAlive, InReach, QuietHours, Budget)

__all__ = [
    "BUILT_IN",
    "Budget",
    "ConsentGiven",
    "InReach",
    "NotSuppressed",
    "OfferAlive",
    "Premises",
    "QuietHours",
    "Safety",
]
