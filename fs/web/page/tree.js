// SPDX-License-Identifier: MIT
// What there was: a folder's names, those that are gone, a file's text.

import { ask, fileURL, join, shown, text } from "./ask.js";
import { bytes, count, el, empty, link, many, mode, name, table, time } from "./dom.js";
import { restoreButton } from "./restore.js";

const SHOWN_MAX = 4000;

function order(a, b) {
	return (a.type === "folder" ? 0 : 1) - (b.type === "folder" ? 0 : 1) || a.shown.localeCompare(b.shown, undefined, { numeric: true });
}

async function names(question, state) {
	const all = [];
	let after = "", first = null;

	do {
		const page = await ask(question, { at: state.at, path: state.path, after });

		first = first || page;
		all.push(...page.names);
		after = page.after;
	} while (after && all.length < SHOWN_MAX);
	all.forEach(n => { n.shown = shown(n.name); });
	return { first, all: all.sort(order), more: Boolean(after) };
}

function row(state, n) {
	return el("tr", {},
		el("th", { scope: "row", class: `name ${n.type}` },
			link({ at: state.at, path: join(state.path, n.name) }, name(n.shown)), n.type === "folder" ? "/" : ""),
		el("td", { class: "number" }, n.type === "file" ? bytes(n.size) : ""),
		el("td", {}, time(n.mtime)),
		el("td", { class: "wide code" }, mode(n.type, n.mode)),
		el("td", { class: "wide number" }, `${n.uid}:${n.gid}`));
}

const heads = [{ text: "Name" }, { text: "Size", class: "number" }, { text: "Modified" }, { text: "Mode", class: "wide" },
	{ text: "Owner", class: "wide number" }];

async function goneList(state) {
	const { all, more } = await names("gone", state);

	if (all.length === 0)
		return empty("Nothing was removed from here.");
	return el("div", {}, table("Removed from here", [{ text: "Name" }, { text: "Last there" }], all.map(n => el("tr", {},
		el("th", { scope: "row", class: `name ${n.type}` },
			link({ at: `tid-${n.tid}`, path: join(state.path, n.name) }, name(n.shown)), n.type === "folder" ? "/" : ""),
		el("td", {}, n.ms === null ? "" : time(n.ms))))), more && empty("There are more."));
}

// Names that are gone cost a look at the directory's past: when they are asked for.
function gone(state) {
	const details = el("details", {}, el("summary", {}, "Removed from here"), el("p", { class: "quiet" }, "…"));

	details.addEventListener("toggle", async () => {
		if (!details.open || details.dataset.looked)
			return;
		details.dataset.looked = "yes";
		details.lastChild.replaceWith(await goneList(state).catch(e => el("p", { class: "wrong" }, e.message)));
	});
	return details;
}

async function folder(state, first) {
	const { all, more } = first.after ? await names("list", state) :
		{ all: first.names.map(n => ({ ...n, shown: shown(n.name) })).sort(order), more: false };

	return { said: many(all.length, "name"), parts: [
		state.at !== "now" && el("p", { class: "tasks" }, restore(state, first)),
		all.length ? table("Names in this folder", heads, all.map(n => row(state, n))) : empty("This folder was empty."),
		more && empty(`Only ${count(all.length)} names are shown: the folder has more.`),
		gone(state)] };
}

// What is there now is what it is.
function restore(state, first) {
	return state.at !== "now" && restoreButton({ at: `tid-${first.point.tid}`, path: state.path, ms: first.point.ms });
}

function facts(self) {
	return el("p", { class: "facts quiet" }, self.type === "file" ? `${bytes(self.size)} · ` : "", "modified ", time(self.mtime),
		" · ", el("span", { class: "code" }, mode(self.type, self.mode)), ` · owner ${self.uid}:${self.gid}`);
}

async function file(state, first) {
	const at = state.at === "now" ? `tid-${first.point.tid}` : state.at;
	const get = el("p", { class: "tasks" }, el("a", { class: "button", href: fileURL(at, state.path), download: shown(state.path.split("/").pop()) },
		"Download"), restore(state, first));
	const got = first.self.size > 0 ? await text(at, state.path) : null;

	return { said: bytes(first.self.size), parts: [facts(first.self), get,
		!got ? empty("This file was empty.") :
		got.binary ? empty("This is no text. Download it to look at it.") :
		el("pre", { tabindex: "0", "aria-label": "Contents" }, got.text),
		got?.cut && !got.binary && empty("Only the beginning is shown.")] };
}

// The contents of whatever is at the path: { point, type, said, parts }.
export async function contents(state) {
	const first = await ask("list", { at: state.at, path: state.path });
	const { type } = first.self;
	const found = type === "folder" ? await folder(state, first) : type === "file" ? await file(state, first) :
		{ said: "", parts: [facts(first.self),
			state.at !== "now" && el("p", { class: "tasks" }, restore(state, first)), empty(type === "link" ?
			`A symbolic link to ${first.target === null ? "something too long to show" : shown(first.target)}.` :
			"A device, socket or pipe: there is nothing in it to show.")] };

	return { point: first.point, type, ...found };
}
