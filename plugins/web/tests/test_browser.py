"""The module in a real browser: Debian's Chromium."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, async_playwright, expect

from omnibus import Cart, Consent, Engagement
from omnibus_web import Cards
from omnibus_web.contrast import TEXT_RATIO, ratio
from omnibus_web.endpoints import MODULE

from .conftest import FACE, Shop
from .test_endpoints import owner
from .test_push_endpoints import mine, told

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
    page.on("console", lambda line: _complain(line.type, line.text))
    await page.goto(shop.sandbox.base_url)
    await until(page, "globalThis.omnibus")
    if consent:
        await page.evaluate("omnibus.consent(true)")
    return page


async def until(page: Page, true: str) -> None:
    """Wait for an expression (Playwright's own way needs eval, which the page's policy forbids)."""
    await page.evaluate(
        f"new Promise((done) => {{ const look = () => ({true}) ? done() : setTimeout(look, 20); look(); }})"
    )


def _complain(type_: str, text: str) -> None:
    assert "Content Security Policy" not in text, text


async def known(shop: Shop, page: Page) -> Any:
    """Wait for the visitor's secret; returns who they are."""
    key = json.dumps(f"omnibus:{shop.root}/")
    await until(page, f"JSON.parse(localStorage[{key}] || '{{}}').visitor")
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
    await until(first, "globalThis.omnibus")
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
    cart = {"id": "c1", "currency": "EUR", "lines": [{"sku": "C1", "name": "Coat", "quantity": 2, "price": "129.00"}]}
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
    cart["lines"] = [{"sku": "B1", "name": "Boots", "quantity": 1, "price": "129.00"}]
    assert await page.evaluate("c => omnibus.cart(c)", cart) is True
    await expect(page.get_by_role("complementary")).to_have_count(0)
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


# ---- notifications


async def test_a_push_is_shown_by_the_service_worker_and_reported(shop: Shop, browser: BrowserContext) -> None:
    await browser.grant_permissions(["notifications"], origin=shop.sandbox.base_url)
    page = await arrive(shop, browser)
    cdp = await browser.new_cdp_session(page)
    found: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def registered(told: Any) -> None:
        for each in told["registrations"]:
            if not found.done():
                found.set_result(each["registrationId"])

    cdp.on("ServiceWorker.workerRegistrationUpdated", registered)
    await cdp.send("ServiceWorker.enable")
    await page.evaluate(
        """async () => {
            await navigator.serviceWorker.register("/omnibus-worker.js");
            await navigator.serviceWorker.ready;
            globalThis.told = [];
            navigator.serviceWorker.onmessage = (event) => told.push(event.data.omnibus);
        }"""
    )
    number = await asyncio.wait_for(found, 15)
    reports: asyncio.Queue[str] = asyncio.Queue()
    await browser.route("**/hooks/push/push?*", lambda route: _take(route, reports))
    sent = {
        "title": "Grüße, Ада 🥾", "body": "15 % off with code BACK-7Q2M", "url": "https://acme.example/cart", "label": "Go",
        "image": "", "lang": "de", "tag": "t1", "report": f"{shop.root}/hooks/push/push?attempt=a1&proof=p1",
    }  # fmt: skip
    push = {"origin": shop.sandbox.base_url, "registrationId": number}
    for _ in range(2):
        await cdp.send("ServiceWorker.deliverPushMessage", {**push, "data": json.dumps(sent, ensure_ascii=False)})
    await until(page, "told.length == 2")
    assert await page.evaluate("told[0]") == sent
    shown = """async () => (await (await navigator.serviceWorker.ready).getNotifications())
        .map(({title, body, tag, lang, data}) => ({title, body, tag, lang, url: data.url}))"""
    assert await page.evaluate(shown) == [
        {"title": sent["title"], "body": sent["body"], "tag": "t1", "lang": "de", "url": sent["url"]}
    ]
    assert json.loads(await asyncio.wait_for(reports.get(), 15)) == {"type": "shown"}
    [worker] = browser.service_workers
    await worker.evaluate(
        """async () => {
            const [notification] = await registration.getNotifications({tag: "t1"});
            dispatchEvent(new NotificationEvent("notificationclick", {notification}));
        }"""
    )
    while (told := json.loads(await asyncio.wait_for(reports.get(), 15))) != {"type": "clicked"}:
        assert told == {"type": "shown"}
    assert await page.evaluate(shown) == []
    await cdp.send("ServiceWorker.deliverPushMessage", {**push, "data": ""})
    await until(page, "told.length == 3")
    assert [each["title"] for each in await page.evaluate(shown)].count(
        "127.0.0.1:" + push["origin"].split(":")[-1]
    ) == 1


async def _take(route: Any, reports: asyncio.Queue[str]) -> None:
    reports.put_nowait(route.request.post_data)
    await route.fulfill(status=204)


async def test_the_page_subscribes_and_never_takes_another_persons_subscription(
    shop: Shop, browser: BrowserContext
) -> None:
    await browser.grant_permissions(["notifications"], origin=shop.sandbox.base_url)
    page = await arrive(shop, browser)
    ada = await known(shop, page)
    bob = await shop.desk.add(name="Bob")
    await shop.desk.identify(bob.id, "push", mine("shared").id, evidence="test")
    # a browser without network cannot reach its push service, so only that one call is replaced
    await page.evaluate(
        """([first, second]) => {
            const wait = [first, second];
            globalThis.ended = 0;
            PushManager.prototype.subscribe = async (options) => {
                globalThis.options = options;
                const told = wait.shift();
                return {toJSON: () => told, unsubscribe: async () => { ended += 1; }};
            };
        }""",
        [told("shared"), told("fresh")],
    )
    assert await page.evaluate("omnibus.push({purposes: ['marketing']})") is True
    assert await page.evaluate("[ended, options.userVisibleOnly, options.applicationServerKey]") == [
        1, True, shop.desk.settings.push_key,
    ]  # fmt: skip
    context = await shop.desk.context(ada.id)
    assert [each.value for each in context.customer.reached_by("push")] == [mine("fresh").id]
    consent = context[Consent].answer("acme", "push", "marketing", "cart")
    assert consent is not None


# ---- everybody can use it


async def test_reduced_motion_is_kept_and_motion_is_short(shop: Shop, browser: BrowserContext) -> None:
    page = await arrive(shop, browser)
    ada = await known(shop, page)
    await shop.desk.sent(ada.id, "web", "d1", card=FACE)
    await expect(page.get_by_role("region")).to_be_visible()
    name = "getComputedStyle(document.querySelector('omnibus-banner').shadowRoot.querySelector('.card')).animationName"
    assert await page.evaluate(name) == "none"
    await page.emulate_media(reduced_motion="no-preference")
    assert await page.evaluate(name) == "in"


async def test_what_is_drawn_has_contrast_names_and_room(shop: Shop, browser: BrowserContext) -> None:
    page = await arrive(shop, browser)
    ada = await known(shop, page)
    for kind in ("banner", "sidebar", "toast"):
        card = {
            **FACE,
            "kind": kind,
            "headline": kind,
            "colours": {**FACE["colours"], "ground": "#1f3a5f", "ink": "#ffffff"},
        }
        await shop.desk.sent(ada.id, "web", kind, card=card, message=kind)
    for kind in ("banner", "sidebar", "toast"):
        card = page.get_by_role("region", name=kind)
        await expect(card).to_be_visible()
        for role, label in (("link", "Finish your order"), ("button", f"Close: {kind}")):
            box = await card.get_by_role(role, name=label).bounding_box()  # type: ignore[arg-type]
            assert box is not None
            assert min(box["width"], box["height"]) >= 24, "WCAG 2.2 §2.5.8"
        live = "node => node.closest('[aria-live]').getAttribute('aria-live')"
        assert await card.evaluate(live) == "polite"
        style = "node => [getComputedStyle(node).color, getComputedStyle(node).backgroundColor]"
        for drawn in (card, card.get_by_role("link")):
            ink, ground = await drawn.evaluate(style)
            assert ratio(_hex(ink), _hex(ground)) >= TEXT_RATIO, (kind, ink, ground)
    await page.set_viewport_size({"width": 320, "height": 640})
    assert await page.evaluate("document.querySelector('omnibus-banner').getBoundingClientRect().right <= innerWidth")
    assert await page.evaluate("document.querySelector('omnibus-toast').getBoundingClientRect().left >= 0")
    await page.screenshot(path=shop.world.folder / "narrow.png")


def _hex(rgb: str) -> str:
    red, green, blue = (int(each) for each in re.findall(r"\d+", rgb)[:3])
    return f"#{red:02x}{green:02x}{blue:02x}"
