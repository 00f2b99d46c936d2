// SPDX-License-Identifier: MIT
// Elements from values, never from text that could be markup; and how numbers and times read.

export function el(tag, props = {}, ...children) {
	const e = document.createElement(tag);

	for (const [key, value] of Object.entries(props)) {
		if (value === undefined || value === null || value === false)
			continue;
		if (key.startsWith("on"))
			e.addEventListener(key.slice(2), value);
		else if (key === "class")
			e.className = value;
		else
			e.setAttribute(key, value === true ? "" : value);
	}
	e.append(...children.flat().filter(c => c !== null && c !== undefined && c !== false));
	return e;
}

export const byId = id => document.getElementById(id);

// A name somebody else chose: what is right-to-left in it stays within it.
export const name = text => el("bdi", {}, text);

export function count(n) {
	return n.toLocaleString("en");
}

export function many(n, one, more = `${one}s`) {
	return `${count(n)} ${n === 1 ? one : more}`;
}

export function bytes(n) {
	const units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
	let i = 0;

	for (; n >= 1024 && i < units.length - 1; i++)
		n /= 1024;
	return i === 0 ? (n === 1 ? "1 byte" : `${n} bytes`) : `${n < 10 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function timeText(ms) {
	return day.format(ms);
}

// In the reader's time zone; the exact moment is in its title.
export function time(ms) {
	const exact = new Date(ms).toISOString();

	return el("time", { datetime: exact, title: exact }, timeText(ms));
}

export function mode(type, bits) {
	const first = { file: "-", folder: "d", link: "l" }[type] || "?";
	let text = "";

	for (let i = 8; i >= 0; i--)
		text += bits >> i & 1 ? "xwr"[i % 3] : "-";
	return first + text;
}

export function link(state, text, props = {}) {
	return el("a", { href: href(state), ...props }, text);
}

// The page at a moment, a path and a view; what is as usual is not said.
export function href(state) {
	const query = new URLSearchParams();

	if (state.at && state.at !== "now")
		query.set("at", state.at);
	if (state.path)
		query.set("path", state.path);
	if (state.view && state.view !== "contents")
		query.set("view", state.view);
	if (state.from)
		query.set("from", state.from);
	return `?${query}`;
}

export function table(caption, heads, rows, props = {}) {
	return el("div", { class: "scroll" }, el("table", props,
		el("caption", { class: "unseen" }, caption),
		el("thead", {}, el("tr", {}, heads.map(h => el("th", { scope: "col", class: h.class }, h.text)))),
		el("tbody", {}, rows)));
}

export const empty = words => el("p", { class: "empty" }, words);
