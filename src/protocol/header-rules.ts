/** `request_headers` and `response_headers` of a route: headers that an operator sets or removes. */
import { z } from "zod";

/** RFC 9110 §5.6.2: a field name is a token. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** RFC 9110 §5.5: one line; CR, LF and NUL would split the head. */
const ONE_LINE = /^[\t\x20-\x7e\x80-\u{10ffff}]*$/u;
/** What can stand in a head as it is: visible ASCII, blanks, and bytes above 0x7f. */
const WIRE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Written or checked by the gateway itself: changing one would break the handshake or the framing of a message. */
const RESERVED = new Map([
	["host", "use rewrite.host to choose the Host that the backend sees"],
	...[
		"connection",
		"proxy-connection",
		"keep-alive",
		"te",
		"trailer",
		"upgrade",
		"transfer-encoding",
		"content-length",
	].map((name): [string, string] => [name, "it belongs to one connection and is written by the gateway"]),
	...["key", "version", "accept", "extensions"].map((name): [string, string] => [
		`sec-websocket-${name}`,
		"it is part of the opening handshake and passes unchanged",
	]),
]);

/** What an operator wrote. */
export interface HeaderRulesConfig {
	readonly set: Readonly<Record<string, string>>;
	readonly add?: Readonly<Record<string, readonly string[]>> | undefined;
	readonly remove: readonly string[];
}

const headerName = z.string().superRefine((name, context) => {
	const problem = nameProblem(name);
	if (problem !== undefined) context.addIssue({ code: "custom", message: problem, input: name });
});

const headerValue = z
	.string()
	.regex(ONE_LINE, { error: "a header value cannot hold line breaks or control characters" });

/** Headers of a request that the gateway makes itself: `{ Name: value }`. */
export const fixedHeaders = z.record(headerName, headerValue);

/**
 * Option schema of `request_headers` and `response_headers`: `{ set: { Name: value }, add: { Name: value }, remove: [Name] }`.
 */
export const headerRulesOptions = z
	.strictObject({
		set: z
			.record(headerName, headerValue)
			.prefault({})
			.meta({ description: "Headers to add; one that is there already is replaced." }),
		add: z
			.record(headerName, z.union([headerValue.transform((value) => [value]), z.array(headerValue)]))
			.optional()
			.meta({ description: "Headers to add, a value or a list, beside those of the same name that are there." }),
		remove: z
			.union([z.array(headerName), headerName.transform((name) => [name])])
			.prefault([])
			.meta({ description: "Names of headers to leave out." }),
	})
	.superRefine((rules, context) => {
		const removed = new Set(rules.remove.map(plainName));
		const set = new Set<string>();
		for (const name of Object.keys(rules.set)) {
			const plain = plainName(name);
			const message = removed.has(plain)
				? `${name} is in remove too; keep one of them`
				: `${name} is there twice; case and _ or - make no difference`;
			if (removed.has(plain) || set.has(plain)) context.addIssue({ code: "custom", path: ["set", name], message });
			set.add(plain);
		}
	});

function nameProblem(name: string): string | undefined {
	if (!TOKEN.test(name)) return "a header name is made of letters, digits and hyphens";
	const reason = RESERVED.get(name.toLowerCase());
	return reason === undefined ? undefined : `${name} cannot be changed here: ${reason}`;
}

/**
 * A header's name as CGI-like servers see it: in lower case, and `X_User` is `X-User`. Names that are set, removed or
 * reserved are compared in this form.
 */
export function plainName(name: string): string {
	const lower = name.toLowerCase();
	return lower.includes("_") ? lower.replaceAll("_", "-") : lower;
}

/** Compiled rules; made once per route by {@link compileHeaderRules}. Names are {@link plainName}s. */
export interface HeaderRules {
	/** By name: what replaces the header. */
	readonly set: ReadonlyMap<string, readonly [name: string, value: string]>;
	/** What comes last in any case: name, value, name, value … */
	readonly add: readonly string[];
	readonly remove: ReadonlySet<string>;
}

/** Compiles checked rules; undefined when there is nothing to do. Values are sent as UTF-8. */
export function compileHeaderRules(config: HeaderRulesConfig): HeaderRules | undefined {
	const entries = Object.entries(config.set);
	const added = Object.entries(config.add ?? {}).flatMap(([name, values]) =>
		values.flatMap((value) => [name, headerText(value)]),
	);
	if (entries.length === 0 && config.remove.length === 0 && added.length === 0) return undefined;
	return {
		set: new Map(entries.map(([name, value]) => [plainName(name), [name, headerText(value)]])),
		add: added,
		remove: new Set(config.remove.map(plainName)),
	};
}

/**
 * Applies rules to a raw header list (name, value, name, value …). A set header takes the place of the first one with its
 * name, further ones go; without one it comes last. Added ones come after all. The list itself is not changed.
 */
export function applyHeaderRules(raw: readonly string[], rules: HeaderRules | undefined): readonly string[] {
	if (rules === undefined) return raw;
	const result: string[] = [];
	const written = new Set<string>();
	for (let i = 0; i < raw.length; i += 2) {
		const name = raw[i] as string;
		const plain = plainName(name);
		if (rules.remove.has(plain)) continue;
		const replacement = rules.set.get(plain);
		if (replacement === undefined) {
			result.push(name, raw[i + 1] as string);
		} else if (!written.has(plain)) {
			written.add(plain);
			result.push(replacement[0], replacement[1]);
		}
	}
	for (const [plain, [name, value]] of rules.set) {
		if (!written.has(plain)) result.push(name, value);
	}
	result.push(...rules.add);
	return result;
}

/** Text as it stands in a head: the bytes of its UTF-8 form, one character each, so that writing it as latin1 sends them. */
export function headerText(text: string): string {
	return /^[\t\x20-\x7e]*$/.test(text) ? text : Buffer.from(text, "utf8").toString("latin1");
}

/** Whether a value can be written into a head as it is; see {@link headerText} for text that cannot. */
export function isWireValue(value: string): boolean {
	return WIRE.test(value);
}
