/** Numbers, sizes, times and rates as people read them. */

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** 12,345 */
export function formatCount(value: number): string {
	return whole.format(value);
}

/** 0, 0.4, 12, 1,234: a decimal only where it says something. */
export function formatRate(perSecond: number): string {
	if (perSecond === 0) return "0";
	if (perSecond < 0.1) return "<0.1";
	if (perSecond < 10) return perSecond.toFixed(1).replace(/\.0$/, "");
	return whole.format(perSecond);
}

const SIZES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** 512 B, 1.5 KiB */
export function formatBytes(bytes: number): string {
	let value = bytes;
	let unit = 0;
	while (value >= 1024 && unit < SIZES.length - 1) {
		value /= 1024;
		unit++;
	}
	const digits = unit === 0 || value >= 100 ? 0 : 1;
	return `${value.toFixed(digits)} ${SIZES[unit]}`;
}

const UNITS: readonly (readonly [label: string, ms: number])[] = [
	["d", 86_400_000],
	["h", 3_600_000],
	["m", 60_000],
	["s", 1_000],
];

/** The two largest units: 3d 4h, 12m 5s, 45s; 250ms below a second. */
export function formatDuration(ms: number): string {
	if (ms < 1_000) return `${Math.max(0, Math.round(ms))}ms`;
	const first = UNITS.findIndex(([, size]) => ms >= size);
	const [label, size] = UNITS[first] as readonly [string, number];
	const count = Math.floor(ms / size);
	const next = UNITS[first + 1];
	const rest = next === undefined ? 0 : Math.floor((ms - count * size) / next[1]);
	return next === undefined || rest === 0 ? `${count}${label}` : `${count}${label} ${rest}${next[0]}`;
}

/** 0.31 ms, 12.5 ms, 340 ms; – for an answer time that is not known yet. */
export function formatRtt(ms: number | undefined): string {
	if (ms === undefined) return "–";
	if (ms < 1) return `${ms.toFixed(2)} ms`;
	return `${ms.toFixed(ms < 100 ? 1 : 0)} ms`;
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const shortClock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

/** 13:05:09, in the browser's time zone. */
export function formatTime(ms: number): string {
	return clock.format(ms);
}

/** 13:05 */
export function formatShortTime(ms: number): string {
	return shortClock.format(ms);
}

/** One connection, 2 connections */
export function plural(count: number, one: string, many = `${one}s`): string {
	return count === 1 ? `1 ${one}` : `${formatCount(count)} ${many}`;
}

/** The length of a text in UTF-8, as a Close frame counts it. */
export function byteLength(text: string): number {
	return new TextEncoder().encode(text).length;
}
