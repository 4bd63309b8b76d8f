"""The module in a real browser: Debian's Chromium."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, async_playwright, expect

from omnibus import Cart, Engagement
from omnibus_web import Cards
from omnibus_web.endpoints import MODULE

from .conftest import FACE, Shop
from .test_endpoints import owner

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

needs_chromium = pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs the system package `chromium`")
expect.set_options(timeout=15_000)
pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.filterwarnings("default::ResourceWarning")]


@pytest.fixture
async def browser(shop: Shop) -> AsyncIterator[BrowserContext]:
    async with async_playwright() as play:
        chromium = await play.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        context = await chromium.new_context(locale="en-GB", reduced_motion="reduce")
        context.set_default_timeout(15_000)
        yield context
        await chromium.close()


async def arrive(shop: Shop, browser: BrowserContext, *, consent: bool = True) -> Page:
    page = await browser.new_page()
    await page.goto(shop.sandbox.base_url)
    await page.wait_for_function("globalThis.omnibus")
    if consent:
        await page.evaluate("omnibus.consent(true)")
    return page


async def known(shop: Shop, page: Page) -> Any:
    """Wait for the visitor's secret; returns who they are."""
    key = json.dumps(f"omnibus:{shop.root}/")
    await page.wait_for_function(f"JSON.parse(localStorage[{key}] || '{{}}').visitor")
    return await owner(shop, await page.evaluate(f"JSON.parse(localStorage[{key}]).visitor"))


async def happened(shop: Shop, customer: str, type_: str) -> None:
    async for context in shop.desk.stream(customer):
        if any(event.type == type_ for event in await shop.desk.timeline(context.customer.id, 100)):
            return


async def test_a_card_appears_is_read_by_role_and_disappears_on_all_tabs(shop: Shop, browser: BrowserContext) -> None:
    first, second = await arrive(shop, browser), await arrive(shop, browser)
    ada = await known(shop, first)
    assert (await known(shop, second)).id == ada.id
    await shop.desk.sent(ada.id, "web", "d1", card=FACE)
    for page in (first, second):
        card = page.get_by_role("region", name="Ada, your boots are waiting")
        await expect(card).to_be_visible()
        await expect(card.get_by_role("link", name="Finish your order")).to_have_attribute("href", FACE["url"])
        await expect(card.get_by_text("BACK-7Q2M")).to_be_visible()
    await first.bring_to_front()
    await asyncio.wait_for(happened(shop, ada.id, "message.delivered"), 15)
    await first.screenshot(path=shop.world.folder / "banner.png")
    await first.get_by_role("button", name="Close: Ada, your boots are waiting").click()
    for page in (first, second):
        await expect(page.get_by_role("region")).to_have_count(0)
    await asyncio.wait_for(happened(shop, ada.id, "card.dismissed"), 15)
    assert (await shop.desk.context(ada.id))[Cards].ended == {"d1": "dismissed"}
    await first.reload()
    await first.wait_for_function("globalThis.omnibus")
    await shop.desk.sent(ada.id, "web", "d2", card={**FACE, "headline": "Another"})
    await expect(first.get_by_role("region", name="Another")).to_be_visible()
    await expect(first.get_by_role("region")).to_have_count(1)
    withdrawn = {"delivery": "d2", "channel": "web"}
    await shop.desk.track(ada.id, "message.withdrawn", withdrawn, id="w", source="omnibus")
    for page in (first, second):
        await expect(page.get_by_role("region")).to_have_count(0)


async def test_nothing_is_stored_or_asked_before_consent(shop: Shop, browser: BrowserContext) -> None:
    asked: list[str] = []
    browser.on("request", lambda request: asked.append(request.url))
    page = await arrive(shop, browser, consent=False)
    assert await page.evaluate("omnibus.view({sku: 'B1', name: 'Boots'})") is False
    assert await page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    assert [url for url in asked if url.startswith(shop.root)] == [f"{shop.root}/web/omnibus.js"]
    await page.evaluate("omnibus.consent(true)")
    await known(shop, page)
    await page.evaluate("omnibus.consent(false)")
    assert await page.evaluate("localStorage.length") == 0


async def test_the_page_tells_views_carts_and_log_in(shop: Shop, browser: BrowserContext) -> None:
    ada = await shop.desk.add(name="Ada", email="ada@example.com")
    page = await arrive(shop, browser)
    boots = {"sku": "B1", "name": "Boots", "price": "129.00", "currency": "EUR", "url": "https://acme.example/b1"}
    assert await page.evaluate("p => omnibus.view(p)", boots) is True
    cart = {"id": "c1", "currency": "EUR", "lines": [{"sku": "B1", "name": "Boots", "quantity": 2, "price": "129.00"}]}
    assert await page.evaluate("c => omnibus.cart(c)", cart) is True
    signed = shop.sandbox.sign("email", "ada@example.com")
    assert await page.evaluate("a => omnibus.identify(a)", signed) is True
    context = await shop.desk.context(ada.id)
    assert [view.sku for view in context[Engagement].views] == ["B1"]
    assert str(context[Cart].total) == "258.00 EUR"
    await expect(
        page.get_by_role("complementary", name="Recently viewed").get_by_role("link", name="Boots")
    ).to_be_visible()
    await shop.desk.sent(ada.id, "web", "d1", card={**FACE, "kind": "sidebar"})
    await expect(page.get_by_role("region", name="Ada, your boots are waiting")).to_be_visible()
    await page.evaluate("omnibus.forget()")
    await expect(page.get_by_role("region")).to_have_count(0)
    await expect(page.get_by_role("complementary")).to_have_count(0)
    assert await page.evaluate("localStorage.length") == 0


async def test_by_keyboard_alone(shop: Shop, browser: BrowserContext) -> None:
    page = await arrive(shop, browser)
    ada = await known(shop, page)
    for number in range(2):
        card = {**FACE, "kind": "inbox", "headline": f"Letter {number}"}
        await shop.desk.sent(ada.id, "web", f"d{number}", card=card)
    bell = page.get_by_role("button", name="Messages (2)")
    await expect(bell).to_have_attribute("aria-expanded", "false")
    await page.bring_to_front()
    await page.keyboard.press("Tab")
    await expect(bell).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(bell).to_have_attribute("aria-expanded", "true")
    await expect(page.get_by_role("region")).to_have_count(2)
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Finish your order").first).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Close: Letter 1")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Messages (1)")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Messages (1)")).to_have_attribute("aria-expanded", "false")
    await shop.desk.sent(ada.id, "web", "d9", card={**FACE, "kind": "toast", "headline": "Toast"})
    toast = page.get_by_role("region", name="Toast")
    await toast.get_by_role("link").focus()
    await page.keyboard.press("Escape")
    await expect(toast).to_have_count(0)


async def test_words_are_never_markup_and_links_never_scripts(shop: Shop, browser: BrowserContext) -> None:
    page = await arrive(shop, browser)
    ada = await known(shop, page)
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    card = {
        **FACE, "headline": evil, "body": evil, "offer": evil, "code": "", "notes": [evil], "alt": evil,
        "url": "javascript:document.title='owned'", "image": "javascript:1",
    }  # fmt: skip
    await shop.desk.sent(ada.id, "web", "d1", card=card)
    await expect(page.get_by_role("region", name=evil)).to_be_visible()
    await expect(page.get_by_role("region").get_by_role("link")).to_have_count(0)
    assert await page.title() == "The shop"


async def test_the_stream_comes_back_after_its_token_is_over(shop: Shop, browser: BrowserContext) -> None:
    from datetime import timedelta

    page = await arrive(shop, browser)
    ada = await known(shop, page)
    await asyncio.wait_for(happened(shop, ada.id, "visit.started"), 15)
    shop.desk.clock.advance(timedelta(hours=2))
    await shop.desk.sent(ada.id, "web", "d1", card=FACE)
    await expect(page.get_by_role("region", name="Ada, your boots are waiting")).to_be_visible()


def test_the_module_is_small() -> None:
    assert len(MODULE) < 12_000
