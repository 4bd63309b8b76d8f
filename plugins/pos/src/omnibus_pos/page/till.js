// The clerk's page: every word from outside goes in as text, never as markup. The key stays in this tab.
const $ = (id) => document.getElementById(id);
let shown = null;

function say(text, wrong = false) {
  $("said").textContent = text;
  $("said").className = wrong ? "wrong" : "";
}

async function call(method, path, body) {
  const answer = await fetch(path, {
    method,
    headers: { authorization: `Bearer ${sessionStorage.getItem("key")}`, "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const told = await answer.json();
  if (answer.ok) return told;
  if (answer.status === 401) lock();
  throw new Error(told.fix ? `${told.error}; ${told.fix}` : told.error);
}

function lock() {
  sessionStorage.removeItem("key");
  $("unlock").hidden = false;
  $("work").hidden = $("lock").hidden = $("customer").hidden = true;
}

function unlock() {
  $("unlock").hidden = true;
  $("work").hidden = $("lock").hidden = false;
  $("value").focus();
}

function list(id, texts) {
  const line = (text, className = "") => Object.assign(document.createElement("li"), { textContent: text, className });
  $(id).replaceChildren(...(texts.length ? texts.map((text) => line(text)) : [line("nothing yet", "none")]));
}

function row(...cells) {
  const tr = document.createElement("tr");
  tr.append(...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
  return tr;
}

function cardBox(card) {
  const box = Object.assign(document.createElement("div"), { className: "card" });
  const head = Object.assign(document.createElement("strong"), { textContent: card.headline });
  const text = Object.assign(document.createElement("div"), { textContent: card.text });
  const told = Object.assign(document.createElement("button"), { type: "button", textContent: "Told" });
  told.addEventListener("click", () => act(async () => {
    await call("POST", "dismiss", { customer: shown.customer, delivery: card.delivery });
    box.remove();
  }));
  box.append(head, text, told);
  return box;
}

function show(card) {
  shown = card;
  $("name").textContent = card.name || "No name known";
  $("confirm").hidden = card.confirmed;
  const lines = card.cart.lines.map((line) => row(`${line.quantity} × ${line.name}`, line.price));
  const total = card.cart.open ? [row("Total", `${card.cart.total} ${card.cart.currency}`)] : [row("empty", "")];
  $("cart").tBodies[0].replaceChildren(...lines, ...total);
  list("offers", card.offers.map((each) => [each.label, each.code, each.deadline].filter(Boolean).join(" · ")));
  $("cards").replaceChildren(...card.cards.map(cardBox));
  list("contacts", card.contacts.map((each) => `${each.at.slice(0, 16).replace("T", " ")} ${each.channel}: ${each.what} ${each.message}`));
  list("avoid", [...card.avoid.bought.map((each) => each.name), ...card.avoid.redeemed.map((each) => `${each.offer} (redeemed)`)]);
  $("pay").disabled = !card.cart.open;
  $("code").value = card.offers.length ? card.offers[0].code : "";
  $("basket").value = crypto.randomUUID ? `B-${crypto.randomUUID().slice(0, 8)}` : `B-${Date.now()}`;
  $("customer").hidden = false;
  say("");
}

async function act(work) {
  try { await work(); } catch (error) { say(error.message, true); }
}

$("unlock").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("key", $("key").value);
  $("key").value = "";
  unlock();
});
$("lock").addEventListener("click", lock);
$("find").addEventListener("submit", (event) => {
  event.preventDefault();
  act(async () => {
    const kind = $("kind").value, value = $("value").value;
    $("customer").hidden = true;
    show(kind === "handover" ? await call("POST", "handover", { token: value }) : await call("GET", `customer?${new URLSearchParams({ [kind]: value })}`));
  });
});
$("confirm").addEventListener("click", () => act(async () => show(await call("GET", `card/${encodeURIComponent(shown.customer)}?confirmed=yes`))));
$("redeem").addEventListener("click", () => act(async () => {
  const told = await call("POST", "redeem", { code: $("code").value, basket: $("basket").value, customer: shown.customer });
  say(told.won ? `Redeemed: ${told.percent} % off` : `Not redeemed: ${told.reason}`, !told.won);
}));
$("sell").addEventListener("submit", (event) => {
  event.preventDefault();
  act(async () => {
    const lines = shown.cart.lines.map(({ sku, name, quantity, price }) => ({ sku, name, quantity, price }));
    const codes = $("code").value ? [$("code").value] : [];
    const basket = $("basket").value;
    const told = await call("POST", "sale", { basket, customer: shown.customer, currency: shown.cart.currency, lines, codes });
    show(await call("GET", `card/${encodeURIComponent(told.customer)}?confirmed=${shown.confirmed ? "yes" : "no"}`));
    const off = Number(told.discount) ? `, ${told.discount} off` : "";
    say(`Sold ${told.basket}: ${told.due} ${told.currency}${off}`);
  });
});
if (sessionStorage.getItem("key")) unlock();
