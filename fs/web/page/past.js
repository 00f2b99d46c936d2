// SPDX-License-Identifier: MIT
// What happened: below a folder, to a file, and between two moments.

import { ask, fileURL, shown, text } from "./ask.js";
import { diff, hunks } from "./diff.js";
import { bytes, count, el, empty, href, link, many, name, table, time, timeText } from "./dom.js";
import { restoreButton } from "./restore.js";

const words = {
	create: "made", link: "given another name", remove: "removed", rename: "renamed", attributes: "attributes changed",
	write: "written", allocate: "space changed", copy: "copied into", xattr: "attributes changed", tag: "moment named", own: "",
};

function what(e) {
	if (e.kind === "write" || e.kind === "copy")
		return `${words[e.kind]}, ${bytes(e.bytes)}`;
	if (e.kind === "create" && e.type === "folder")
		return "folder made";
	return words[e.kind] || e.kind;
}

// Just before something is gone is when one wants to see it.
function eventRow(e) {
	const at = e.kind === "remove" ? `tid-${e.tid - 1}` : `tid-${e.tid}`;

	return el("tr", { class: e.kind === "remove" ? "gone" : null },
		el("td", {}, link({ at: `tid-${e.tid}` }, time(e.ms), { title: "Show this moment" })),
		el("th", { scope: "row", class: "name" }, e.kind === "tag" ? e.tag : link({ at, path: e.path }, name(shown(e.path) || "/")),
			e.renamed !== undefined && el("span", { class: "quiet" }, " was ", name(shown(e.renamed)))),
		el("td", {}, what(e)),
		el("td", { class: "wide number" }, e.uid === undefined ? "" : String(e.uid)));
}

export async function log(state) {
	const here = await ask("list", { at: state.at, path: state.path }).catch(() => null);
	const until = here && state.at !== "now" ? here.point.tid : undefined;
	const page = await ask("log", { path: state.path, until });
	const last = page.events[page.events.length - 1];

	return { point: here?.point, type: here?.self.type, said: many(page.events.length, "change"), parts: [
		page.events.length ? table("What happened, newest first", [{ text: "When" }, { text: "What" }, { text: "" },
			{ text: "By user", class: "wide number" }], page.events.map(eventRow)) : empty("Nothing happened here up to then."),
		page.more && el("p", {}, link({ ...state, at: `tid-${last.tid - 1}` }, "Earlier", { class: "button" }))] };
}

function versionRow(state, v, older) {
	const at = `tid-${v.tid}`;
	const kind = v.kind === "write" && v.states > 1 ? `written, ${count(v.states)} steps` : words[v.kind] || v.kind;

	return [v.end && el("tr", { class: "gone" }, el("td", {}, v.ended === null ? "" : time(v.ended)),
		el("td", { colspan: "3" }, v.end === "removed" ? "removed" : "renamed or replaced")),
	el("tr", { class: v.live ? "live" : null },
		el("th", { scope: "row" }, link({ at, path: v.path }, time(v.ms)), v.live && el("span", { class: "chip" }, "now")),
		el("td", { class: "number" }, v.type === "file" ? bytes(v.size) : ""),
		el("td", {}, kind, v.path !== state.path && el("span", { class: "quiet" }, " as ", name(shown(v.path)))),
		el("td", { class: "acts" },
			v.type === "file" && el("a", { href: fileURL(at, v.path), download: shown(v.path.split("/").pop()) }, "download"),
			v.type === "file" && older && older.path === v.path &&
				link({ at, path: v.path, view: "compare", from: `tid-${older.tid}` }, "compare with the one before"),
			v.type === "file" && !v.live && v.path === state.path &&
				link({ at: "now", path: v.path, view: "compare", from: at }, "with now"),
			!v.live && v.path === state.path && restoreButton({ at, path: v.path, ms: v.ms }, `Restore the version of ${timeText(v.ms)}`)))];
}

export async function versions(state) {
	const here = await ask("list", { at: state.at, path: state.path }).catch(() => null);
	const list = el("tbody"), more = el("p");
	let all = 0, last = null;

	async function load(before) {
		const page = await ask("versions", { path: state.path, before });
		const rows = page.versions.map((v, i) => versionRow(state, v, page.versions[i + 1])).flat().filter(Boolean);

		list.append(...rows);
		all += page.versions.length;
		last = page.before;
		more.replaceChildren(...(last ? [el("button", { type: "button", onclick: () => load(last) }, "Earlier versions")] : []));
	}
	await load();
	const shownTable = table("Versions, newest first", [{ text: "Since" }, { text: "Size", class: "number" }, { text: "How" }, { text: "" }], []);

	shownTable.querySelector("tbody").replaceWith(list);
	return { point: here?.point, type: here?.self.type || "file", said: many(all, "version"),
		parts: [all ? shownTable : empty("There is no version of it."), more] };
}

// --- two moments

function sides(state, from, submit) {
	return el("form", { class: "sides", onsubmit: e => {
		e.preventDefault();
		submit({ ...state, from: e.target.elements.from.value.trim(), at: e.target.elements.until.value.trim() || "now" });
	} },
		el("label", { for: "from" }, "From"), el("input", { id: "from", name: "from", value: from, autocomplete: "off", spellcheck: "false" }),
		el("label", { for: "until" }, "to"), el("input", { id: "until", name: "until", value: state.at, autocomplete: "off", spellcheck: "false" }),
		el("button", {}, "Compare"));
}

function lineOf(l) {
	return el("div", { class: l.kind === "+" ? "line added" : l.kind === "-" ? "line removed" : "line" },
		el("span", { class: "no", "aria-hidden": "true" }, l.a ?? ""), el("span", { class: "no", "aria-hidden": "true" }, l.b ?? ""),
		el("span", { class: "text" }, `${l.kind} ${l.text}`));
}

function textDiff(a, b) {
	if (a.binary || b.binary)
		return { said: "no text", parts: [empty("At least one of them is no text. Download both to compare them.")] };
	const groups = hunks(diff(a.text, b.text));
	const added = groups.flat().filter(l => l.kind === "+").length, removed = groups.flat().filter(l => l.kind === "-").length;

	if (groups.length === 0)
		return { said: "no difference", parts: [empty("They are the same.")] };
	return { said: `${many(added, "line")} added, ${count(removed)} removed`, parts: [
		el("p", { class: "quiet" }, `${many(added, "line")} added, ${count(removed)} removed`),
		el("div", { class: "diff code", tabindex: "0", role: "group", "aria-label": "Differences" },
			groups.map((g, i) => [i > 0 && el("div", { class: "gap", "aria-hidden": "true" }, "⋯"), g.map(lineOf)]).flat(2)),
		(a.cut || b.cut) && empty("Only their beginnings were compared.")] };
}

const kinds = { added: "added", removed: "removed", contents: "changed", attributes: "attributes changed", renamed: "renamed" };

function differenceRow(d, a, b) {
	const gone = d.kind === "removed", at = gone ? a : b;
	const both = d.type === "file" && (d.kind === "contents" || d.also === "contents");

	return el("tr", { class: gone ? "gone" : d.kind === "added" ? "new" : null },
		el("th", { scope: "row", class: `name ${d.type}` }, link({ at, path: d.path }, name(shown(d.path)))),
		el("td", {}, kinds[d.kind], d.also === "contents" && " and changed",
			d.kind === "renamed" && el("span", { class: "quiet" }, " from ", name(shown(d.before)))),
		el("td", { class: "number wide" }, d.type !== "file" ? "" : d.size_a !== undefined && d.size_b !== undefined && d.size_a !== d.size_b ?
			`${bytes(d.size_a)} → ${bytes(d.size_b)}` : bytes(d.size_b ?? d.size_a)),
		el("td", { class: "acts" }, both && d.kind === "contents" && el("a", { href: href({ at: b, path: d.path, view: "compare", from: a }) }, "compare")));
}

export async function compare(state, submit) {
	const sinceThen = !state.from && state.at !== "now";
	let from = state.from || (sinceThen ? state.at : "1h");
	const until = sinceThen ? "now" : state.at;

	state = { ...state, at: until };
	const form = sides(state, from, submit);
	let ends;

	try {
		ends = await ask("diff", { a: from, b: until, path: state.path });
	} catch (e) {
		if (state.from || e.status !== 404)
			return { type: "folder", said: "", parts: [form, el("p", { class: "wrong", role: "alert" }, e.message)] };
		from = "tid-1";
		form.elements.from.value = from;
		ends = await ask("diff", { a: from, b: until, path: state.path });
	}
	const a = `tid-${ends.a.tid}`, b = `tid-${ends.b.tid}`;
	const between = el("p", { class: "quiet" }, ends.a.ms ? time(ends.a.ms) : "the beginning", " → ", time(ends.b.ms));
	const point = sinceThen ? ends.a : ends.b;
	const here = await ask("list", { at: b, path: state.path }).catch(() => null);

	if (here?.self.type === "file") {
		const found = await Promise.all([text(a, state.path), text(b, state.path)]).then(([x, y]) => textDiff(x, y))
			.catch(e => ({ said: "", parts: [empty(e.message)] }));
		return { point, type: "file", said: found.said, parts: [form, between, ...found.parts] };
	}
	const list = ends.differences;
	return { point, type: here?.self.type || "folder", said: many(list.length, "difference"), parts: [form, between,
		list.length ? table("Differences", [{ text: "Name" }, { text: "" }, { text: "Size", class: "number wide" }, { text: "" }],
			list.map(d => differenceRow(d, a, b))) : empty("Nothing differs."),
		ends.more && empty(`Only the first ${count(list.length)} are shown.`)] };
}
