"""Shopify (Admin GraphQL) for the channel ``pos``: the person's cart becomes a draft order, their code a discount code.

Shopify POS lists draft orders of a customer, and takes the code at the till. Withdrawing a card deletes an open draft;
the code stays, for it is the same in every channel.

API https://shopify.dev/docs/api/admin-graphql/2026-07 · limits …/docs/api/usage/limits
Webhooks: ``shopify_hooks.py``.
"""

from __future__ import annotations

from typing import Any, cast

from pydantic import AliasChoices, Field, SecretStr

from omnibus import (
    Absent,
    Attempt,
    Content,
    Keep,
    Provider,
    ProviderSettings,
    Receipt,
    Refused,
    Request,
    TryLater,
    Unknown,
)
from omnibus.http import Client, error_for
from omnibus_pos.answers import Means, Secrets, error, member, text
from omnibus_pos.channel import CardContent, Pos
from omnibus_pos.shopify_calls import (
    CODE,
    DRAFT,
    DRAFTS,
    DROP_DRAFT,
    FIND,
    MAKE_CODE,
    MAKE_DRAFT,
    discount,
    draft,
    tag,
    throttled,
)
from omnibus_pos.shopify_hooks import reports, verify

#: https://shopify.dev/docs/api/admin-graphql#status_and_error_codes (``errors[].extensions.code``)
CODES = {
    "THROTTLED": Means.LATER,
    "ACCESS_DENIED": Means.ACCOUNT,
    "SHOP_INACTIVE": Means.ACCOUNT,
    "MAX_COST_EXCEEDED": Means.NO,
    "INTERNAL_SERVER_ERROR": Means.LOST,
}
#: HTTP statuses with a meaning of Shopify's own: frozen, locked, security rejection
STATUSES = frozenset({402, 423, 430})


class ShopifySettings(ProviderSettings):
    """Take a TOML table, or ``shopify://:token@acme.myshopify.com``.

    Args:
        host: the shop's own domain, ``….myshopify.com``; webhooks of another shop are refused.
        webhook_secret: client secrets; the old one signs for up to an hour after it was replaced.
        codes: make the offer's code a discount code of the shop.
    """

    token: SecretStr = Field(validation_alias=AliasChoices("token", "password"))
    host: str = Field(validation_alias=AliasChoices("shop", "host"), pattern=r"^[a-z0-9][a-z0-9-]*\.myshopify\.com$")
    version: str = Field(default="2026-07", pattern=r"^20\d\d-(01|04|07|10)$")
    base_url: str = ""
    webhook_secret: Secrets = ()
    codes: bool = True

    @property
    def root(self) -> str:
        """Give the address of the API."""
        return self.base_url or f"https://{self.host}"


class Shopify(Provider):
    """Place carts as draft orders; a lost answer is looked up by the code, or by the draft's tag."""

    channel = Pos
    scheme = "shopify"
    Settings = ShopifySettings
    idempotency = "lookup"

    _client: Client | None = None
    _closed = False

    def __str__(self) -> str:
        """Write the DSN without the token."""
        return f"shopify://{self.settings.host}"

    @property
    def account(self) -> str:
        """Name the shop."""
        return str(self.settings.host)

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Place a card, its cart as a draft order, then its code: the code last, for it proves the rest.

        Raises:
            TryLater: nothing was created (a query went wrong, the cost bucket is empty, the account).
            Refused: Shopify does not take this draft or code.
            Unknown: draft or code may exist.
        """
        if self._closed:
            raise TryLater("closed")
        card = cast("CardContent", content)
        code = card.code if self.settings.codes and card.percent else ""
        await keep.set(f"code:{attempt.delivery}", code)
        customer = await self._customer(card) if card.cart or code else ""
        made = await self._draft(card, attempt, customer, keep) if card.cart else ""
        node = await self._discount(card, code, customer) if code else ""
        details = {"card": card.card(), "shopify": {"draft": made, "customer": customer, "code": node}}
        return Receipt(made or node or attempt.delivery, details)

    async def lookup(self, attempt: Attempt, address: str, keep: Keep) -> Receipt | Absent:
        """Find the code, which is made last; without one, the draft by its tag."""
        made, code = await keep.get(f"draft:{attempt.delivery}"), await keep.get(f"code:{attempt.delivery}")
        if code:
            node = text(await self._ask(CODE, {"code": code}, "codeDiscountNodeByCode"), "id")
            return Receipt(made or node) if node else Absent()
        made = made or await self._tagged(attempt)
        return Receipt(made) if made else Absent()

    async def withdraw(self, receipt: Receipt, keep: Keep) -> None:
        """Delete the draft while it is open."""
        made = receipt.provider_id or ""
        if "/DraftOrder/" not in made:
            return
        if text(await self._ask(DRAFT, {"id": made}, "draftOrder"), "status") in ("OPEN", "INVOICE_SENT"):
            await self._do(DROP_DRAFT, {"input": {"id": made}}, "draftOrderDelete")

    async def check(self) -> None:
        """Ask for the shop's name."""
        await self._ask("query { shop { name } }", {}, "shop")

    def verify(self, request: Request) -> None:
        """Check ``X-Shopify-Hmac-Sha256`` over the raw body, and whose shop it is."""
        verify(request, self.settings.webhook_secret, self.settings.host)

    def parse(self, request: Request) -> Any:
        """Read orders, returns and customers' wishes."""
        return reports(request)

    async def aclose(self) -> None:
        """Close the connections."""
        self._closed = True
        if self._client is not None:
            await self._client.aclose()

    async def _customer(self, card: CardContent) -> str:
        for kind, name in (("phone", "phoneNumber"), ("email", "emailAddress")):
            if kind in card.who:
                found = text(await self._ask(FIND, {"by": {name: card.who[kind]}}, "customerByIdentifier"), "id")
                if found:
                    return found
        return ""

    async def _draft(self, card: CardContent, attempt: Attempt, customer: str, keep: Keep) -> str:
        """Make the draft, unless an earlier try made it; the search that tells may lag by seconds."""
        made = await keep.get(f"draft:{attempt.delivery}") or (await self._tagged(attempt) if attempt.resent else "")
        if not made:
            told = await self._do(MAKE_DRAFT, {"input": draft(card, attempt, customer)}, "draftOrderCreate")
            made = text(told, "draftOrder", "id")
            if not made:
                raise Unknown("unreadable_answer")
        await keep.set(f"draft:{attempt.delivery}", made)
        return made

    async def _discount(self, card: CardContent, code: str, customer: str) -> str:
        known = text(await self._ask(CODE, {"code": code}, "codeDiscountNodeByCode"), "id")
        if known:  # made by an earlier message: a personal code is the same in every one
            return known
        given = discount(card, customer, self.now().isoformat())
        made = text(await self._do(MAKE_CODE, {"discount": given}, "discountCodeBasicCreate"), "codeDiscountNode", "id")
        if not made:
            raise Unknown("unreadable_answer")
        return made

    async def _tagged(self, attempt: Attempt) -> str:
        found = await self._ask(DRAFTS, {"query": f"tag:{tag(attempt)}"}, "draftOrders")
        return text(found, "nodes", 0, "id")

    async def _ask(self, query: str, variables: dict[str, Any], name: str) -> Any:
        """Ask without changing anything: what is lost can be asked again."""
        try:
            data = await self._call(query, variables)
        except Unknown as lost:
            raise TryLater(lost.reason) from None
        if not isinstance(data, dict) or name not in data:
            raise TryLater("unreadable_answer")
        return data[name]

    async def _do(self, query: str, variables: dict[str, Any], name: str) -> Any:
        told = member(await self._call(query, variables), name)
        wrong = member(told, "userErrors")
        if not isinstance(told, dict) or not isinstance(wrong, list):
            raise Unknown("unreadable_answer")
        if wrong:
            raise Refused(f"user_error:{_place(wrong)}")
        return told

    async def _call(self, query: str, variables: dict[str, Any]) -> Any:
        if self._client is None:
            secret = self.settings.token.get_secret_value()
            self._client = Client(self.settings.root, headers={"x-shopify-access-token": secret})
        path = f"/admin/api/{self.settings.version}/graphql.json"
        answer = await self._client.request("POST", path, json={"query": query, "variables": variables})
        if answer.status in STATUSES:
            raise TryLater(f"http_{answer.status}", account=True)
        if not answer.ok:
            raise error_for(answer)
        told = answer.json()
        code = member(told, "errors", 0, "extensions", "code")
        if code == "THROTTLED":
            raise TryLater("THROTTLED", retry_after=throttled(told))
        if member(told, "errors"):
            raise error(answer, code, CODES) if code in CODES else Unknown("graphql_error")
        return member(told, "data")


def _place(wrong: list[Any]) -> str:
    """Name the code and field of the first user error, never its message: that may quote values."""
    code, field = text(wrong, 0, "code"), member(wrong, 0, "field")
    names = [each for each in field if isinstance(each, str)] if isinstance(field, list) else []
    told = code or ".".join(names)
    return told if len(told) <= 60 and told.replace(".", "").replace("_", "").isalnum() else "unnamed"
