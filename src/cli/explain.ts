/** `clawgate explain`: what a configuration would do with a handshake, and why. */
import { isIP } from "node:net";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { readConfigOnce } from "../config/load.ts";
import { formatProblem } from "../config/problem.ts";
import type { GatewayConfig } from "../config/schema.ts";
import { type Explanation, explain as explainRequest } from "../gateway/explain.ts";
import { compileSnapshot } from "../gateway/snapshot.ts";
import { stickySecret } from "../gateway-process.ts";
import { normaliseIp } from "../options.ts";
import { PolicyStates } from "../policy/states.ts";
import { formatAddress } from "../protocol/listen.ts";
import { atOnce } from "../slices.ts";
import { UpstreamStates } from "../upstreams/states.ts";
import { argumentMessage } from "./argument-error.ts";
import { type Command, type CommandIo, EXIT_USAGE } from "./command.ts";
import { chooseListener } from "./explain-listener.ts";
import { parseRequest, type Question, readHeader, readUrl, requestHead } from "./explain-request.ts";
import { explanationText } from "./explain-text.ts";
import { readTopicQuestion, topicAnswer } from "./explain-topic.ts";

const HELP = `Usage: clawgate explain [-c FILE] URL [-H 'NAME: VALUE']… [--subprotocol P]… [--client-ip A]
       clawgate explain [-c FILE] --hub H --topic T [--claims JSON]

Tells which listener, route, checks, upstream and endpoints a handshake would take, and why other routes did not match.
Nothing is connected to: the file alone decides, not what is healthy or drained now (clawgate endpoints shows that). Only
the keys of an auth.jwt.jwks_url are fetched, when a token is given. https:// asks about a plain HTTP request.

  -c, --config FILE  the configuration (default: routes.yaml)
  -H, --header H     a header of the request; several are possible
  --subprotocol P    a subprotocol that the client offers; several are possible
  --client-ip A      the address that the connection comes from (default: 127.0.0.1)
  --listener NAME    the listener, when the URL's port does not tell
  --hub H            instead of a URL: what a client of this hub may do in a topic
  --topic T          the topic
  --claims JSON      the claims of the client's token; "sub" is its name (default: a client without a token)
  --json             prints JSON
  -h, --help         prints this

Exit 0 when a route (or, with --hub, a rule) matches, 1 when none does, 2 for wrong arguments.

  clawgate explain wss://chat.example.com/ws --subprotocol chat.v2 -H 'Origin: https://app.example.com'
  clawgate explain --hub ratings --claims '{"sub":"7"}' --topic user.7
`;

interface Values {
	readonly config: string;
	readonly header: readonly string[];
	readonly subprotocol: readonly string[];
	readonly "client-ip": string;
	readonly listener?: string | undefined;
	readonly hub?: string | undefined;
	readonly topic?: string | undefined;
	readonly claims?: string | undefined;
	readonly json?: boolean | undefined;
	readonly help?: boolean | undefined;
}

/** @returns the exit code */
export const explain: Command = async (argv, io) => {
	const options = {
		config: { type: "string", short: "c", default: "routes.yaml" },
		header: { type: "string", short: "H", multiple: true, default: [] as string[] },
		subprotocol: { type: "string", multiple: true, default: [] as string[] },
		"client-ip": { type: "string", default: "127.0.0.1" },
		listener: { type: "string" },
		hub: { type: "string" },
		topic: { type: "string" },
		claims: { type: "string" },
		json: { type: "boolean" },
		help: { type: "boolean", short: "h" },
	} as const;
	let values: Values;
	let positionals: string[];
	try {
		({ values, positionals } = parseArgs({ args: argv, allowPositionals: true, options }));
	} catch (error) {
		return usage(io, argumentMessage(error, Object.keys(options)));
	}
	if (values.help) {
		io.stdout(HELP);
		return 0;
	}
	if (values.hub !== undefined) {
		if (positionals.length > 0) return usage(io, "name a URL or --hub, not both");
		const asked = readTopicQuestion(values.hub, values.topic, values.claims);
		if (typeof asked === "string") return usage(io, asked);
		const config = configOf(values, io);
		return config ? topicAnswer(config.hubs, asked, values.json === true, io) : 1;
	}
	if (values.topic !== undefined || values.claims !== undefined) return usage(io, "--topic and --claims go with --hub");
	const [url, surplus] = positionals;
	if (url === undefined || surplus !== undefined) return usage(io, "name one URL, such as wss://chat.example.com/ws");
	const question = readUrl(url);
	if (typeof question === "string") return usage(io, question);
	if (isIP(values["client-ip"]) === 0) return usage(io, "--client-ip takes an address such as 192.0.2.1");
	const headers: [string, string][] = [];
	for (const text of values.header) {
		const header = readHeader(text);
		if (typeof header === "string") return usage(io, header);
		headers.push(header);
	}
	const config = configOf(values, io);
	return config ? answer(config, question, headers, values, io) : 1;
};

/** Undefined when the file has mistakes, which are told. */
function configOf(values: Values, io: CommandIo): GatewayConfig | undefined {
	const { config, problems } = readConfigOnce(resolve(io.cwd, values.config), io.env);
	if (config) return config;
	for (const problem of problems) io.stderr(`${formatProblem({ ...problem, file: values.config })}\n`);
	return undefined;
}

async function answer(
	config: GatewayConfig,
	question: Question,
	headers: readonly [string, string][],
	values: Values,
	io: CommandIo,
): Promise<number> {
	const chosen = chooseListener(config.listeners, question, values.listener);
	if (typeof chosen === "string") return notMatched(chosen, values, io);
	const { listener } = chosen;
	const certificate = listener.tls?.client_auth === "require" ? "the client has to show a certificate" : undefined;
	const note = [chosen.note, certificate].filter((part) => part !== undefined).join("; ") || undefined;
	const arrived = await parseRequest({
		head: requestHead(question, { headers, subprotocols: values.subprotocol }),
		remoteAddress: normaliseIp(values["client-ip"]),
		localPort: listener.address.port || question.port,
		encrypted: listener.tls !== undefined,
		maxHeaderSize: listener.max_header_size,
	});
	if (typeof arrived === "string") return notMatched(`the request cannot be read: ${arrived}`, values, io);
	const found = await explained(config, { ...arrived, listener: listener.name });
	const where = { listener: `${listener.name} (${formatAddress(listener.address)})`, note };
	if (values.json) io.stdout(`${JSON.stringify({ ...found, ...(note !== undefined && { note }) }, null, 2)}\n`);
	else io.stdout(explanationText(found, where, io));
	return found.route === undefined ? 1 : 0;
}

/** Compiles the configuration as the gateway does when it starts, and leaves nothing behind. */
async function explained(config: GatewayConfig, request: Parameters<typeof explainRequest>[1]): Promise<Explanation> {
	const clock = () => performance.now();
	const policies = new PolicyStates({
		now: Date.now,
		clock,
		random: Math.random,
		after: () => () => undefined,
		notice: () => undefined,
		limited: () => undefined,
	});
	const states = new UpstreamStates(clock);
	try {
		const parts = { states, policies, random: Math.random, stickySecret: stickySecret(), contents: new Map() };
		const snapshot = atOnce(compileSnapshot(config, parts));
		return await explainRequest(snapshot, request);
	} finally {
		states.close();
		await policies.close();
	}
}

/** There is nothing that could be explained further. */
function notMatched(message: string, { json }: Values, io: CommandIo): number {
	if (json) io.stdout(`${JSON.stringify({ error: message }, null, 2)}\n`);
	else io.stderr(`clawgate explain: ${message}\n`);
	return 1;
}

function usage(io: CommandIo, message: string): number {
	io.stderr(`clawgate explain: ${message}\nclawgate explain --help tells more\n`);
	return EXIT_USAGE;
}
