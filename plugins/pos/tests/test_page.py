"""The clerk's page in a real browser: Debian's Chromium."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import async_playwright, expect

from omnibus import Orders

from .test_till import opened

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs the system package `chromium`"),
    pytest.mark.filterwarnings("default::ResourceWarning"),
]
SCRIPT = "<img src=x onerror=window.OMNI=1>"


async def test_a_clerk_finds_a_customer_redeems_and_sells(tmp_path):
    async with opened(tmp_path / "world") as store, async_playwright() as play:
        terms = await store.desk.issue(store.ada.id, "comeback")
        face = {"headline": "Ada's boots wait", "text": f"Say hello {SCRIPT}", "code": terms.code}
        await store.desk.sent(store.ada.id, "pos", "d1", card=face)
        store.desk.clock.advance(timedelta(seconds=30))
        handover = await store.desk.issue_handover(store.ada.id)
        chromium = await play.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        page = await chromium.new_page(locale="en-GB")
        page.set_default_timeout(20_000)
        faults = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if "Content Security" in said.text else None)
        await page.goto(f"{store.world.public_url}/pos/")
        await expect(page.get_by_role("heading", name="Acme · till")).to_be_visible()

        await page.get_by_label("Terminal key").fill("wrong")
        await page.get_by_role("button", name="Unlock").click()
        await page.get_by_label("Value").fill("ZZZZ")
        await page.get_by_role("button", name="Find", exact=True).click()
        await expect(page.get_by_role("status")).to_contain_text("unknown terminal key", timeout=20_000)

        await page.get_by_label("Terminal key").fill(store.till._key)
        await page.get_by_role("button", name="Unlock").click()
        await page.get_by_label("Find by").select_option("phone")
        await page.get_by_label("Value").fill("+44 20 7946 0000")
        await page.get_by_role("button", name="Find", exact=True).click()
        await expect(page.get_by_role("heading", name="A•• B••")).to_be_visible(timeout=20_000)
        await page.get_by_role("button", name="Name confirmed").click()
        await expect(page.get_by_role("heading", name="Ada Byron")).to_be_visible(timeout=20_000)

        await page.get_by_label("Find by").select_option("handover")
        await page.get_by_label("Value").fill(handover.short)
        await page.get_by_role("button", name="Find", exact=True).click()
        await expect(page.get_by_text("Trail Boots")).to_be_visible(timeout=20_000)
        await expect(page.get_by_text("42.50 EUR")).to_be_visible()
        await expect(page.locator("#offers")).to_contain_text(terms.code)
        await expect(page.get_by_text(SCRIPT)).to_be_visible()
        await page.screenshot(path=tmp_path / "clerk.png")
        await page.get_by_role("button", name="Told").click()
        await expect(page.locator(".card")).to_have_count(0, timeout=20_000)

        await page.get_by_role("button", name="Redeem").click()
        await expect(page.get_by_role("status")).to_have_text("Redeemed: 15 % off", timeout=20_000)
        await page.get_by_role("button", name="Sell the cart").click()
        await expect(page.get_by_role("status")).to_contain_text("36.13 EUR, 6.37 off", timeout=20_000)
        await expect(page.locator("#cart")).to_contain_text("empty")
        await expect(page.locator("#avoid")).to_contain_text("comeback (redeemed)")
        assert await page.evaluate("window.OMNI") is None
        await chromium.close()
        assert faults == []
        orders = (await store.desk.context(store.ada.id))[Orders]
        assert (orders.count, orders.last.total, orders.last.codes) == (1, "36.13", (terms.code,))
