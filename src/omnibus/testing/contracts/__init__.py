"""What every channel, provider and store must keep, as tests to inherit.

A plugin's test is one class for each port: it gives data, and gets the tests. What a provider cannot have is
declared with a reason (``without = {"webhooks": "SMTP has none"}``); nothing is ever skipped.
"""

from omnibus.testing.contracts.channel import ChannelContract
from omnibus.testing.contracts.provider import ProviderContract
from omnibus.testing.contracts.store import StoreContract
from omnibus.testing.contracts.webhooks import plain

__all__ = ["ChannelContract", "ProviderContract", "StoreContract", "plain"]
