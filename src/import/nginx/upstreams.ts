/** The upstreams of the result: one for each `upstream` block or address that a `proxy_pass` names, and each way of TLS to it. */
import { resolve } from "node:path";
import { balancing } from "./balancing.ts";
import type { Directive } from "./directive.ts";
import type { Notes } from "./notes.ts";
import type { Target } from "./proxy-pass.ts";
import type { Scope } from "./scope.ts";
import { type EndpointFields, endpointUrl, readServers } from "./servers.ts";

/** An entry of `upstreams`. */
export type UpstreamFields = { readonly endpoints: readonly EndpointFields[] } & Readonly<Record<string, unknown>>;

interface Entry {
	readonly key: string;
	readonly name: string;
	readonly fields: UpstreamFields;
	/** Where it is written, for a comment. */
	readonly from: Directive | undefined;
}

/** Directives of `upstream` that mean nothing to Clawgate, with a word where something is lost. */
const WITHOUT: Readonly<Record<string, string>> = {
	queue: "not carried over: max_handshakes_per_second queues handshakes",
	ntlm: "not carried over",
	state: "not carried over: endpoints are part of routes.yaml",
};

/** Collects upstreams as routes ask for them. */
export class Upstreams {
	readonly #groups: ReadonlyMap<string, Directive>;
	readonly #folder: string;
	readonly #entries = new Map<string, Entry>();
	readonly #byName = new Map<string, Entry>();

	/** @param folder that relative file names start at */
	constructor(http: Scope, folder: string) {
		this.#groups = new Map(http.own("upstream").map((directive) => [directive.args[0] ?? "", directive]));
		this.#folder = folder;
	}

	isGroup({ host, port, socketPath }: Target): boolean {
		return socketPath === undefined && port === undefined && this.#groups.has(host);
	}

	/** The first server of a target, as `host:port`: for what is asked by URL. */
	addressOf(target: Target): string | undefined {
		if (!this.isGroup(target)) return target.socketPath === undefined ? target.authority : undefined;
		const group = this.#groups.get(target.host)?.block ?? [];
		const address = group.find(({ name, args }) => name === "server" && !args.includes("down"))?.args[0];
		return address?.startsWith("unix:") ? undefined : address;
	}

	/** How many servers a group has that take requests. */
	serversOf({ host }: Target): number {
		const group = this.#groups.get(host)?.block ?? [];
		return group.filter(({ name, args }) => name === "server" && !args.includes("down")).length;
	}

	/**
	 * The name of the upstream for a target, with the TLS settings that hold in `scope`. Undefined when it has no server.
	 */
	nameFor(target: Target, scope: Scope, notes: Notes): string | undefined {
		const group = this.isGroup(target) ? this.#groups.get(target.host) : undefined;
		const tls = target.secure ? this.#tls(target, scope, notes) : {};
		const where = target.socketPath ?? target.authority;
		const key = JSON.stringify([group === undefined, where, target.secure, tls]);
		const known = this.#entries.get(key);
		if (known) return known.name;
		const fields = group ? this.#groupFields(group, target.secure, notes) : singleFields(target);
		if (fields === undefined || fields.endpoints.length === 0) return undefined;
		const name = this.#freeName(group ? target.host : nameOf(where), target.secure);
		const entry = { key, name, fields: { ...fields, ...(Object.keys(tls).length > 0 && { tls }) }, from: group };
		this.#entries.set(key, entry);
		this.#byName.set(name, entry);
		return name;
	}

	/** How many servers an upstream has. */
	size(name: string): number {
		return this.#byName.get(name)?.fields.endpoints.length ?? 0;
	}

	list(): readonly Entry[] {
		return [...this.#entries.values()];
	}

	#groupFields(group: Directive, secure: boolean, notes: Notes): UpstreamFields {
		const block = group.block ?? [];
		for (const directive of block) {
			const words = WITHOUT[directive.name];
			if (words !== undefined) notes.add(directive, words, "dropped");
		}
		return { ...readServers(block, secure, notes), ...balancing(block, notes) };
	}

	#freeName(wanted: string, secure: boolean): string {
		for (let number = 1; ; number++) {
			const name = number === 1 ? wanted : number === 2 && secure ? `${wanted}-tls` : `${wanted}-${number}`;
			if (!this.#byName.has(name)) return name;
		}
	}

	#tls(target: Target, scope: Scope, notes: Notes): Record<string, unknown> {
		const tls: Record<string, unknown> = {};
		const file = (name: string): string | undefined => {
			const path = scope.value(name);
			return path === undefined || path === "" ? undefined : resolve(this.#folder, path);
		};
		const [ca, cert, key] = ["proxy_ssl_trusted_certificate", "proxy_ssl_certificate", "proxy_ssl_certificate_key"].map(
			file,
		);
		if (cert !== undefined && key !== undefined) Object.assign(tls, { cert, key });
		const name = scope.value("proxy_ssl_name");
		if (name !== undefined && !name.includes("$")) tls.server_name = name;
		else if (this.isGroup(target) && (scope.isOn("proxy_ssl_server_name") || scope.isOn("proxy_ssl_verify")))
			tls.server_name = target.host;
		if (scope.isOn("proxy_ssl_verify")) return { ...(ca !== undefined && { ca }), ...tls };
		const at = scope.find("proxy_ssl_verify") ?? scope.find("proxy_pass");
		if (at) {
			notes.add(
				at,
				"nginx does not check the backend's certificate here, so verify: false is written; better: tls.ca and verify: true",
				"dropped",
			);
		}
		return { ...tls, verify: false };
	}
}

function singleFields(target: Target): UpstreamFields | undefined {
	const port = target.port ?? (target.secure ? 443 : 80);
	const address = target.socketPath === undefined ? `${target.host}:${port}` : `unix:${target.socketPath}`;
	const url = endpointUrl(address, target.secure);
	return url === undefined ? undefined : { endpoints: [{ url }] };
}

/** `127.0.0.1:3000` is `127.0.0.1-3000`: a name without characters that YAML wants quotes for. */
function nameOf(where: string): string {
	return (
		where
			.replace(/^\//, "")
			.replace(/[^A-Za-z0-9._-]+/g, "-")
			.replace(/^-|-$/g, "") || "backend"
	);
}
