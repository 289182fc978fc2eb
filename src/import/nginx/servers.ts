/** `server` lines of an `upstream` block as endpoints. */
import { parseEndpointUrl } from "../../upstreams/endpoint.ts";
import { type Directive, keyValues } from "./directive.ts";
import type { Notes } from "./notes.ts";
import { durationText, parseTime } from "./units.ts";

/** An entry of `endpoints`. */
export type EndpointFields = {
	url: string;
	weight?: number;
	state?: "maint";
	backup?: true;
	max_connections?: number;
};

export interface ServerFields {
	readonly endpoints: EndpointFields[];
	readonly outlier_detection?: Record<string, unknown>;
}

/** What Clawgate has no key for, and what to do about it; the others need nothing. */
const WITHOUT: Readonly<Record<string, string>> = {
	slow_start: "write load_balancing.slow_start for the whole upstream",
	route: "names of servers for sticky route are not needed",
	service: "write discovery: { type: dns, record: srv } by hand",
};

/** Reads the servers of a block for one scheme. */
export function readServers(block: readonly Directive[], secure: boolean, notes: Notes): ServerFields {
	const endpoints = new Map<string, EndpointFields>();
	const fails: { directive: Directive; max: number; time: string | undefined }[] = [];
	for (const directive of block.filter(({ name }) => name === "server")) {
		const [address = "", ...flags] = directive.args;
		const url = endpointUrl(address, secure);
		if (url === undefined) {
			notes.add(directive, "this address cannot be an endpoint: write it by hand", "backend");
			continue;
		}
		const options = keyValues(flags);
		const weight = Number(options.get("weight") ?? 1);
		const known = endpoints.get(url);
		if (known) {
			// nginx takes the same server twice; here its weight says how much it gets.
			known.weight = (known.weight ?? 1) + weight;
			continue;
		}
		const endpoint: EndpointFields = { url };
		if (weight !== 1) endpoint.weight = Math.min(1000, weight);
		if (options.has("down")) endpoint.state = "maint";
		if (options.has("backup")) endpoint.backup = true;
		endpoints.set(url, endpoint);
		fails.push({ directive, max: Number(options.get("max_fails") ?? 1), time: options.get("fail_timeout") });
		const most = Number(options.get("max_conns") ?? 0);
		if (most > 0) endpoint.max_connections = most;
		for (const [name, advice] of Object.entries(WITHOUT)) {
			if (options.has(name)) notes.add(directive, `${name} is not carried over: ${advice}`, "dropped");
		}
	}
	const outlier = outlierDetection(fails, notes);
	return {
		endpoints: [...endpoints.values()],
		...(outlier && { outlier_detection: outlier }),
	};
}

/** `ws://host:port` or `ws+unix:/path`; undefined when it is neither. In nginx a server without a port has 80. */
export function endpointUrl(address: string, secure: boolean): string | undefined {
	if (address.startsWith("unix:")) return secure ? undefined : `ws+unix:${address.slice(5)}`;
	const match = /^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(\d+))?$/.exec(address);
	if (!match) return undefined;
	const url = `${secure ? "wss" : "ws"}://${match[1]}:${match[2] ?? "80"}`;
	return parseEndpointUrl(url) && url;
}

/**
 * nginx has it for each server, Clawgate for each upstream: the strictest one counts. Without a word nginx leaves a server
 * alone for ten seconds after one failure, unless it is the only one.
 */
function outlierDetection(
	fails: readonly { directive: Directive; max: number; time: string | undefined }[],
	notes: Notes,
) {
	const limits = fails.filter(({ max }) => max > 0);
	const [first] = limits;
	if (!first || fails.length < 2) return undefined;
	const max = Math.min(...limits.map((one) => one.max));
	const times = limits.map(({ time }) => parseTime(time ?? "10s") ?? 10_000);
	if (limits.length < fails.length || limits.some((one) => one.max !== max) || new Set(times).size > 1) {
		notes.add(
			first.directive,
			"max_fails and fail_timeout differ between the servers: the strictest ones hold for all of them",
			"backend",
		);
	}
	return {
		consecutive_failures: Math.min(1000, max),
		base_ejection_time: durationText(Math.max(1, Math.min(...times))),
		max_ejection_percent: "100%",
	};
}
