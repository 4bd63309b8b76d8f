"""What every provider keeps, in one class to inherit."""

from __future__ import annotations

from omnibus.testing.contracts.declaring import Declaring
from omnibus.testing.contracts.repeating import Repeating
from omnibus.testing.contracts.sending import Sending
from omnibus.testing.contracts.webhooks import Webhooks


class ProviderContract(Declaring, Sending, Repeating, Webhooks):
    """Inherit as ``class TestAcme(ProviderContract)`` and give data; the tests come with it.

    ::

        class TestAcme(ProviderContract):
            provider_class = Acme
            settings = {"token": "t0p-s3cret-token", "from": "Acme", "webhook_secret": "first-signing-secret-0001"}
            address = "+442079460000"
            folder = Path(__file__).parent / "webhooks" / "acme"

            def content(self): return FaxContent(text="Hello")
            def success(self, request): return Reply.of_json({"id": "A1"}, 201)
            def sign(self, body, secret): return Request("POST", self.hook_url, {"x-signature": signature(body, secret)}, body)

    See ``Subject`` for all data, ``Repeating`` for ``key``, ``found`` and ``absent``, ``Webhooks`` for the cases.
    """
