/** The gateway's files in the chaos run: whole, wrong, half-written, with other addresses and certificates. */
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { lstatSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { bcrypt } from "hash-wasm";
import { onTestFinished } from "vitest";
import { type Certificate, certificate } from "../harness/certs.ts";
import { freePort } from "../harness/ports.ts";
import { SECRET } from "../harness/tokens.ts";

export interface ChaosPorts {
	readonly public: number;
	readonly tls: number;
	readonly proxied: number;
	readonly admin: number;
	/** A listener moves between these. */
	readonly moving: readonly [number, number];
}

export interface ChaosConfigOptions {
	readonly workers: number;
	/** A healthy backend, by a name that the name server knows. */
	readonly healthy: string;
	/** Ports of three backends that misbehave. */
	readonly mad: readonly [number, number, number];
}

/** The password of ada and eve, and the key of a program. */
export const RIGHT = "right";

/** Ways to write the file, besides {@link ChaosConfig.whole}. */
export const BAD_WRITES = ["not YAML", "a wrong value", "a dangling name", "no address to have", "empty"] as const;

export class ChaosConfig {
	readonly file: string;
	readonly ports: ChaosPorts;
	readonly #folder: string;
	readonly #options: ChaosConfigOptions;
	readonly #pairs: readonly Certificate[];
	#round = 0;
	#move = 0;
	#swap = 0;

	private constructor(folder: string, ports: ChaosPorts, pairs: readonly Certificate[], options: ChaosConfigOptions) {
		this.#folder = folder;
		this.file = join(folder, "routes.yaml");
		this.ports = ports;
		this.#pairs = pairs;
		this.#options = options;
	}

	/** Makes the files; they go away with the test. */
	static async make(options: ChaosConfigOptions): Promise<ChaosConfig> {
		const folder = mkdtempSync(join(tmpdir(), "clawgate-chaos-"));
		onTestFinished(() => rmSync(folder, { recursive: true }));
		const ports: ChaosPorts = {
			public: await freePort(),
			tls: await freePort(),
			proxied: await freePort(),
			admin: await freePort(),
			moving: [await freePort(), await freePort()],
		};
		const hash = await bcrypt({ password: RIGHT, salt: randomBytes(16), costFactor: 4, outputType: "encoded" });
		const write = (name: string, text: string) => writeFileSync(join(folder, name), text, { mode: 0o600 });
		write("users", `ada:${hash}\neve:${hash}\n`);
		write("keys", `program sha256:${createHash("sha256").update(RIGHT).digest("hex")}\n`);
		const pairs = [await certificate(["a.test"], { keyType: "rsa" }), await certificate(["b.test"])];
		const config = new ChaosConfig(folder, ports, pairs, options);
		config.#writePair(pairs[0] as Certificate);
		config.whole();
		return config;
	}

	/** The name of a route that is only in the file which was written last. */
	get mark(): string {
		return `round-${this.#round}`;
	}

	/** Writes another file that is right, at once. */
	whole(): void {
		this.#round++;
		writeFileSync(`${this.file}.new`, this.#text());
		renameSync(`${this.file}.new`, this.file);
	}

	/** Moves a listener: to all interfaces, to loopback, to another port. */
	moved(): void {
		this.#move++;
		this.whole();
	}

	/** Writes a file that is wrong. */
	bad(how: (typeof BAD_WRITES)[number]): void {
		const right = this.#text();
		const wrong = {
			"not YAML": `${right}\n  - {`,
			"a wrong value": right.replace("connect: 2s", "connect: soon"),
			"a dangling name": right.replace("upstream: talk", "upstream: talkk"),
			"no address to have": right.replace("listeners:", 'listeners:\n  - { name: nowhere, address: "192.0.2.1:80" }'),
			empty: "",
		};
		this.#inPlace(wrong[how]);
	}

	/** Puts a FIFO in the place of the file: whoever opens it waits. */
	fifo(): void {
		rmSync(`${this.file}.new`, { force: true });
		execFileSync("mkfifo", [`${this.file}.new`]);
		renameSync(`${this.file}.new`, this.file);
	}

	/** Writes a file that is right in two halves, `ms` apart; the cut is at `share` of it. */
	async halves(share: number, ms: number): Promise<void> {
		this.#round++;
		const text = this.#text();
		this.#inPlace(text.slice(0, Math.floor(text.length * share)));
		await pause(ms);
		this.#inPlace(text);
	}

	/** Gives the TLS listener another certificate: first the key, and `ms` later what belongs to it. */
	async swapCertificate(ms: number): Promise<void> {
		const pair = this.#pairs[++this.#swap % 2] as Certificate;
		writeFileSync(join(this.#folder, "tls.key"), pair.key, { mode: 0o600 });
		await pause(ms);
		this.#writePair(pair);
		this.whole();
	}

	/** Not by rename: a reader can see a part of it. */
	#inPlace(text: string): void {
		// This process would wait for its reader.
		if (lstatSync(this.file).isFIFO()) rmSync(this.file);
		writeFileSync(this.file, text);
	}

	#writePair({ cert, key }: Certificate): void {
		writeFileSync(join(this.#folder, "tls.key"), key, { mode: 0o600 });
		writeFileSync(join(this.#folder, "tls.pem"), cert, { mode: 0o600 });
	}

	#text(): string {
		const { workers, healthy, mad } = this.#options;
		const { public: plain, tls, proxied, admin, moving } = this.ports;
		const places = [`127.0.0.1:${moving[0]}`, `:${moving[0]}`, `127.0.0.1:${moving[1]}`];
		const urls = mad.map((port) => `"ws://127.0.0.1:${port}"`);
		return `
workers: ${workers}
log: { level: info }
admin: { address: "127.0.0.1:${admin}" }
shutdown: { drain: { timeout: 5s, spread: 1s } }
listeners:
  - { name: public, address: "127.0.0.1:${plain}", timeouts: { request_headers: 2s } }
  - { name: tls, address: "127.0.0.1:${tls}", timeouts: { request_headers: 2s, tls_handshake: 2s }, tls: { certificates: [{ cert: tls.pem, key: tls.key }] } }
  - { name: proxied, address: "127.0.0.1:${proxied}", timeouts: { request_headers: 2s }, proxy_protocol: { trusted: [127.0.0.1] } }
  - { name: moving, address: "${places[this.#move % places.length]}" }
defaults:
  timeouts: { connect: 2s, handshake: 3s, idle: 3s, close: 500ms }
  drain: { timeout: 2s, spread: 500ms }
upstreams:
  talk: { endpoints: ["${healthy}"], address_cache: 1s, health_check: { type: tcp, interval: 2s } }
  mad: { endpoints: [${urls[0]}, ${urls[1]}], circuit_breaker: { reset_timeout: 2s }, outlier_detection: { base_ejection_time: 2s } }
  swinging: { endpoints: [${urls[1]}, ${urls[2]}], health_check: { type: http, path: /b/ok, interval: 1s } }
  dead: { endpoints: ["ws://silent.chaos.test:${mad[0]}"] }
routes:
  - { name: ${this.mark}, match: { path_prefix: /${this.mark} }, upstream: mad }
  - { name: admin, match: { path_prefix: /admin }, upstream: mad, deny: ["0.0.0.0/0", "::/0"] }
  - { name: fwd, match: { path_prefix: /fwd }, upstream: mad, auth: { forward: { url: "http://127.0.0.1:${mad[2]}/auth", timeout: 2s } } }
  - { name: jwt, match: { path_prefix: /jwt }, upstream: mad, auth: { jwt: { secret: "${SECRET}" } } }
  - { name: basic, match: { path_prefix: /basic }, upstream: mad, auth: { basic: { users_file: users } } }
  - { name: key, match: { path_prefix: /key }, upstream: mad, auth: { api_key: { keys_file: keys } } }
  - { name: dead, match: { path_prefix: /dead }, upstream: dead }
  - { name: swinging, match: { path_prefix: /swinging }, upstream: swinging }
  - { name: mad, match: { path_prefix: /b }, upstream: mad, limits: { max_message_size: 1MiB, max_buffered: 64KiB } }
  - { name: talk, match: { path_prefix: /talk }, upstream: talk, timeouts: { idle: 1h } }
`;
	}
}
