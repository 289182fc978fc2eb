/** `clawgate doctor URL`: opens a WebSocket step by step and says what is wrong and what to do. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { resolve } from "node:path";
import { createSecureContext } from "node:tls";
import { parseArgs } from "node:util";
import type { Examination, Surroundings } from "../doctor/examination.ts";
import { examine } from "../doctor/examine.ts";
import { causesReference } from "../doctor/reference.ts";
import { reportJson } from "../doctor/report.ts";
import { stepText, summaryText } from "../doctor/report-text.ts";
import { OWN_HEADERS } from "../doctor/request-head.ts";
import { systemLookup } from "../doctor/system-lookup.ts";
import { parseDuration } from "../options.ts";
import { argumentMessage } from "./argument-error.ts";
import { UsageError } from "./arguments.ts";
import { type Command, type CommandIo, EXIT_USAGE } from "./command.ts";
import { painter } from "./style.ts";

const HELP = `Usage: clawgate doctor [OPTION…] URL

Opens a WebSocket in the order in which a person would check: URL, DNS, TCP, TLS, the HTTP answer, its headers, a Ping,
the closing handshake. Says what is wrong and what to do. Exit 0 when it is healthy, 1 when it is not.

  -H, --header 'K: V'   a header of the handshake, again for more; its value is never shown
  --origin ORIGIN       Origin header, as a page of that origin would send it
  --subprotocol NAME    offers a subprotocol, again for more
  --hold DURATION       keeps the connection idle so long, and tells when it is cut: 90s, 10m
  --ping-every DURATION
                        with --hold: sends a Ping so often, to see whether that keeps it open
  --timeout DURATION    for each step (default: 10s)
  -k, --insecure        goes on after certificate problems
  --ca FILE             PEM: trusts these authorities instead of the system's
  --cert FILE           PEM: client certificate, together with
  --key FILE            PEM: its key
  -4, --ipv4            only IPv4 addresses
  -6, --ipv6            only IPv6 addresses
  --resolve ADDRESS     connects there instead of asking DNS; curl's HOST:PORT:ADDRESS works too
  -v, --verbose         shows the heads of request and answer
  --json                prints JSON
  --causes              prints every cause that it knows, in Markdown
  -h, --help            prints this
`;

const HEADER = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

const OPTIONS = {
	header: { type: "string", short: "H", multiple: true },
	origin: { type: "string" },
	subprotocol: { type: "string", multiple: true },
	hold: { type: "string" },
	"ping-every": { type: "string" },
	timeout: { type: "string", default: "10s" },
	insecure: { type: "boolean", short: "k" },
	ca: { type: "string" },
	cert: { type: "string" },
	key: { type: "string" },
	ipv4: { type: "boolean", short: "4" },
	ipv6: { type: "boolean", short: "6" },
	resolve: { type: "string" },
	verbose: { type: "boolean", short: "v" },
	json: { type: "boolean" },
	causes: { type: "boolean" },
	help: { type: "boolean", short: "h" },
} as const;

type Values = ReturnType<typeof parse>["values"];

export const doctor: Command = async (argv, io) => {
	let values: Values;
	let examination: Examination;
	try {
		const parsed = parse(argv);
		values = parsed.values;
		if (values.help || values.causes) {
			io.stdout(values.help ? HELP : causesReference());
			return 0;
		}
		examination = examinationOf(values, parsed.positionals, io);
	} catch (error) {
		if (!(error instanceof UsageError)) throw error;
		io.stderr(`clawgate doctor: ${error.message}\nclawgate doctor --help tells more\n`);
		return EXIT_USAGE;
	}

	const paint = painter(io);
	const text = values.json !== true;
	const watched = io.terminal?.stderr === true && text;
	const surroundings: Surroundings = {
		lookup: systemLookup,
		now: () => performance.now(),
		epoch: () => Date.now(),
		randomBytes,
	};
	const report = await examine(examination, surroundings, {
		onStep: (step) => {
			if (step.id === "hold" && watched) io.stderr("\r\u001b[K");
			if (text) io.stdout(stepText(step, paint, values.verbose === true));
		},
		onHold: (held) => {
			if (watched) io.stderr(`\rheld for ${Math.round(held / 1_000)} s of ${(examination.hold ?? 0) / 1_000} s `);
		},
	});
	io.stdout(text ? summaryText(report, paint) : `${JSON.stringify(reportJson(report), null, 2)}\n`);
	return report.healthy ? 0 : 1;
};

function parse(argv: readonly string[]) {
	try {
		return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
	} catch (error) {
		throw new UsageError(argumentMessage(error, Object.keys(OPTIONS)));
	}
}

/** @throws UsageError */
function examinationOf(values: Values, positionals: readonly string[], io: CommandIo): Examination {
	const [url, other] = positionals;
	if (url === undefined) throw new UsageError("a URL is needed, such as wss://chat.example.com/ws");
	if (other !== undefined) throw new UsageError(`one URL at a time; ${JSON.stringify(other)} is too much`);
	const headers = (values.header ?? []).map(readHeader);
	const origin = headers.find(([name]) => name.toLowerCase() === "origin")?.[1];
	const hold = positive(values, "hold");
	const pingEvery = positive(values, "ping-every");
	if (pingEvery !== undefined && hold === undefined) throw new UsageError("--ping-every needs --hold");
	if (values.ipv4 && values.ipv6) throw new UsageError("-4 and -6 exclude each other");
	for (const name of values.subprotocol ?? []) {
		if (!TOKEN.test(name)) throw new UsageError("--subprotocol takes one name at a time, without blanks and commas");
	}
	return {
		url,
		headers: headers.filter(([name]) => name.toLowerCase() !== "origin"),
		subprotocols: values.subprotocol ?? [],
		origin: values.origin === undefined ? origin : readHeader(`Origin: ${values.origin}`)[1],
		insecure: values.insecure === true,
		timeout: positive(values, "timeout") as number,
		hold,
		pingEvery,
		family: values.ipv4 ? 4 : values.ipv6 ? 6 : 0,
		resolve: values.resolve === undefined ? undefined : readAddress(values.resolve),
		...readFiles(values, io),
	};
}

/** @throws UsageError that does not repeat the value: it may be a secret */
function readHeader(text: string): [name: string, value: string] {
	const match = HEADER.exec(text);
	if (!match) throw new UsageError("a header is written 'Name: value', in characters of Latin-1");
	const [, name, value] = match as unknown as [string, string, string];
	if (!OWN_HEADERS.includes(name.toLowerCase())) return [name, value];
	const instead = name.toLowerCase() === "sec-websocket-protocol" ? "; use --subprotocol" : "";
	throw new UsageError(`${name} is the doctor's own header${instead}`);
}

/** Milliseconds of a duration option; undefined when it was not given. */
function positive(values: Values, name: "hold" | "ping-every" | "timeout"): number | undefined {
	const text = values[name];
	if (text === undefined) return undefined;
	const milliseconds = parseDuration(text);
	// Node's timers hold a signed 32-bit number.
	if (milliseconds !== undefined && milliseconds > 0 && milliseconds < 2 ** 31) return milliseconds;
	throw new UsageError(`--${name} takes a duration such as 500ms, 90s or 10m`);
}

/** `ADDRESS`, `[ADDRESS]`, or curl's `HOST:PORT:ADDRESS`. */
function readAddress(text: string): string {
	const address = (isIP(text) === 0 ? text.replace(/^[^[\]:]+:[\d*]+:/, "") : text).replace(/^\[|\]$/g, "");
	if (isIP(address) === 0) throw new UsageError("--resolve takes an address, such as 203.0.113.7 or 2001:db8::7");
	return address;
}

function readFiles(values: Values, { cwd }: CommandIo): Pick<Examination, "ca" | "cert" | "key"> {
	if ((values.cert === undefined) !== (values.key === undefined)) {
		throw new UsageError("--cert and --key belong together");
	}
	const read = (name: "ca" | "cert" | "key"): string | undefined => {
		const file = values[name];
		try {
			return file === undefined ? undefined : readFileSync(resolve(cwd, file), "utf8");
		} catch (error) {
			throw new UsageError(`--${name}: ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
		}
	};
	const files = { ca: read("ca"), cert: read("cert"), key: read("key") };
	try {
		createSecureContext(files);
	} catch (error) {
		throw new UsageError(`--ca, --cert or --key cannot be used: ${(error as Error).message}`);
	}
	return files;
}
