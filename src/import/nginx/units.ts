/** nginx's times and sizes in Clawgate's words. */

const TIME_UNITS: Readonly<Record<string, number>> = {
	ms: 1,
	s: 1_000,
	m: 60_000,
	h: 3_600_000,
	d: 86_400_000,
	w: 604_800_000,
	M: 2_592_000_000,
	y: 31_536_000_000,
};
const TIME_PART = /^\s*(\d+)(ms|[smhdwMy])?/;
/** Node's longest timer. */
const LONGEST_HOURS = 596;

/** A time such as `60`, `60s`, `1h 30m` in ms; undefined when it is none. */
export function parseTime(text: string): number | undefined {
	let rest = text.trim();
	if (rest === "") return undefined;
	let total = 0;
	while (rest !== "") {
		const part = TIME_PART.exec(rest);
		if (!part) return undefined;
		total += Number(part[1]) * (TIME_UNITS[part[2] ?? "s"] as number);
		rest = rest.slice(part[0].length).trim();
	}
	return total;
}

/** Milliseconds as Clawgate writes them, at most its longest time. */
export function durationText(ms: number): string {
	const capped = Math.min(ms, LONGEST_HOURS * 3_600_000);
	if (capped >= 3_600_000 && capped % 3_600_000 === 0) return `${capped / 3_600_000}h`;
	if (capped >= 60_000 && capped % 60_000 === 0) return `${capped / 60_000}m`;
	return capped % 1_000 === 0 ? `${capped / 1_000}s` : `${capped}ms`;
}

/** {@link durationText}, where a time beyond Clawgate's longest is `off`. */
export function timerText(ms: number): string {
	return ms > LONGEST_HOURS * 3_600_000 ? "off" : durationText(ms);
}

/** A size such as `8k`, `1m` or `1g` in bytes; undefined when it is none. */
export function parseSize(text: string): number | undefined {
	const match = /^(\d+)([kmg])?$/i.exec(text);
	if (!match) return undefined;
	const factor = { k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[(match[2] ?? "").toLowerCase()] ?? 1;
	return Number(match[1]) * factor;
}

/** Bytes as Clawgate writes them. */
export function sizeText(bytes: number): string {
	if (bytes >= 1024 ** 2 && bytes % 1024 ** 2 === 0) return `${bytes / 1024 ** 2}MiB`;
	return bytes >= 1024 && bytes % 1024 === 0 ? `${bytes / 1024}KiB` : String(bytes);
}
