// SPDX-License-Identifier: MIT
// Two texts, line by line: the shortest way from one to the other (E. Myers, An O(ND) Difference Algorithm and Its
// Variations, 1986), with an end to the patience.

const STEPS_MAX = 1500;

// What follows the last line's end is no line.
export function lines(text) {
	const all = text.split("\n");

	if (all[all.length - 1] === "")
		all.pop();
	return all;
}

// The furthest that each diagonal was reached with each number of steps; null: it is too far.
function reach(a, b) {
	const v = new Map([[1, 0]]), trace = [];

	for (let d = 0; d <= Math.min(a.length + b.length, STEPS_MAX); d++) {
		trace.push(new Map(v));
		for (let k = -d; k <= d; k += 2) {
			const down = k === -d || (k !== d && v.get(k - 1) < v.get(k + 1));
			let x = down ? v.get(k + 1) : v.get(k - 1) + 1;

			while (x < a.length && x - k < b.length && a[x] === b[x - k])
				x++;
			v.set(k, x);
			if (x >= a.length && x - k >= b.length)
				return trace;
		}
	}
	return null;
}

// The way back along the trace: pairs of positions, last first.
function walk(a, b, trace) {
	const out = [];
	let x = a.length, y = b.length;

	for (let d = trace.length - 1; d >= 0; d--) {
		const v = trace[d], k = x - y;
		const down = k === -d || (k !== d && v.get(k - 1) < v.get(k + 1));
		const fromK = down ? k + 1 : k - 1;
		const fromX = d === 0 ? 0 : v.get(fromK), fromY = d === 0 ? 0 : fromX - fromK;

		while (x > fromX && y > fromY)
			out.push({ kind: " ", x: --x, y: --y });
		if (d > 0)
			out.push(down ? { kind: "+", y: --y } : { kind: "-", x: --x });
	}
	return out.reverse();
}

// [{ kind: " " | "-" | "+", text, a, b }]: a, b: line numbers, from 1.
export function diff(textA, textB) {
	const a = lines(textA), b = lines(textB), out = [];
	let head = 0, tail = 0;

	while (head < a.length && head < b.length && a[head] === b[head])
		head++;
	while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail])
		tail++;
	const midA = a.slice(head, a.length - tail), midB = b.slice(head, b.length - tail);
	const trace = reach(midA, midB);
	const steps = trace ? walk(midA, midB, trace) :
		[...midA.keys()].map(x => ({ kind: "-", x })).concat([...midB.keys()].map(y => ({ kind: "+", y })));

	for (let i = 0; i < head; i++)
		out.push({ kind: " ", text: a[i], a: i + 1, b: i + 1 });
	for (const s of steps)
		out.push({ kind: s.kind, text: s.kind === "+" ? midB[s.y] : midA[s.x],
			a: s.kind === "+" ? null : head + s.x + 1, b: s.kind === "-" ? null : head + s.y + 1 });
	for (let i = tail; i > 0; i--)
		out.push({ kind: " ", text: a[a.length - i], a: a.length - i + 1, b: b.length - i + 1 });
	return out;
}

// Only what is near a change: groups of lines that belong together.
export function hunks(all, around = 3) {
	const groups = [];
	let shownTo = -1;

	all.forEach((line, i) => {
		if (line.kind === " ")
			return;
		const from = Math.max(shownTo + 1, i - around), to = Math.min(all.length - 1, i + around);

		if (groups.length === 0 || from > shownTo + 1)
			groups.push([]);
		for (let k = from; k <= to; k++)
			groups[groups.length - 1].push(all[k]);
		shownTo = Math.max(shownTo, to);
	});
	return groups;
}
