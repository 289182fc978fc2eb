/** Pieces that option schemas share: durations, sizes, percentages, address ranges, secrets. */
import { BlockList, isIP } from "node:net";
import { z } from "zod";

/** A duration written `off`: a timer with this value never fires. */
export const OFF = Number.POSITIVE_INFINITY;

const DURATION_UNITS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const SIZE_UNITS: Record<string, number> = { "": 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/;
const SIZE = /^(\d+)(KiB|MiB|GiB)?$/;
const RATE = /^(\d+(?:\.\d+)?)\/(s|m|h)$/;

/** Parses `250ms`, `5s`, `2m`, `1h` or `off` to milliseconds; undefined when it is none of them. */
export function parseDuration(text: string): number | undefined {
	if (text === "off") return OFF;
	const match = DURATION.exec(text);
	if (!match) return undefined;
	return Number(match[1]) * (DURATION_UNITS[match[2] as string] as number);
}

/** A duration option; the value is in milliseconds, `off` is {@link OFF}. */
export const duration = z
	.union([z.string(), z.literal(0), z.literal(false)], { error: durationHint })
	.transform((value, context) => {
		// YAML 1.1 readers turn a bare `off` into false, and 0 needs no unit.
		const milliseconds = value === 0 ? 0 : value === false ? OFF : parseDuration(value);
		if (milliseconds !== undefined) return milliseconds;
		context.addIssue({ code: "custom", message: durationHint({ input: value }), input: value });
		return z.NEVER;
	})
	.meta({ description: "a duration: 250ms, 5s, 2m, 1h or off" });

function durationHint(issue: { input?: unknown }): string {
	if (typeof issue.input === "number") return `a duration needs a unit: write ${issue.input}s or ${issue.input}ms`;
	return "expected a duration such as 250ms, 5s, 2m, 1h or off";
}

/** Like {@link duration}, but it has to end: `off` is refused. */
export const finiteDuration = duration.refine((value) => Number.isFinite(value), { error: "off is not possible here" });

/** A size option in bytes: `512`, `64KiB`, `1MiB`. */
export const size = z
	.union([z.number().int().nonnegative(), z.string()], { error: "expected a size such as 512, 64KiB or 1MiB" })
	.transform((value, context) => {
		if (typeof value === "number") return value;
		const match = SIZE.exec(value);
		if (match) return Number(match[1]) * (SIZE_UNITS[match[2] ?? ""] as number);
		context.addIssue({ code: "custom", message: "expected a size such as 512, 64KiB or 1MiB", input: value });
		return z.NEVER;
	})
	.meta({ description: "a size in bytes: 512, 64KiB, 1MiB" });

/** A rate option: `{ rate: 50/s, burst: 100 }`; the value has `perSecond` and `burst` (default: one second's worth, at least 1). */
export const rateText = z
	.string({ error: "expected a rate such as 50/s, 100/m or 10/h" })
	.transform((value, context) => {
		const match = RATE.exec(value);
		if (match) return (Number(match[1]) * 1000) / (DURATION_UNITS[match[2] as string] as number);
		context.addIssue({ code: "custom", message: "expected a rate such as 50/s, 100/m or 10/h", input: value });
		return z.NEVER;
	})
	.meta({ description: "a rate: 50/s, 100/m, 10/h" });

/** A share in percent: `50%` or `50`; the value is the number of percent. */
export const percent = z
	.union([z.number().nonnegative(), z.string()], { error: "expected a percentage such as 50%" })
	.transform((value, context) => {
		const number =
			typeof value === "number" ? value : /^\d+(\.\d+)?%$/.test(value) ? Number(value.slice(0, -1)) : Number.NaN;
		if (!Number.isNaN(number)) return number;
		context.addIssue({ code: "custom", message: "expected a percentage such as 50%", input: value });
		return z.NEVER;
	})
	.meta({ description: "a percentage: 50%" });

/** One address (`10.0.0.1`) or range (`10.0.0.0/8`, `fd00::/8`); the value stays text, {@link AddressRanges} compiles it. */
export const cidr = z
	.string()
	.refine(isCidr, { error: "expected an address or a range such as 10.0.0.0/8 or ::1" })
	.meta({ description: "an address or a range: 10.0.0.0/8, ::1" });

/** A value or a list of them; the result is always a list. */
export function oneOrMany<T extends z.ZodType>(item: T) {
	return z
		.union([z.array(item).min(1), item])
		.transform((value) => (Array.isArray(value) ? value : [value]) as z.output<T>[]);
}

function isCidr(text: string): boolean {
	const slash = text.indexOf("/");
	const family = isIP(slash < 0 ? text : text.slice(0, slash));
	if (family === 0) return false;
	if (slash < 0) return true;
	const bits = text.slice(slash + 1);
	return /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
}

/** Addresses and ranges, compiled. */
export class AddressRanges {
	// One list for both families would let `::/0` hold every IPv4 address: Node compares those as ::ffff:a.b.c.d.
	readonly #ipv4 = new BlockList();
	readonly #ipv6 = new BlockList();
	/** Whether there is none. */
	readonly empty: boolean;

	/** @param ranges checked {@link cidr} values */
	constructor(ranges: readonly string[]) {
		this.empty = ranges.length === 0;
		for (const range of ranges) {
			const [address, bits] = ipv4Range(range.split("/") as [string, string?]);
			const [list, family] = isIP(address) === 6 ? ([this.#ipv6, "ipv6"] as const) : ([this.#ipv4, "ipv4"] as const);
			if (bits === undefined) list.addAddress(address, family);
			else list.addSubnet(address, Number(bits), family);
		}
	}

	/** Whether `ip`, as {@link normaliseIp} gives it, is among them. */
	has(ip: string): boolean {
		// Asking Node's list makes an object of the address first.
		if (this.empty) return false;
		return isIP(ip) === 6 ? this.#ipv6.check(ip, "ipv6") : this.#ipv4.check(ip, "ipv4");
	}
}

/** A range of IPv4-mapped addresses (`::ffff:10.0.0.0/104`) as the IPv4 range that clients are compared with. */
function ipv4Range([address, bits]: [string, string?]): readonly [string, string | undefined] {
	const plain = normaliseIp(address);
	const prefix = Number(bits ?? 128) - 96;
	return plain === address || isIP(plain) !== 4 || prefix < 0 ? [address, bits] : [plain, String(prefix)];
}

/** The plain form of an address: IPv4-mapped IPv6 (`::ffff:1.2.3.4`, in any spelling) becomes IPv4, a zone is cut off. */
export function normaliseIp(address: string): string {
	if (!address.includes(":")) return address;
	const zone = address.indexOf("%");
	const plain = zone < 0 ? address : address.slice(0, zone);
	if (!/ffff:/i.test(plain) || isIP(plain) !== 6) return plain;
	if (plain.startsWith("::ffff:") && plain.includes(".")) return plain.slice(7);
	// Any other spelling: the URL parser gives the short one, in hexadecimal.
	const mapped = /^\[::ffff:([0-9a-f]+):([0-9a-f]+)\]$/.exec(new URL(`http://[${plain}]`).hostname);
	if (!mapped) return plain;
	const number = Number.parseInt(mapped[1] as string, 16) * 0x10000 + Number.parseInt(mapped[2] as string, 16);
	return [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join(".");
}
