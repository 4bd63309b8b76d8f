"""The sandbox's shop: one page to look at, fill a cart, log in and leave, so that one can play the customer."""

from __future__ import annotations

from html import escape

STYLE = """:root{color-scheme:light}
body{font:16px/1.5 Helvetica,Arial,sans-serif;margin:0 auto;max-width:60rem;padding:1rem;color:#2b2420;background:#fffaf3}
header{display:flex;justify-content:space-between;align-items:center}
main{display:grid;grid-template-columns:1fr minmax(0,18rem);gap:1rem}
ul{list-style:none;padding:0;display:grid;gap:.75rem}
li,.box{background:#fff;border:1px solid #e6ddd0;border-radius:8px;padding:1rem}
li{display:flex;flex-wrap:wrap;gap:.75rem;align-items:center}
li span{flex:1 1 9rem}
.box{margin:1rem 0;white-space:pre-line}
.box small{display:block;margin-top:.5rem;color:#5a4f46}
.box h2{font-size:1.1rem;margin:0 0 .25rem}
.how{color:#5a4f46;max-width:42rem}
button{font:inherit;padding:.5rem .9rem;border-radius:6px;border:1px solid #0b5d4e;background:#fff;color:#0b5d4e;cursor:pointer}
button.main{background:#0b5d4e;color:#fff}
#said{min-height:1.5em;color:#5a4f46}
@media (max-width:40rem){main{grid-template-columns:1fr}li span{flex-basis:100%}}
"""

#: what a real shop's own script would do: tell views and carts, and hand over its backend's word on who is logged in
SCRIPT = """const goods = [
  {sku: "harbour-mug", name: "Harbour mug", price: "24.00"},
  {sku: "rope-coaster", name: "Rope coaster", price: "6.50"},
  {sku: "storm-lantern", name: "Storm lantern", price: "48.00"},
].map((each) => ({...each, currency: "GBP", url: `${location.origin}/#${each.sku}`}));
const id = `cart-${crypto.randomUUID().slice(0, 8)}`;
let lines = [];
const say = (text) => { document.querySelector("#said").textContent = text; };
const showCart = () => {
  const sum = lines.reduce((all, each) => all + each.quantity * each.price, 0).toFixed(2);
  document.querySelector("#cart").textContent = lines.length
    ? [...lines.map((each) => `${each.quantity} × ${each.name}`), `Together £${sum}`].join("\\n") : "It is empty.";
};
const ready = new Promise((done) => { window.omnibus ? done() : addEventListener("omnibus:ready", done, {once: true}); });

// a real shop asks first; here the first click on anything is the yes
const allow = () => { omnibus.consent(true); };

async function put(product) {
  allow();
  const line = lines.find((each) => each.sku === product.sku);
  line ? line.quantity++ : lines.push({...product, quantity: 1});
  showCart();
  await omnibus.cart({id, currency: "GBP", url: `${location.origin}/#cart`, lines});
  say(`The ${product.name} is in your cart.`);
}

const acts = {
  async login() {
    allow();
    const {assertion} = await (await fetch("/login?email=ada@example.com")).json();
    await omnibus.identify(assertion);
    document.querySelector("#who").textContent = "You are Ada.";
    say("You are Ada now. What you did as a visitor is hers.");
  },
  async clear() {
    allow();
    lines = [];
    showCart();
    await omnibus.clear();
    say("Your cart is empty.");
  },
};

await ready;
for (const product of goods) {
  const row = document.createElement("li");
  const name = document.createElement("span");
  name.textContent = `${product.name}, £${product.price}`;
  const look = document.createElement("button");
  look.textContent = "Look at it";
  look.onclick = () => allow() || omnibus.view(product).then(() => say(`You looked at the ${product.name}.`));
  const buy = document.createElement("button");
  buy.className = "main";
  buy.textContent = "Into the cart";
  buy.onclick = () => put(product);
  row.append(name, look, buy);
  document.querySelector("#goods").append(row);
}
for (const button of document.querySelectorAll("[data-act]")) button.onclick = () => acts[button.dataset.act]();
"""


def shop_page(public_url: str) -> str:
    """Write the shop's page, which loads the module from the bus."""
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>The shop</title><link rel="stylesheet" href="/shop.css"><link rel="icon" href="data:,">
<script type="module" src="{escape(public_url)}/web/omnibus.js"></script>
<script type="module" src="/shop.js"></script>
<body><header><h1>The shop</h1><omnibus-inbox></omnibus-inbox></header>
<p class="how">Put something into the cart and log in as Ada, as a visitor would. If you do not pay, she is reminded of it: by the
channel she prefers, and by a banner here. When she pays at the till, the banner goes.</p>
<omnibus-banner></omnibus-banner>
<main><section><ul id="goods"></ul><p id="said" aria-live="polite"></p>
<p><button data-act="login">Log in as Ada</button> <button data-act="clear">Empty the cart</button></p></section>
<div><div class="box"><h2>Your cart</h2><span id="cart">It is empty.</span>
<small id="who">You are a visitor.</small></div>
<omnibus-sidebar></omnibus-sidebar></div></main>
<omnibus-toast></omnibus-toast></body></html>
"""
