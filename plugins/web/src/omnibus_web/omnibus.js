// Omnibus on the page; see README of omnibus-web

const base = new URL(".", import.meta.url).href;
const root = new URL("..", import.meta.url).href;
const KEY = "omnibus:" + root;
const tabs = new BroadcastChannel(KEY);
const lock = (name, run) => (navigator.locks ? navigator.locks.request(KEY + name, run) : run());
const quiet = () => {};

// kept: {consent, visitor, token, until}; without consent in memory only
let memory = {};
const kept = () => { try { return JSON.parse(localStorage[KEY]); } catch { return memory; } };
const keep = (value) => {
	memory = value;
	try { if (value.consent) localStorage[KEY] = JSON.stringify(value); else delete localStorage[KEY]; } catch { /* memory serves */ }
};

const pause = (ms) => new Promise((go) => setTimeout(go, ms * (0.5 + Math.random())));
const draw = () => Date.now() + "-" + crypto.getRandomValues(new Uint32Array(3)).join("-");

async function post(path, body) {
	const answer = await fetch(base + path, { method: "POST", body: JSON.stringify(body), keepalive: true });
	if (!answer.ok) throw answer;
	return answer.json();
}

const welcome = (told) => {
	keep({ ...kept(), ...told, until: Date.now() + told.seconds * 900 });
	return kept();
};

function session(bad) { // one tab at a time, so that one browser is one visitor
	const enter = async () => {
		const known = kept();
		if (known.token && known.token !== bad && known.until > Date.now()) return known;
		return welcome(await post("visit", { visitor: known.visitor }));
	};
	return lock("visit", enter);
}

async function call(path, body) {
	for (let tries = 0, bad; ; tries++) {
		try {
			const { token } = await session(bad);
			bad = token;
			return await post(path, { ...body, token });
		} catch (error) {
			const renew = error.status === 401 && tries < 1;
			if (!renew && (tries > 3 || (error.status && error.status < 500))) throw error;
			if (!renew) { bad = undefined; await pause(1000 * 2 ** tries); }
		}
	}
}

const EMPTY = { cards: [], views: [] };
const gone = new Set();
let state = EMPTY, last = "", delay = 500, listening = false, source, release;

async function connect() {
	let token;
	source?.close();
	try { ({ token } = await session()); } catch { return again(); }
	if (!listening) return;
	const mine = new EventSource(`${base}stream?token=${encodeURIComponent(token)}&last=${last}`);
	source = mine;
	mine.addEventListener("cards", (event) => {
		delay = 500;
		last = event.lastEventId;
		show(JSON.parse(event.data));
		tabs.postMessage({ state, last });
	});
	mine.onerror = () => {
		if (mine !== source || mine.readyState !== 2) return;
		session(token).catch(quiet);
		again();
	};
}

async function again() {
	await pause(delay);
	delay = Math.min(delay * 2, 60000);
	if (listening) connect();
}

function listen() {
	if (listening) return;
	listening = true;
	const lead = () => new Promise((stop) => {
		if (!listening) return stop();
		release = () => { source?.close(); source = release = undefined; stop(); };
		track("visit.started").catch(quiet);
		connect();
	});
	lock("stream", lead);
	tabs.postMessage({ ask: 1 });
}

function rest() {
	listening = false;
	release?.();
}

tabs.onmessage = ({ data }) => {
	if (data.ask && last) tabs.postMessage({ state, last });
	if (data.state) { last = data.last; show(data.state); }
	if (data.gone) { gone.add(data.gone); show(state); }
	if (data.renew && release) connect();
	if (data.out) leave();
};

addEventListener("pagehide", () => {
	const { token, consent } = kept();
	if (release && consent && token) {
		navigator.sendBeacon(base + "track", JSON.stringify({ token, id: draw(), type: "visit.ended" }));
	}
	rest();
});
addEventListener("pageshow", (event) => event.persisted && open());

let known = false; // signed in on this page
const open = () => { if (kept().consent || known) listen(); };

async function track(type, data) {
	return !!kept().consent && call("track", { id: draw(), type, data }).then(() => true);
}

async function identify(assertion) {
	known = true;
	const told = await call("identify", { assertion });
	if (told.token) { welcome(told); tabs.postMessage({ renew: 1 }); }
	if (release) connect(); else open();
	return told.identified;
}

function consent(yes) {
	if (yes) keep({ ...kept(), consent: true });
	else forget();
	open();
}

function leave() {
	rest();
	known = false;
	last = "";
	keep({});
	show(EMPTY);
}

async function forget() {
	leave();
	tabs.postMessage({ out: 1 });
	const worker = await navigator.serviceWorker?.getRegistration();
	await (await worker?.pushManager.getSubscription())?.unsubscribe();
}

function dismiss(id) {
	gone.add(id);
	tabs.postMessage({ gone: id });
	show(state);
	return call("dismiss", { card: id });
}

async function push({ worker = "/omnibus-worker.js", purposes } = {}) {
	if (!kept().consent || await Notification.requestPermission() !== "granted") return false;
	const { key } = await (await fetch(base + "push/key")).json();
	await navigator.serviceWorker.register(worker);
	const { pushManager } = await navigator.serviceWorker.ready;
	for (;;) {
		const made = await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
		try {
			return (await call("push/subscribe", { subscription: made, purposes })).subscribed;
		} catch (error) {
			await made.unsubscribe(); // another person's: make a new one
			if (error.status !== 409) throw error;
		}
	}
}

const WORDS = {
	en: ["Close", "Messages", "Recently viewed"], de: ["Schließen", "Nachrichten", "Zuletzt angesehen"],
	fr: ["Fermer", "Messages", "Vus récemment"], es: ["Cerrar", "Mensajes", "Vistos recientemente"],
};
const words = () => WORDS[document.documentElement.lang.slice(0, 2)] || WORDS.en;

const sheet = new CSSStyleSheet();
sheet.replaceSync(`:host{display:block;font:16px/1.5 var(--omnibus-font,inherit)}[hidden]{display:none!important}
.card{position:relative;background:var(--ground,#fff);color:var(--ink,#111);border:1px solid;border-radius:6px;
padding:1rem 3.25rem 1rem 1.25rem;margin:0 0 .75rem;overflow-wrap:anywhere}
h2{font-size:1.15em;margin:0 0 .25rem}p,ul{margin:.25rem 0;white-space:pre-line}ul{padding:0;list-style:none}li{margin:.5rem 0}
img{display:block;max-width:100%;max-height:10rem;margin:0 0 .5rem}small{display:block}
code{padding:.1rem .5rem;border:1px dashed;user-select:all}
.go{display:inline-block;margin:.5rem 0 .25rem;padding:.5rem 1rem;border:1px solid;border-radius:4px;font-weight:600;
text-decoration:none;background:var(--action,#111);color:var(--on_action,#fff)}
.x{position:absolute;top:.25rem;right:.25rem;width:2.75rem;height:2.75rem;border:0;background:none;color:inherit;font-size:1.5rem}
.bell{font:inherit;padding:.5rem 1rem;min-height:2.75rem;border:1px solid;background:none;color:inherit}
:focus-visible{outline:3px solid currentColor;outline-offset:2px}
:host(omnibus-toast){position:fixed;right:1rem;bottom:1rem;max-width:min(24rem,100vw - 2rem);z-index:9999}
@media(prefers-reduced-motion:no-preference){.card{animation:in .25s}@keyframes in{from{opacity:0}}}`);

const make = (tag, attributes, ...inside) => {
	const node = document.createElement(tag);
	for (const name in attributes) node.setAttribute(name, attributes[name]);
	node.append(...inside.filter(Boolean)); // text, never markup
	return node;
};
const escape = (node, act) => { node.onkeydown = (event) => { if (event.key === "Escape") act(); }; };
const safe = (url) => /^https?:\/\//i.test(url);

const eye = new IntersectionObserver((seen) => seen.forEach(({ isIntersecting, target }) => {
	if (!isIntersecting) return;
	eye.unobserve(target);
	call("seen", { card: target.card.id }).catch(quiet);
}), { threshold: 0.5 });

function face(card) {
	const close = make("button", { class: "x", "aria-label": `${words()[0]}: ${card.headline}` }, "×");
	const title = "t-" + card.id;
	const offer = card.offer.includes(card.code) ? card.offer : card.offer + " " + card.code;
	const [before, after] = card.code ? offer.split(card.code) : [offer];
	const link = safe(card.url) && make("a", { class: "go", href: card.url }, card.label);
	const node = make("section", { class: "card " + card.kind, lang: card.locale, dir: "auto", "aria-labelledby": title },
		safe(card.image) && make("img", { src: card.image, alt: card.alt }),
		make("h2", { id: title }, card.headline),
		...card.body.split("\n\n").map((text) => text && make("p", {}, text)),
		offer && make("p", {}, make("strong", {}, before), card.code && make("code", {}, card.code), make("strong", {}, after)),
		!offer.includes(card.deadline) && make("p", {}, card.deadline), link,
		...card.notes.map((text) => make("small", {}, text)), close);
	for (const name in card.colours) node.style.setProperty("--" + name, card.colours[name]);
	close.onclick = () => dismiss(card.id).catch(quiet);
	if (card.kind !== "inbox") escape(node, () => close.click());
	if (link && !card.url.startsWith(root)) // else it is counted there
		link.onclick = () => { call("click", { card: card.id }).catch(quiet); };
	node.card = card;
	eye.observe(node);
	return node;
}

const places = new Set();
const home = (kind) => [kind, "banner", "toast", "sidebar", "inbox"].find((one) => [...places].some((place) => place.kind === one));

function show(next) {
	state = next;
	const live = state.cards.filter((card) => !gone.has(card.id));
	if (live.length && !places.size) document.body.prepend(document.createElement("omnibus-banner"));
	places.forEach((place) => place.draw(live.filter((card) => home(card.kind) === place.kind)));
}

class Place extends HTMLElement {
	constructor() {
		super();
		this.attachShadow({ mode: "open" }).adoptedStyleSheets = [sheet];
		this.list = make("div", { "aria-live": "polite" });
		this.shadowRoot.append(this.list);
	}
	get kind() { return this.localName.slice(8); }
	connectedCallback() { places.add(this); show(state); open(); }
	disconnectedCallback() { places.delete(this); show(state); }
	draw(cards) { // nodes that stay are left alone: focus keeps its place and nothing is read out twice
		const focus = this.shadowRoot.activeElement;
		const marks = cards.map((card) => JSON.stringify(card));
		const nodes = [...this.list.children].filter((node) => marks.includes(node.mark) || node.remove());
		let next = null;
		for (let at = cards.length; at--;) {
			const node = nodes.find((one) => one.mark === marks[at]);
			next = node || this.list.insertBefore(Object.assign(face(cards[at]), { mark: marks[at] }), next);
		}
		if (focus && !focus.isConnected) this.shadowRoot.querySelector("button,a")?.focus();
	}
}

class Sidebar extends Place {
	draw(cards) {
		super.draw(cards);
		const views = state.views.map((one) => make("li", {},
			make("a", { href: one.url }, safe(one.image) && make("img", { src: one.image, alt: "" }), one.name), " ", one.price));
		this.views?.remove();
		this.views = make("aside", { "aria-label": words()[2] }, make("h2", {}, words()[2]), make("ul", {}, ...views));
		if (views[0]) this.shadowRoot.append(this.views);
	}
}

class Inbox extends Place {
	draw(cards) {
		if (!this.bell) {
			this.list.id = "list";
			this.bell = make("button", { class: "bell", "aria-controls": "list", "aria-live": "polite" });
			this.bell.onclick = () => this.toggle(this.list.hidden);
			escape(this, () => { this.toggle(false); this.bell.focus(); });
			this.shadowRoot.prepend(this.bell);
			this.toggle(false);
		}
		this.bell.textContent = `${words()[1]} (${cards.length})`;
		super.draw(cards);
	}
	toggle(on) {
		this.list.hidden = !on;
		this.bell.ariaExpanded = on;
	}
}

export const omnibus = {
	consent, identify, forget, dismiss, push,
	view: (product) => track("product.viewed", product),
	cart: (cart) => track("cart.updated", cart),
	clear: () => track("cart.cleared"),
	get cards() { return state.cards; },
};
globalThis.omnibus = omnibus;
const shapes = { banner: class extends Place {}, toast: class extends Place {}, sidebar: Sidebar, inbox: Inbox };
for (const kind in shapes) customElements.define("omnibus-" + kind, shapes[kind]);
open();
dispatchEvent(new Event("omnibus:ready"));
