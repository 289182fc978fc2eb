/** Random requests around the edges of a configuration's locations, the same ones each time. */
import type { Fixture } from "./import-nginx.fixtures.ts";

export interface Asked {
	readonly target: string;
	readonly host: string;
	readonly headers: Readonly<Record<string, string>>;
	/** An opening handshake; otherwise a plain GET. */
	readonly upgrade: boolean;
}

/** @param text of the configuration, where its locations are read from */
export function randomRequests(fixture: Fixture, text: string, count: number): Asked[] {
	const random = mulberry32(0x5eed + fixture.name.length);
	const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
	const paths = [...new Set([...(fixture.paths ?? []), ...edges(text)])];
	const ports = [...text.matchAll(/^\s*listen (\d+)/gm)].map(([, port]) => port as string);
	return Array.from({ length: count }, (_, index): Asked => {
		const host = random() < 0.4 ? (fixture.hosts[0] as string) : pick(fixture.hosts);
		const headers: Record<string, string> = {};
		for (const [name, values] of Object.entries(fixture.headers ?? {})) {
			if (values.length > 0 && random() < 0.6) headers[name] = pick(values);
		}
		const query = fixture.queries && random() < 0.7 ? pick(fixture.queries) : random() < 0.2 ? "a=1&b=%20x" : undefined;
		// Each path once before any twice.
		const path = index < paths.length ? (paths[index] as string) : pick(paths);
		return {
			target: query === undefined ? path : `${path}?${query}`,
			host: random() < 0.15 ? `${host}:${pick(ports)}` : host,
			headers,
			upgrade: random() < 0.7,
		};
	});
}

/** Paths at, below and beside each location. */
function edges(text: string): string[] {
	const found = [...text.matchAll(/location\s+(?:(=|\^~|~\*?)\s+)?"?(\/[^\s{"]*)/g)];
	const literal = found.filter(([, modifier]) => !modifier?.startsWith("~")).map(([, , path]) => path as string);
	return [
		...["/", "/x", "/x/y.html", "//x"],
		...literal.flatMap((path) => {
			const bare = path.replace(/\/$/, "");
			return [
				path,
				bare || "/",
				`${bare}/`,
				`${bare}x`,
				`${bare}/x`,
				`${bare}/x/y`,
				`${bare}/%78`,
				`/y${bare}`,
				bare.slice(0, -1) || "/",
			];
		}),
	];
}

/** A small random number generator with a seed. */
function mulberry32(seed: number): () => number {
	let state = seed;
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
	};
}
