/** Short messages about what an action did; they go by themselves, except errors. */
import { type ReadonlySignal, signal } from "@preact/signals";

export interface Notice {
	readonly id: number;
	readonly kind: "done" | "error";
	readonly text: string;
}

export interface Notices {
	readonly list: ReadonlySignal<readonly Notice[]>;
	done(text: string): void;
	error(text: string): void;
	dismiss(id: number): void;
}

const SHOWN_MS = 8_000;
const MAX_SHOWN = 4;

export function createNotices(): Notices {
	const list = signal<readonly Notice[]>([]);
	let lastId = 0;
	const dismiss = (id: number): void => {
		list.value = list.value.filter((notice) => notice.id !== id);
	};
	const add = (kind: Notice["kind"], text: string): number => {
		list.value = [...list.value, { id: ++lastId, kind, text }].slice(-MAX_SHOWN);
		return lastId;
	};
	return {
		list,
		dismiss,
		error: (text) => void add("error", text),
		done: (text) => {
			const id = add("done", text);
			setTimeout(() => dismiss(id), SHOWN_MS);
		},
	};
}
