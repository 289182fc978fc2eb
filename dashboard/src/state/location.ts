/** Which view is shown: the hash of the page's address, such as `#/connections?route=chat`. */
import { type ReadonlySignal, signal } from "@preact/signals";

export const VIEWS = ["overview", "routes", "hubs", "connections", "drains", "config", "events"] as const;

export type View = (typeof VIEWS)[number];

export interface Place {
	readonly view: View;
	readonly params: URLSearchParams;
}

export interface Location {
	readonly place: ReadonlySignal<Place>;
	/** Goes on in the browser's history. */
	go(hash: string): void;
	/** Changes parameters of the place without an entry in the history; undefined or "" takes one away. */
	set(params: Readonly<Record<string, string | undefined>>): void;
}

export function createLocation(window: Window): Location {
	const place = signal(parsePlace(window.location.hash));
	window.addEventListener("hashchange", () => {
		place.value = parsePlace(window.location.hash);
	});
	return {
		place,
		go: (hash) => {
			window.location.hash = hash;
		},
		set: (changes) => {
			const { view, params } = place.value;
			const next = new URLSearchParams(params);
			for (const [name, value] of Object.entries(changes)) {
				if (value === undefined || value === "") next.delete(name);
				else next.set(name, value);
			}
			window.history.replaceState(null, "", hashOf(view, next));
			place.value = { view, params: next };
		},
	};
}

/** An unknown view is the first one. */
export function parsePlace(hash: string): Place {
	const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
	const view = VIEWS.find((each) => each === path) ?? "overview";
	return { view, params: new URLSearchParams(query) };
}

/** The hash of a view; parameters that are undefined or empty are left out. */
export function hashOf(
	view: View,
	params: URLSearchParams | Readonly<Record<string, string | undefined>> = {},
): string {
	const query = params instanceof URLSearchParams ? params : new URLSearchParams();
	if (!(params instanceof URLSearchParams)) {
		for (const [name, value] of Object.entries(params)) if (value) query.set(name, value);
	}
	const text = query.toString();
	return text === "" ? `#/${view}` : `#/${view}?${text}`;
}
