// SPDX-License-Identifier: MIT
// Restoring: a dialog that first shows what would change, and changes it when that was agreed to. What is restored is said
// by a tid, so that what is done is of the moment that was shown.

import { change, lastName, shown } from "./ask.js";
import { byId, el, many, name, table, time } from "./dom.js";

const counts = [
	{ key: "created", would: "to make", done: "made", class: "new" },
	{ key: "linked", would: "to make as another name", done: "made as another name", class: "new" },
	{ key: "moved", would: "to move back", done: "moved back" },
	{ key: "contents", would: "to give back their contents", done: "given back their contents" },
	{ key: "attributes", would: "to give back their attributes", done: "given back their attributes" },
	{ key: "removed", would: "to remove", done: "removed", class: "gone" },
];
const kinds = { create: "make", link: "make", move: "move back", remove: "remove", contents: "change",
	attributes: "attributes" };
const classes = { create: "new", link: "new", remove: "gone" };

const sum = answer => counts.reduce((n, c) => n + answer[c.key], 0);

function countList(answer, word) {
	return el("ul", { class: "counts" }, counts.filter(c => answer[c.key]).map(c =>
		el("li", { class: c.class }, el("strong", {}, many(answer[c.key], "name")), ` ${c[word]}`)));
}

function changeRow(c) {
	return el("tr", { class: classes[c.kind] },
		el("td", {}, kinds[c.kind] || c.kind),
		el("th", { scope: "row", class: `name ${c.type}` }, name(shown(c.path) || "All of the volume"),
			c.type === "folder" && c.path ? "/" : "",
			c.before !== undefined && el("span", { class: "quiet" }, " is now ", name(shown(c.before)))));
}

function preview(answer) {
	if (sum(answer) === 0)
		return [el("p", {}, "It is like that now: there is nothing to restore.")];
	const names = table("What would change", [{ text: "To do" }, { text: "Name" }], answer.changes.map(changeRow));

	names.setAttribute("tabindex", "0");
	names.setAttribute("role", "group");
	names.setAttribute("aria-label", "What would change");
	return [countList(answer, "would"), names,
		answer.more > 0 && el("p", { class: "quiet" }, `… and ${many(answer.more, "more name", "more names")}.`),
		el("p", {}, "Nothing is lost by this: what is there now stays in the past, with all of its versions. " +
			"It is taken back with one command, ", el("span", { class: "code" }, "holdfast undo"), ", which is shown when it is done.")];
}

function result(answer) {
	if (sum(answer) === 0)
		return [el("p", {}, "It was like that already: nothing was changed.")];
	return [el("p", {}, el("strong", {}, "Restored.")), countList(answer, "done"),
		answer.held?.length && el("p", {}, "In use: a program runs from these, or the mount is read-only. Until a second after that " +
			"the kernel goes by the length and time that they had; nothing should read or write them before."),
		answer.held?.length && el("ul", {}, answer.held.map(path => el("li", {}, name(shown(path))))),
		answer.undo && el("p", {}, "This takes it back:"),
		answer.undo && el("pre", { class: "undo", tabindex: "0", role: "group", "aria-label": "Command that takes it back" }, answer.undo)];
}

class Restoring {
	constructor(what, opener) {
		this.what = what;
		this.opener = opener;
		this.body = el("div", { class: "body" });
		this.said = el("p", { class: "unseen", role: "status" });
		this.leave = el("button", { type: "button", onclick: () => this.busy || this.dialog.close() }, "Cancel");
		this.act = el("button", { type: "button", class: "main", hidden: true });
		this.act.addEventListener("click", () => this.next());
		const title = el("h2", { id: "restoring" }, "Restore ", name(what.path ? shown(lastName(what.path)) : "all of the volume"));

		this.dialog = el("dialog", { "aria-labelledby": "restoring" }, title,
			el("p", { class: "quiet" }, "to what was there on ", time(what.ms), " ", el("span", { class: "code" }, what.at)),
			this.body, this.said, el("div", { class: "buttons" }, this.leave, this.act));
		this.dialog.addEventListener("cancel", e => this.busy && e.preventDefault());
		this.dialog.addEventListener("close", () => this.end());
	}

	open() {
		document.body.append(this.dialog);
		this.dialog.showModal();
		this.leave.focus();
		this.look();
	}

	end() {
		this.dialog.remove();
		if (this.changed)
			document.dispatchEvent(new CustomEvent("restored"));
		else if (this.opener.isConnected)
			this.opener.focus();
	}

	// All of it is seen; read out is what is no list of names.
	say(...parts) {
		const all = parts.filter(Boolean);

		this.body.replaceChildren(...all);
		this.said.textContent = all.filter(e => e.tagName !== "DIV" && e.role !== "alert").map(e => e.textContent).join(" ");
	}

	offer(text, next) {
		if (!next && document.activeElement === this.act)
			this.leave.focus();
		this.act.hidden = !next;
		this.act.textContent = text;
		this.next = next;
	}

	async ask(dry) {
		return change("restore", { path: this.what.path, at: this.what.at, dry });
	}

	fail(error, again) {
		this.say(el("p", { class: "wrong", role: "alert" }, error.message));
		this.offer("Try again", again);
	}

	async look() {
		this.offer("", null);
		this.say(el("p", { class: "quiet" }, "Looking at what would change…"));
		try {
			const answer = await this.ask(true);

			this.say(...preview(answer));
			if (sum(answer))
				this.offer("Restore", () => this.restore());
			else
				this.leave.textContent = "Close";
		} catch (error) {
			this.fail(error, () => this.look());
		}
	}

	// While it is done there is nothing to cancel any more.
	async restore() {
		this.busy = this.changed = true;
		this.offer("", null);
		this.leave.textContent = "Close";
		this.leave.setAttribute("aria-disabled", "true");
		this.say(el("p", { class: "quiet" }, "Restoring…"));
		try {
			this.say(...result(await this.ask(false)));
		} catch (error) {
			this.fail(error, () => this.look());
		}
		this.leave.removeAttribute("aria-disabled");
		this.busy = false;
		this.leave.focus();
	}
}

// what: { at, path, ms }; at: a tid as a moment.
export function restoreButton(what, label) {
	const text = what.path ? shown(lastName(what.path)) : "all of the volume";

	return el("button", { type: "button", class: "restore", "aria-haspopup": "dialog", "aria-label": label,
		title: `Restore ${text} to what it was then`, onclick: e => new Restoring(what, e.currentTarget).open() }, "Restore…");
}

// After something was restored what is shown may be of before: again shows it anew, and a button is where it was.
export function onRestored(again) {
	document.addEventListener("restored", async () => {
		await again();
		(document.querySelector("#content button.restore") || byId("title")).focus();
	});
}
