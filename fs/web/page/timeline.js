// SPDX-License-Identifier: MIT
// The past as a row of bars: how much changed when, what was named, where alarms and replicas are. One slider for the
// keyboard: arrows go from change to change, + and - show less and more time, Home and End the ends.

import { ask } from "./ask.js";
import { count, el, many, timeText } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 132, AXIS = 22, TOP = 20, SPAN_MIN_MS = 100;

function shape(tag, attributes) {
	const e = document.createElementNS(SVG, tag);

	for (const [key, value] of Object.entries(attributes))
		e.setAttribute(key, value);
	return e;
}

// Round steps of time for the axis, about n of them.
function ticks(from, until, n) {
	const steps = [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400,
		14 * 86400, 30 * 86400, 91 * 86400, 365 * 86400, 3650 * 86400].map(s => s * 1000);
	const step = steps.find(s => (until - from) / s <= n) || steps[steps.length - 1];
	const offset = new Date(from).getTimezoneOffset() * 60000;
	const all = [];

	for (let t = Math.ceil((from - offset) / step) * step + offset; t < until; t += step)
		all.push(t);
	return { step, all };
}

function tickText(ms, step) {
	const options = step < 1000 ? { minute: "2-digit", second: "2-digit", fractionalSecondDigits: 1 } :
		step < 60000 ? { hour: "2-digit", minute: "2-digit", second: "2-digit" } :
		step < 86400000 ? { hour: "2-digit", minute: "2-digit" } :
		step < 300 * 86400000 ? { month: "short", day: "numeric" } : { year: "numeric" };

	if (step >= 3600000 && step < 86400000 && new Date(ms).getHours() === 0)
		return new Date(ms).toLocaleDateString(undefined, { month: "short", day: "numeric" });
	return new Date(ms).toLocaleString(undefined, options);
}

export class Timeline {
	// choose(at, ms): a person chose a moment, or 'now'
	constructor(box, choose) {
		this.choose = choose;
		this.data = null;
		this.range = null;  // { from, until }, null: all
		this.at = null;     // { tid, ms } that is shown
		this.marks = [];    // { ms, kind, text }
		this.svg = shape("svg", { "aria-hidden": "true", height: HEIGHT });
		this.slider = el("div", { class: "slider", role: "slider", tabindex: "0", "aria-label": "Moment",
			"aria-valuemin": "0", "aria-valuemax": "0", "aria-valuenow": "0" });
		this.tip = el("p", { class: "tip", "aria-hidden": "true" });
		this.slider.append(this.svg, this.tip);
		box.append(this.slider);
		this.slider.addEventListener("keydown", e => this.key(e));
		this.slider.addEventListener("pointerdown", e => this.press(e));
		this.slider.addEventListener("pointermove", e => this.hover(e));
		this.slider.addEventListener("pointerleave", () => { this.tip.textContent = ""; });
		this.slider.addEventListener("wheel", e => this.wheel(e), { passive: false });
		new ResizeObserver(() => this.draw()).observe(this.slider);
	}

	get width() {
		return Math.max(this.slider.clientWidth, 200);
	}

	async load() {
		const asked = this.asked = {};
		const bars = Math.max(40, Math.min(240, Math.floor(this.width / 5)));
		const data = await ask("timeline", { bars, from: this.range?.from, until: this.range?.until });

		if (asked !== this.asked)
			return;
		this.data = data;
		this.draw();
	}

	show(at, marks) {
		this.at = at || this.at;
		this.marks = marks || this.marks;
		this.draw();
	}

	x(ms) {
		return (ms - this.data.from) / (this.data.until - this.data.from) * this.width;
	}

	// Which bar a position is in, and which one the moment that is shown.
	barAt(px) {
		return Math.max(0, Math.min(this.data.tids.length - 1, Math.floor(px / this.width * this.data.tids.length)));
	}

	barShown() {
		return this.at ? this.barAt(this.x(this.at.ms)) : this.data.tids.length - 1;
	}

	barTime(i) {
		return this.data.from + (i + 1) * (this.data.until - this.data.from) / this.data.tids.length;
	}

	draw() {
		const d = this.data;

		if (!d)
			return;
		const n = d.changes.length, w = this.width / n, most = Math.max(1, ...d.changes), base = HEIGHT - AXIS;
		const tall = v => Math.max(2, Math.sqrt(v / most) * (base - TOP));

		this.svg.setAttribute("width", this.width);
		this.svg.replaceChildren();
		this.svg.append(shape("line", { x1: 0, x2: this.width, y1: base + 0.5, y2: base + 0.5, class: "axis" }));
		d.changes.forEach((v, i) => {
			if (!v)
				return;
			const h = tall(v), gone = d.removals ? Math.min(v, d.removals[i]) : 0;

			this.svg.append(shape("rect", { x: i * w + 0.5, y: base - h, width: Math.max(1, w - 1), height: h, class: "bar" }));
			if (gone)
				this.svg.append(shape("rect", { x: i * w + 0.5, y: base - h * gone / v, width: Math.max(1, w - 1),
					height: h * gone / v, class: "bar gone" }));
		});
		this.drawAxis(base);
		this.drawMarks(base);
		if (this.at) {
			const x = Math.max(1, Math.min(this.width - 1, this.x(this.at.ms)));

			if (this.at.ms >= d.from && this.at.ms <= d.until)
				this.svg.append(shape("line", { x1: x, x2: x, y1: 2, y2: base, class: "shown" }),
					shape("circle", { cx: x, cy: 5, r: 4.5, class: "shown" }));
		}
		this.tell();
	}

	drawAxis(base) {
		const { step, all } = ticks(this.data.from, this.data.until, Math.max(2, Math.floor(this.width / 90)));

		for (const t of all) {
			const x = this.x(t), label = shape("text", { x, y: HEIGHT - 5, "text-anchor": "middle" });

			label.textContent = tickText(t, step);
			this.svg.append(shape("line", { x1: x, x2: x, y1: base, y2: base + 4, class: "axis" }));
			if (x > 34 && x < this.width - 34)
				this.svg.append(label);
		}
	}

	drawMarks(base) {
		for (const m of this.marks) {
			const x = this.x(m.ms);

			if (x < -1 || x > this.width + 1)
				continue;
			if (m.kind === "tag")
				this.svg.append(shape("path", { d: `M${x} ${base} V12 l7 3.5 -7 3.5`, class: "mark tag" }));
			else if (m.kind === "alarm")
				this.svg.append(shape("path", { d: `M${x - 6} 19 L${x} 8 L${x + 6} 19 Z`, class: "mark alarm" }));
			else
				this.svg.append(shape("circle", { cx: x, cy: base, r: 4.5, class: "mark replica" }));
		}
	}

	barText(i) {
		const d = this.data;

		if (!d.changes[i])
			return "no changes";
		return many(d.changes[i], "change") + (d.removals?.[i] ? `, ${count(d.removals[i])} of them removals` : "");
	}

	tell() {
		const i = this.barShown();

		this.slider.setAttribute("aria-valuemax", this.data.tids.length - 1);
		this.slider.setAttribute("aria-valuenow", i);
		this.slider.setAttribute("aria-valuetext",
			this.at ? `${timeText(this.at.ms)}, ${this.barText(i)} around it` : "now");
	}

	pick(i) {
		const tid = this.data.tids[i];

		if (tid === this.data.last.tid) {
			this.at = this.data.last;
			this.choose("now");
		} else if (tid > 0) {
			this.at = { tid, ms: this.barTime(i) };
			this.choose(`tid-${tid}`);
		}
		this.draw();
	}

	// The next bar in a direction in which something changed.
	step(by) {
		for (let i = this.barShown() + by; i >= 0 && i < this.data.tids.length; i += by)
			if (this.data.changes[i])
				return this.pick(i);
		return undefined;
	}

	zoom(factor, ms) {
		const d = this.data;

		if (!d)
			return;
		const span = Math.max(SPAN_MIN_MS, (d.until - d.from) * factor), all = d.last.ms + 1 - d.first.ms;
		const middle = ms ?? (this.at && this.at.ms >= d.from && this.at.ms <= d.until ? this.at.ms : (d.from + d.until) / 2);
		const share = (middle - d.from) / (d.until - d.from);
		const from = Math.max(d.first.ms, Math.min(middle - share * span, d.last.ms + 1 - span));

		this.range = span >= all ? null : { from: Math.floor(from), until: Math.ceil(from + span) };
		this.later();
	}

	all() {
		this.range = null;
		this.later();
	}

	later() {
		clearTimeout(this.waiting);
		this.waiting = setTimeout(() => this.load().catch(() => {}), 60);
	}

	key(e) {
		const acts = {
			ArrowLeft: () => this.step(-1), ArrowDown: () => this.step(-1),
			ArrowRight: () => this.step(1), ArrowUp: () => this.step(1),
			Home: () => this.pick(this.data.changes.findIndex(v => v > 0)), End: () => this.pick(this.data.tids.length - 1),
			"+": () => this.zoom(0.5), "=": () => this.zoom(0.5), "-": () => this.zoom(2), "0": () => this.all(),
		};

		if (!this.data || !acts[e.key] || e.ctrlKey || e.metaKey || e.altKey)
			return;
		e.preventDefault();
		acts[e.key]();
	}

	position(e) {
		return e.clientX - this.slider.getBoundingClientRect().left;
	}

	press(e) {
		if (this.data && e.button === 0)
			this.pick(this.barAt(this.position(e)));
	}

	hover(e) {
		if (!this.data)
			return;
		const px = this.position(e), i = this.barAt(px);
		const near = this.marks.filter(m => Math.abs(this.x(m.ms) - px) < 6).map(m => m.text);

		this.tip.textContent = [timeText(this.barTime(i)), this.barText(i), ...near].join(" · ");
	}

	wheel(e) {
		if (!this.data || !(e.ctrlKey || e.shiftKey))
			return;
		e.preventDefault();
		this.zoom((e.deltaY || e.deltaX) > 0 ? 1.25 : 0.8, this.data.from + this.position(e) / this.width * (this.data.until - this.data.from));
	}
}
