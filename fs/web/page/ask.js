// SPDX-License-Identifier: MIT
// Asking the server; and paths, which are percent-encoded bytes throughout: a name need not be text.

let csrf = "";

async function answer(response) {
	const type = response.headers.get("Content-Type") || "";
	const body = type.startsWith("application/json") ? await response.json() : { error: (await response.text()).trim() };

	if (!response.ok)
		throw Object.assign(new Error(body.error || "The server could not answer."), { status: response.status });
	return body;
}

async function send(url, options) {
	try {
		return await fetch(url, options);
	} catch {
		throw new Error("holdfast web does not answer any more: was it ended?");
	}
}

export async function ask(name, args = {}) {
	const query = new URLSearchParams();

	for (const [key, value] of Object.entries(args))
		if (value !== undefined && value !== null && value !== "")
			query.set(key, value);
	return answer(await send(`api/${name}?${query}`));
}

export async function change(name, body = {}) {
	if (!csrf)
		csrf = (await ask("session")).csrf;
	return answer(await send(`api/${name}`, {
		method: "POST",
		headers: { "Content-Type": "application/json", "X-Holdfast-Csrf": csrf },
		body: JSON.stringify(body),
	}));
}

export function fileURL(at, path, limit) {
	const query = new URLSearchParams({ at, path });

	if (limit)
		query.set("limit", limit);
	return `file?${query}`;
}

export const TEXT_BYTES = 512 * 1024;

// A file's beginning as text; binary: it is none.
export async function text(at, path) {
	const response = await send(fileURL(at, path, TEXT_BYTES));

	if (!response.ok)
		await answer(response);
	const bytes = new Uint8Array(await response.arrayBuffer());
	return {
		binary: bytes.subarray(0, 8192).includes(0),
		cut: bytes.length >= TEXT_BYTES,
		text: new TextDecoder().decode(bytes),
	};
}

export function shown(escaped) {
	const bytes = [];

	for (let i = 0; i < escaped.length; i++) {
		if (escaped[i] === "%") {
			bytes.push(parseInt(escaped.slice(i + 1, i + 3), 16));
			i += 2;
		} else {
			bytes.push(escaped.charCodeAt(i));
		}
	}
	// What steers a terminal or a line has a picture of its own.
	return new TextDecoder().decode(new Uint8Array(bytes))
		.replace(/[\u0000-\u001f]/g, c => String.fromCharCode(0x2400 + c.charCodeAt(0)));
}

export const join = (path, name) => path ? `${path}/${name}` : name;
export const above = path => path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
export const lastName = path => path.slice(path.lastIndexOf("/") + 1);
