// SPDX-License-Identifier: MIT
// The page: its address says the moment, the path and the view; everything follows from that, so that going back works.

import { ask, change, lastName, shown } from "./ask.js";
import { byId, el, href, link, many, name, time } from "./dom.js";
import { compare, log, versions } from "./past.js";
import { onRestored } from "./restore.js";
import { Timeline } from "./timeline.js";
import { contents } from "./tree.js";

const STATUS_EVERY_MS = 10000;
const views = { contents, log, versions, compare: state => compare(state, go) };
let state, newest = {}, timeline, lastType = "folder";

function read() {
	const query = new URLSearchParams(location.search);
	const view = query.get("view");

	return { at: query.get("at") || "now", path: query.get("path") || "", view: Object.hasOwn(views, view ?? "") ? view : "contents",
		from: query.get("from") || "" };
}

function go(next, { quiet = false } = {}) {
	history.pushState(null, "", href(next));
	show({ quiet });
}

// --- around the contents

function crumbs() {
	const parts = state.path ? state.path.split("/") : [];
	const list = el("ol", {}, el("li", {}, link({ at: state.at }, "All", { "aria-label": "All of the volume", "aria-current": parts.length ? null : "page" })));

	parts.forEach((part, i) => {
		const path = parts.slice(0, i + 1).join("/"), last = i === parts.length - 1;

		list.append(el("li", {}, link({ at: state.at, path }, name(shown(part)), { "aria-current": last ? "page" : null })));
	});
	byId("crumbs").replaceChildren(list);
}

function tabs(type) {
	const all = type === "folder" ? [["contents", "Names"], ["log", "What happened"], ["compare", "Compare"], ["versions", "Versions"]] :
		[["contents", "Contents"], ["versions", "Versions"], ["compare", "Compare"], ["log", "What happened"]];

	byId("views").replaceChildren(...all.map(([view, text]) =>
		link({ at: state.at, path: state.path, view }, text, { "aria-current": view === state.view ? "page" : null })));
}

function when(point) {
	const parts = state.at === "now" ? ["Now"] : ["As of ", time(point.ms)];

	byId("when").replaceChildren(el("strong", {}, ...parts), " ",
		el("span", { class: "quiet code" }, state.at === "now" ? "" : `${point.moment} · tid-${point.tid}`));
	byId("when").title = point.moment;
}

function fail(error) {
	const parts = [el("p", { class: "wrong", role: "alert" }, error.message)];

	if (error.status === 404 && state.path)
		parts.push(el("p", {}, link({ at: state.at, path: state.path, view: "versions" }, "What there was of it", { class: "button" })));
	byId("content").replaceChildren(...parts);
}

async function show({ quiet = false } = {}) {
	const mine = state = read();

	byId("content").setAttribute("aria-busy", "true");
	byId("wrong").textContent = "";
	byId("title").replaceChildren(name(state.path ? shown(lastName(state.path)) : "All of the volume"));
	document.title = `${state.path ? shown(lastName(state.path)) : "/"} – holdfast`;
	crumbs();
	tabs(lastType);
	try {
		const found = await views[state.view](state);

		if (mine !== state)
			return;
		lastType = found.type || lastType;
		tabs(lastType);
		byId("content").replaceChildren(...found.parts.filter(Boolean));
		if (found.point) {
			when(found.point);
			timeline.show(found.point);
		}
		byId("said").textContent = `${byId("title").textContent}, ${byId("when").textContent}: ${found.said}`;
	} catch (error) {
		if (mine === state)
			fail(error);
	}
	byId("content").setAttribute("aria-busy", "false");
	if (!quiet)
		byId("title").focus({ preventScroll: true });
}

// --- above it

function marksOf(status, tags) {
	const marks = tags.map(t => ({ kind: "tag", ms: t.ms, text: `tag ${t.name}`, at: t.name, label: t.name }));

	for (const a of status.alarms || [])
		marks.push({ kind: "alarm", ms: Date.parse(a.first_time), text: `alarm: ${a.words}`,
			at: a.moment || null, label: a.words });
	for (const r of status.replicas || [])
		if (r.acked_time)
			marks.push({ kind: "replica", ms: Date.parse(r.acked_time), text: `replica ${r.name} has all up to here`,
				at: `tid-${r.acked_tid}`, label: `${r.name}, ${r.state}` });
	return marks.filter(m => Number.isFinite(m.ms));
}

function listMarks(marks) {
	const box = byId("marks");

	box.hidden = marks.length === 0;
	box.querySelector("ul").replaceChildren(...marks.map(m => el("li", {}, el("span", { class: `dot ${m.kind}`, "aria-hidden": "true" }),
		m.kind === "alarm" ? "alarm " : m.kind === "replica" ? "replica " : "tag ",
		m.at ? link({ ...state, at: m.at, from: "" }, name(m.label)) : name(m.label), " ", el("span", { class: "quiet" }, time(m.ms)))));
}

function legend(marks) {
	const kinds = [["change", "changes"], ["gone", "removals"], ["tag", "tags"], ["alarm", "alarms"], ["replica", "replicas"]];
	const there = new Set(marks.map(m => m.kind));

	byId("legend").replaceChildren(...kinds.filter(([k]) => k === "change" || k === "gone" || there.has(k))
		.map(([k, text]) => el("li", {}, el("span", { class: `dot ${k}`, "aria-hidden": "true" }), text)));
}

function chips(status) {
	const alarms = status.alarms || [], all = [];

	if (alarms.length)
		all.push(el("span", { class: "chip bad" }, many(alarms.length, "open alarm")));
	if (status.failed)
		all.push(el("span", { class: "chip bad" }, "writing has failed"));
	if (status.index_damaged)
		all.push(el("span", { class: "chip bad", title: "Nothing is lost: unmounted and mounted again, it is built anew." }, "the index is damaged"));
	for (const r of status.replicas || [])
		all.push(el("span", { class: r.state === "refused" || r.state === "unreachable" || r.state === "full" ? "chip bad" : "chip", title: r.error || r.url },
			name(r.name), `: ${r.state}`, r.lag_seconds > 1 ? `, ${Math.round(r.lag_seconds)} s behind` : ""));
	if (!status.replicas?.length)
		all.push(el("span", { class: "chip" }, "no replica"));
	byId("status").replaceChildren(...all);
	byId("store").textContent = status.mounted_on ? `${status.mounted_on} · ${status.store}` : `${status.store}, not mounted`;
}

async function refresh() {
	const [status] = await Promise.all([ask("status"), timeline.load()]);
	const marks = marksOf(status, timeline.data?.tags || []);
	const told = JSON.stringify([status.alarms, status.replicas, status.mounted_on, status.failed, marks.length]);

	if (told !== newest.told) {
		chips(status);
		listMarks(marks);
		legend(marks);
	}
	newest = { told, mounted: Boolean(status.mounted_on) };
	timeline.show(null, marks);
}

// A store at rest does not change by itself.
function keepFresh() {
	setTimeout(async () => {
		if (newest.mounted && document.visibilityState === "visible")
			await refresh().catch(() => {});
		keepFresh();
	}, STATUS_EVERY_MS);
}

// --- what a person does

let choosing;

function choose(at) {
	clearTimeout(choosing);
	choosing = setTimeout(() => go({ ...state, at, from: "" }, { quiet: true }), 180);
}

async function goTo(text) {
	byId("wrong").textContent = "";
	try {
		const { point } = await ask("list", { at: text });

		byId("to").value = "";
		go({ ...state, at: text === "now" ? "now" : `tid-${point.tid}`, from: "" });
	} catch (error) {
		byId("wrong").textContent = error.message;
		byId("to").focus();
	}
}

function listen() {
	document.addEventListener("click", e => {
		const a = e.target.closest?.("a[href^='?']");

		if (!a || e.defaultPrevented || e.button !== 0 || e.ctrlKey || e.metaKey || e.shiftKey || e.altKey)
			return;
		e.preventDefault();
		history.pushState(null, "", a.getAttribute("href"));
		show();
	});
	addEventListener("popstate", () => show({ quiet: true }));
	byId("go").addEventListener("submit", e => {
		e.preventDefault();
		const text = byId("to").value.trim();

		if (text)
			goTo(text);
	});
	byId("now").addEventListener("click", () => go({ ...state, at: "now", from: "" }));
	byId("closer").addEventListener("click", () => timeline.zoom(0.5));
	byId("wider").addEventListener("click", () => timeline.zoom(2));
	byId("all").addEventListener("click", () => timeline.all());
	byId("leave").addEventListener("click", async () => {
		await change("leave").catch(() => {});
		document.body.replaceChildren(el("main", {}, el("h1", {}, "The session is over"),
			el("p", {}, "holdfast web prints another link: press Enter where it runs, or start it again.")));
	});
}

onRestored(() => Promise.all([show({ quiet: true }), refresh().catch(() => {})]));
timeline = new Timeline(byId("timeline"), choose);
listen();
legend([]);
show({ quiet: true });
refresh().catch(error => { byId("store").textContent = error.message; });
keepFresh();
