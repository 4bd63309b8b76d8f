// The service worker's part. The shop serves a file of its own origin that holds one line:
//   importScripts("https://talk.example.com/web/worker.js");
// OMNIBUS, the address of /web/ at the bus, stands in a line that the bus puts before this file.

const tell = (url, body) => fetch(url, { method: "POST", body: JSON.stringify(body), mode: "no-cors", keepalive: true }).catch(() => {});
const report = (told, type) => told.report && tell(told.report, { type });
const safe = (url) => /^https?:\/\//i.test(url || "");

const read = (event) => {
	try { return event.data.json(); } catch { return {}; } // an empty push, or one that is not ours
};

async function show(told) {
	await registration.showNotification(told.title || location.host, {
		body: told.body || "", lang: told.lang || "", image: safe(told.image) ? told.image : undefined,
		tag: told.tag || "omnibus", renotify: false, data: told,
		actions: told.label && safe(told.url) ? [{ action: "open", title: told.label }] : [],
	});
	for (const page of await clients.matchAll({ type: "window", includeUncontrolled: true })) page.postMessage({ omnibus: told });
	await report(told, "shown");
}

async function open(told) {
	await report(told, "clicked");
	const pages = await clients.matchAll({ type: "window", includeUncontrolled: true });
	const there = pages.find((page) => page.url === told.url);
	if (there) return there.focus();
	return clients.openWindow(safe(told.url) ? told.url : "/");
}

async function again(event) {
	const old = event.oldSubscription;
	const options = old?.options || { userVisibleOnly: true, applicationServerKey: (await (await fetch(OMNIBUS + "push/key")).json()).key };
	const made = event.newSubscription || await registration.pushManager.subscribe(options);
	if (old) await tell(OMNIBUS + "push/renew", { old: old.toJSON(), new: made.toJSON() });
}

addEventListener("push", (event) => event.waitUntil(show(read(event))));
addEventListener("notificationclick", (event) => {
	event.notification.close();
	event.waitUntil(open(event.notification.data || {}));
});
addEventListener("notificationclose", (event) => event.waitUntil(report(event.notification.data || {}, "closed")));
addEventListener("pushsubscriptionchange", (event) => event.waitUntil(again(event)));
