/** The built gateway under another Node version. */
import { pathToFileURL } from "node:url";
import { expect } from "vitest";
import { type Certificate, certificate, temporaryFiles } from "../harness/certs.ts";
import { type Child, ROOT, startNode } from "../harness/child.ts";
import { accepts } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { freePort } from "../harness/ports.ts";
import type { NodeVersion } from "./installed.ts";

/** How sockets are read: into a reused buffer, or by `data` events where Node has no way to do that. */
export type Reading = "reused" | "events";

export interface GatewayOn {
	readonly child: Child;
	/** Of a listener, by what it speaks; `selfSigned` has a certificate for `localhost` that was made at start. */
	readonly ports: { readonly plain: number; readonly tls: number; readonly selfSigned: number };
	/** `ws://` or `wss://`, to a listener and a backend by their names. */
	url(listener: "plain" | "tls", backend: string): string;
	/** Stops it and looks at how each process that served has read its sockets. */
	stopped(): Promise<void>;
}

/** For the names `a.test` (ECDSA) and `b.test` (RSA); made once, because that takes long. */
let certificates: Promise<readonly [Certificate, Certificate]> | undefined;

/**
 * Starts it, with one listener plain and two with TLS.
 * @param backends URL by name; the path `/name` leads there
 */
export async function startGatewayOn(
	node: NodeVersion,
	reading: Reading,
	backends: Readonly<Record<string, string>>,
	workers = 1,
): Promise<GatewayOn> {
	certificates ??= Promise.all([certificate(["a.test"]), certificate(["b.test"], { keyType: "rsa" })]);
	const [[ecdsa, rsa], plain, tls, selfSigned] = await Promise.all([certificates, freePort(), freePort(), freePort()]);
	const names = Object.keys(backends);
	const files = await temporaryFiles({
		"a.pem": ecdsa.cert,
		"a.key": ecdsa.key,
		"b.pem": rsa.cert,
		"b.key": rsa.key,
		"routes.yaml": `
workers: ${workers}
shutdown: { drain: { timeout: 1s, spread: 0s } }
listeners:
  - { address: "127.0.0.1:${plain}" }
  - { address: "127.0.0.1:${tls}", tls: { certificates: [{ cert: a.pem, key: a.key }, { cert: b.pem, key: b.key }] } }
  - { address: "127.0.0.1:${selfSigned}", tls: { self_signed: [localhost] } }
upstreams:
${names.map((name) => `  ${name}: { endpoints: ["${backends[name]}"], tls: { verify: false } }`).join("\n")}
routes:
${names.map((name) => `  - { match: { path: /${name} }, upstream: ${name}, timeouts: { close: 1s } }`).join("\n")}
`,
	});
	const child = startNode(
		[
			...(reading === "events" ? preload("hide-machinery.js") : []),
			...preload("count-reads.js"),
			`${ROOT}dist/main.js`,
			...["run", "-c", files["routes.yaml"]],
		],
		{ executable: node.executable() },
	);
	const up = async (): Promise<boolean> => {
		if (child.process.exitCode !== null) throw new Error(`it has ended:\n${child.stdout()}\n${child.stderr()}`);
		return (await accepts(plain)) && (await accepts(tls)) && (await accepts(selfSigned));
	};
	await until(up, { timeout: 15_000, what: `the gateway on Node ${node.version}` });
	return {
		child,
		ports: { plain, tls, selfSigned },
		url: (listener, backend) =>
			listener === "tls" ? `wss://127.0.0.1:${tls}/${backend}` : `ws://127.0.0.1:${plain}/${backend}`,
		stopped: async () => {
			child.kill("SIGTERM");
			const exit = await child.exit();
			expect(exit, child.stderr()).toEqual({ code: 0, signal: null });
			expect(readsOf(child), child.stderr()).toEqual([reading]);
			expect(child.stderr().replace(COUNTS, "")).toBe("");
		},
	};
}

function preload(file: string): string[] {
	return ["--import", pathToFileURL(`${ROOT}test/versions/${file}`).href];
}

/** What count-reads.js has said at the end of each process. */
const COUNTS = /^reads (.*)\n/gm;

/** The ways of reading that were used, in whatever process. */
function readsOf(child: Child): string[] {
	const used = new Set<string>();
	for (const [, json] of child.stderr().matchAll(COUNTS)) {
		const counts = JSON.parse(json as string) as Record<Reading, number>;
		for (const [reading, count] of Object.entries(counts)) if (count > 0) used.add(reading);
	}
	return [...used];
}
