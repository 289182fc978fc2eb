/** `discovery: { type: dns }`: the addresses of a name (RFC 1035, RFC 3596), or the servers of a service (RFC 2782). */
import { promises, type SrvRecord } from "node:dns";
import { z } from "zod";
import { finiteDuration } from "../../options.ts";
import type { EndpointConfig } from "../endpoint.ts";
import { type DiscoverySource, LookUpFailed } from "./source.ts";

export const dnsOptions = z
	.strictObject({
		type: z.literal("dns").meta({ description: "`dns`." }),
		name: z
			.string()
			.regex(
				/^(?=.{1,254}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$/,
				{
					error: "expected a DNS name such as chat.internal",
				},
			)
			.meta({ description: "In full: search domains and /etc/hosts are not used." }),
		record: z.enum(["a", "aaaa", "srv"]).prefault("a").meta({
			description:
				"`a` and `aaaa`: each address is an endpoint. `srv`: each server is one, with its port and weight; those of the lowest priority serve, the others are `backup`.",
		}),
		port: z.int().min(1).max(65_535).optional().meta({
			description: "Port of the endpoints; by default 80, with `scheme: wss` 443. `srv` has its own.",
		}),
		scheme: z.enum(["ws", "wss"]).prefault("ws").meta({
			description: "`wss`: TLS. The certificate has to be for `tls.server_name`, or else for `name`.",
		}),
		interval: finiteDuration
			.refine((ms) => ms > 0 && ms < 2 ** 31, { error: "has to be longer than 0, at most 596h" })
			.prefault("10s")
			.meta({ description: "How often it is asked." }),
		servers: z
			.array(z.string().refine(isServer, { error: 'expected an address such as "10.0.0.53" or "10.0.0.53:5353"' }))
			.min(1)
			.optional()
			.meta({ description: "Name servers, instead of the system's: an address, with a port when it is not 53." }),
	})
	.superRefine(({ record, port }, context) => {
		if (record === "srv" && port !== undefined) {
			context.addIssue({ code: "custom", path: ["port"], message: "an SRV record has its own port; remove the key" });
		}
	});

export type DnsConfig = z.output<typeof dnsOptions>;

export function createDnsSource(config: DnsConfig): DiscoverySource {
	return {
		question: `${config.record.toUpperCase()} ${config.name}`,
		lookUp: async (timeout, signal) => {
			// A new one each time: it reads the system's list of name servers anew.
			const resolver = new promises.Resolver({ timeout: Math.ceil(timeout / 3), tries: 2 });
			if (config.servers) resolver.setServers(config.servers);
			const cancel = (): void => resolver.cancel();
			const timer = setTimeout(cancel, timeout);
			signal.addEventListener("abort", cancel, { once: true });
			try {
				const found = config.record === "srv" ? await services(config, resolver) : await addresses(config, resolver);
				if (found.length === 0) throw new LookUpFailed(words("ENODATA", config));
				return found;
			} catch (error) {
				if (error instanceof LookUpFailed) throw error;
				throw new LookUpFailed(words(codeOf(error), config), { cause: error });
			} finally {
				clearTimeout(timer);
				signal.removeEventListener("abort", cancel);
			}
		},
	};
}

async function addresses(config: DnsConfig, resolver: promises.Resolver): Promise<EndpointConfig[]> {
	const { name, record, port = config.scheme === "wss" ? 443 : 80 } = config;
	const found = record === "a" ? await resolver.resolve4(name) : await resolver.resolve6(name);
	return [...new Set(found)].map((address) => endpoint(config, address, port, 1, false));
}

/** Targets are resolved here too, so that an endpoint is always one address. */
async function services(config: DnsConfig, resolver: promises.Resolver): Promise<EndpointConfig[]> {
	// A target of "." says that the service is decidedly not there (RFC 2782).
	const records = (await resolver.resolveSrv(config.name)).filter(({ name }) => name !== "" && name !== ".");
	const targets = [...new Set(records.map(({ name }) => name))];
	const resolved = await Promise.all(targets.map((target) => targetAddresses(target, resolver)));
	const first = Math.min(...records.map(({ priority }) => priority));
	const found = new Map<string, EndpointConfig>();
	for (const record of records.toSorted((a, b) => a.priority - b.priority)) {
		for (const address of resolved[targets.indexOf(record.name)] ?? []) {
			const entry = endpoint(config, address, record.port, serviceWeight(record), record.priority > first);
			if (!found.has(entry.url)) found.set(entry.url, entry);
		}
	}
	return [...found.values()];
}

/** IPv4 first, IPv6 where there is none: a server with both is still one server. A target that is not there has none. */
async function targetAddresses(target: string, resolver: promises.Resolver): Promise<string[]> {
	const none = (error: unknown): string[] => {
		const code = codeOf(error);
		if (code === "ENODATA" || code === "ENOTFOUND") return [];
		throw error;
	};
	const found = await resolver.resolve4(target).catch(none);
	return found.length > 0 ? found : await resolver.resolve6(target).catch(none);
}

/** Weight 0 asks for a very small share (RFC 2782), and not, as with an endpoint, for none. */
function serviceWeight({ weight }: SrvRecord): number {
	return Math.max(1, weight);
}

function endpoint(config: DnsConfig, address: string, port: number, weight: number, backup: boolean): EndpointConfig {
	const host = address.includes(":") ? `[${address}]` : address;
	return { url: `${config.scheme}://${host}:${port}`, weight, state: "ready", backup };
}

function isServer(server: string): boolean {
	try {
		new promises.Resolver().setServers([server]);
		return true;
	} catch {
		return false;
	}
}

function codeOf(error: unknown): string {
	return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

/** What the codes of node:dns mean here. */
function words(code: string, { record }: DnsConfig): string {
	switch (code) {
		case "ENODATA":
			return `the answer has no ${record.toUpperCase()} records`;
		case "ENOTFOUND":
			return "the name does not exist (NXDOMAIN)";
		case "ESERVFAIL":
			return "the name server failed (SERVFAIL)";
		case "EREFUSED":
			return "the name server refused to answer (REFUSED)";
		case "ETIMEOUT":
		case "ECANCELLED":
			return "the name server did not answer in time";
		case "ECONNREFUSED":
			return "the name server cannot be reached";
		case "EBADRESP":
		case "EFORMERR":
			return "the name server's answer cannot be read";
		default:
			return `the look-up failed (${code})`;
	}
}
