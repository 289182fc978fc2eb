/** Sets of addresses: which clients `allow` and `deny` let in, in nginx's order, as two lists without an order. */
import { isIP } from "node:net";

/** Both ends belong to it. */
type Interval = readonly [first: bigint, last: bigint];

const BITS = { 4: 32n, 6: 128n } as const;
type Family = keyof typeof BITS;
/** ::ffff:0:0/96, which stands for IPv4: an IPv6 range with it in would have IPv4 clients too. */
const MAPPED: Interval = [0xffff_0000_0000n, 0xffff_ffff_ffffn];
/** Every address. */
export const EVERYBODY: readonly string[] = ["0.0.0.0/0", "::/0"];
const FAMILIES: readonly Family[] = [4, 6];

/** One line of nginx's list; the range is an address, `address/bits` or `all`. */
export interface AccessRule {
	readonly allow: boolean;
	readonly range: string;
}

/**
 * What the rules come to: nginx takes the first one that has the address, and lets in whom none has; Clawgate lets in whom
 * `allow` has, unless `deny` has them too.
 * @returns nothing when everybody may connect
 */
export function accessLists(rules: readonly AccessRule[]): { allow?: string[]; deny?: string[] } {
	return asWritten(rules) ?? computed(rules);
}

/** The addresses that are in both lists. */
export function commonRanges(a: readonly string[], b: readonly string[]): string[] {
	if (JSON.stringify(a) === JSON.stringify(b)) return [...a];
	const outside = outsideOf(a).map((range): AccessRule => ({ allow: false, range }));
	return rangesLetIn([...outside, ...b.map((range): AccessRule => ({ allow: true, range }))]);
}

/** All other addresses. */
export function outsideOf(ranges: readonly string[]): string[] {
	const rules = ranges.map((range): AccessRule => ({ allow: false, range }));
	return rangesLetIn([...rules, { allow: true, range: "all" }]);
}

/** The addresses that the rules let in; whom none has is not among them. */
export function rangesLetIn(rules: readonly AccessRule[]): string[] {
	return decided(rules).allow;
}

/** The ranges as they stand there, where their order makes no difference. */
function asWritten(rules: readonly AccessRule[]): { allow?: string[]; deny?: string[] } | undefined {
	const end = rules.findIndex(({ range }) => range === "all");
	const before = (end < 0 ? rules : rules.slice(0, end)).filter(
		({ range }) => isIP(range.split("/")[0] as string) !== 0,
	);
	const overruled = before.some(
		(rule, index) =>
			rule.allow && before.slice(index + 1).some((later) => !later.allow && overlap(rule.range, later.range)),
	);
	if (overruled || before.some(({ range }) => hasMapped(range))) return undefined;
	const ranges = (allow: boolean) => before.filter((rule) => rule.allow === allow).map(({ range }) => range);
	const [allow, deny] = [ranges(true), ranges(false)];
	const open = end < 0 || rules[end]?.allow === true;
	if (!open && allow.length === 0) return { deny: [...EVERYBODY] };
	return { ...(!open && { allow }), ...(deny.length > 0 && { deny }) };
}

function hasMapped(range: string): boolean {
	const interval = intervalOf(range, 6);
	return interval !== undefined && interval[0] <= MAPPED[1] && MAPPED[0] <= interval[1];
}

function overlap(a: string, b: string): boolean {
	return FAMILIES.some((family) => {
		const [first, second] = [intervalOf(a, family), intervalOf(b, family)];
		return first !== undefined && second !== undefined && first[0] <= second[1] && second[0] <= first[1];
	});
}

function computed(rules: readonly AccessRule[]): { allow?: string[]; deny?: string[] } {
	const closed = rules.find(({ range }) => range === "all")?.allow === false;
	const { allow, deny } = decided(rules);
	if (deny.length === 0) return {};
	if (!closed) return { deny };
	return allow.length > 0 ? { allow } : { deny: [...EVERYBODY] };
}

/** Which addresses the rules let in and keep out, the first one that has an address counts. */
function decided(rules: readonly AccessRule[]): { allow: string[]; deny: string[] } {
	const allow: string[] = [];
	const deny: string[] = [];
	for (const family of FAMILIES) {
		const everything: Interval = [0n, (1n << BITS[family]) - 1n];
		let taken: Interval[] = [];
		const letIn: Interval[] = [];
		const keptOut: Interval[] = [];
		for (const rule of rules) {
			const range = rule.range === "all" ? everything : intervalOf(rule.range, family);
			if (range === undefined) continue;
			(rule.allow ? letIn : keptOut).push(...without(range, taken));
			taken = merged([...taken, range]);
		}
		const written = (intervals: readonly Interval[]) =>
			merged(intervals)
				.flatMap((interval) => (family === 6 ? without(interval, [MAPPED]) : [interval]))
				.flatMap((interval) => cidrs(interval, family));
		allow.push(...written(letIn));
		deny.push(...written(keptOut));
	}
	return { allow, deny };
}

function intervalOf(range: string, family: Family): Interval | undefined {
	const [address = "", bits] = range.split("/");
	if (isIP(address) !== family || !/^\d{1,3}$/.test(bits ?? "0")) return undefined;
	const free = BITS[family] - BigInt(bits ?? BITS[family]);
	if (free < 0n) return undefined;
	const first = (toNumber(address, family) >> free) << free;
	return [first, first + (1n << free) - 1n];
}

function toNumber(address: string, family: Family): bigint {
	if (family === 4) return address.split(".").reduce((sum, part) => sum * 256n + BigInt(part), 0n);
	const plain = new URL(`http://[${address}]`).hostname.slice(1, -1);
	const [head = "", tail] = plain.split("::");
	const groups = (text: string | undefined) => (text ? text.split(":") : []);
	const [start, end] = [groups(head), groups(tail)];
	const all = [...start, ...Array<string>(8 - start.length - end.length).fill("0"), ...end];
	return all.reduce((sum, part) => sum * 65536n + BigInt(`0x${part}`), 0n);
}

function toText(number: bigint, family: Family): string {
	if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (number >> shift) & 255n).join(".");
	const groups = Array.from({ length: 8 }, (_, index) => ((number >> BigInt(112 - index * 16)) & 65535n).toString(16));
	return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

/** Sorted, joined where they touch. */
function merged(intervals: readonly Interval[]): Interval[] {
	const sorted = [...intervals].sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
	const result: Interval[] = [];
	for (const [first, last] of sorted) {
		const before = result.at(-1);
		if (before && first <= before[1] + 1n) result[result.length - 1] = [before[0], laterOf(last, before[1])];
		else result.push([first, last]);
	}
	return result;
}

function laterOf(a: bigint, b: bigint): bigint {
	return a > b ? a : b;
}

/** The parts of an interval outside of the others, which are {@link merged}. */
function without([first, last]: Interval, others: readonly Interval[]): Interval[] {
	const left: Interval[] = [];
	let from = first;
	for (const [start, end] of others) {
		if (end < from || start > last) continue;
		if (start > from) left.push([from, start - 1n]);
		from = end + 1n;
	}
	if (from <= last) left.push([from, last]);
	return left;
}

/** The fewest ranges that make up an interval. */
function cidrs([first, last]: Interval, family: Family): string[] {
	const result: string[] = [];
	for (let from = first; from <= last; ) {
		let free = 0n;
		while (free < BITS[family] && from % (1n << (free + 1n)) === 0n && from + (1n << (free + 1n)) - 1n <= last) free++;
		const text = toText(from, family);
		result.push(free === 0n ? text : `${text}/${BITS[family] - free}`);
		from += 1n << free;
	}
	return result;
}
