/**
 * The client programs of `programs/`: each opens the URLs that it is given, at the same time, prints a line of JSON when
 * one is open and when its library says that it is closed, and exits when all are.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { type Child, startNode } from "../harness/child.ts";
import { until } from "../harness/poll.ts";

const PYTHON = "/usr/bin/python3";
const PACKAGES = fileURLToPath(new URL("packages/node_modules/", import.meta.url));

/** What a library says of a closed connection. */
export interface Closed {
	/** As the library gives it; absent where it gives none. */
	readonly code?: number | null;
	/** Whether it was closed with a Close frame, where the library says so. */
	readonly clean?: boolean;
	/** Whether it reported an error. */
	readonly error?: boolean;
}

/** A library, with what it takes to run it. */
export interface Library {
	readonly name: string;
	/** The file in `programs/`. */
	readonly program: string;
	/** The Debian package, where npm has none. */
	readonly debian?: string;
	/** It sends without a pause once it is open. */
	readonly floods?: boolean;
}

export const LIBRARIES: readonly Library[] = [
	{ name: "ws 8", program: "ws-8.js" },
	{ name: "ws 1.1", program: "ws-1.js" },
	{ name: "faye-websocket 0.11", program: "faye-websocket.js" },
	{ name: "Qt 5.15", program: "qt5.py", debian: "python3-pyqt5.qtwebsockets" },
	{ name: "libsoup 3.2", program: "libsoup3.py", debian: "gir1.2-soup-3.0 python3-gi" },
	{ name: "ws4py 0.5", program: "ws4py-client.py", debian: "python3-ws4py" },
	{ name: "websocket-client 1.2", program: "websocket-client.py", debian: "python3-websocket" },
	{ name: "libwebsockets 4.1", program: "libwebsockets.js", debian: "libwebsockets-test-server", floods: true },
];

/** Connections of one library. */
export interface Connections {
	/** Waits until all are open. */
	open(): Promise<void>;
	/** Waits until all are closed; what the library said of each, in the order of the URLs. */
	closed(): Promise<Closed[]>;
}

/** @throws Error when npm's part is not installed */
export function requirePackages(): void {
	if (existsSync(PACKAGES)) return;
	throw new Error("test/clients/packages is not installed: run `node scripts/test-packages.js`, with the npm registry");
}

export function connectWith({ name, program, debian }: Library, urls: readonly string[]): Connections {
	const args = [fileURLToPath(new URL(`programs/${program}`, import.meta.url)), ...urls];
	const child = startNode(args, program.endsWith(".py") ? { executable: PYTHON } : {});
	const hint = debian === undefined ? "" : `\nIs it installed? Debian, Ubuntu: apt-get install ${debian}`;
	return {
		open: async () => {
			await until(() => events(child, "open").size === urls.length || child.process.exitCode !== null, {
				timeout: 20_000,
				what: `${name} to open ${urls.length} connections; it said: ${child.stderr()}`,
			});
			if (events(child, "open").size === urls.length) return;
			throw new Error(`${name} did not open all its connections: ${child.stdout()}${child.stderr()}${hint}`);
		},
		closed: async () => {
			await until(() => events(child, "close").size === urls.length, {
				timeout: 15_000,
				what: `${name} to close ${urls.length} connections; it said: ${child.stdout()}`,
			});
			const found = events(child, "close");
			return urls.map((_, index) => found.get(index) as Closed);
		},
	};
}

/** The same for the page's browser. */
export function connectInPage(page: Page, urls: readonly string[]): Connections {
	const started = page.evaluate((targets) => {
		const all = targets.map((target) => {
			const socket = new WebSocket(target);
			const seen = { error: false };
			socket.onerror = () => {
				seen.error = true;
			};
			return {
				open: new Promise<void>((resolve) => {
					socket.onopen = () => resolve();
				}),
				closed: new Promise<Closed>((resolve) => {
					socket.onclose = ({ code, wasClean }) => resolve({ code, clean: wasClean, ...seen });
				}),
			};
		});
		Object.assign(globalThis, { ends: Promise.all(all.map(({ closed }) => closed)) });
		return Promise.all(all.map(({ open }) => open)).then(() => undefined);
	}, urls);
	return {
		open: () => started,
		closed: () => page.evaluate(() => (globalThis as unknown as { ends: Promise<Closed[]> }).ends),
	};
}

function events(child: Child, wanted: string): Map<number, Closed> {
	const found = new Map<number, Closed>();
	for (const { url, event, ...said } of child.out.records) {
		if (event === wanted) found.set(url as number, said as unknown as Closed);
	}
	return found;
}
