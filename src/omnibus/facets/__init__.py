"""The built-in facets, each a file, registered like any plugin's.

A new facet is one file here (or in a plugin): a frozen dataclass with a pure ``after(event)``.
"""

from omnibus.facets.cart import Cart
from omnibus.facets.consent import Consent
from omnibus.facets.conversation import Conversation
from omnibus.facets.engagement import Engagement
from omnibus.facets.offers import Offers
from omnibus.facets.orders import Orders
from omnibus.facets.profile import Profile

BUILT_IN = (Profile, Consent, Engagement, Cart, Orders, Offers, Conversation)

__all__ = ["BUILT_IN", "Cart", "Consent", "Conversation", "Engagement", "Offers", "Orders", "Profile"]
