/** Health checks: nothing that can never have an effect. */
import { parseDuration } from "../../options.ts";
import { parseEndpointUrl } from "../../upstreams/endpoint.ts";
import type { Problem } from "../problem.ts";
import { isMap, mapsAt, type RawMap, valuesAt } from "../values-at.ts";
import type { Check, CheckContext } from "./check.ts";

export const health: Check = (context) =>
	mapsAt(context.data, "upstreams.*").flatMap(({ path, value: upstream }) => {
		const check = upstream.health_check;
		if (isMap(check)) return problemsOf(context, String(path[1]), upstream, check);
		if (check !== undefined || upstream.on_unhealthy !== "close") return [];
		const message = "has no effect without health_check";
		return [context.source.problem([...path, "on_unhealthy"], message, { severity: "warning" })];
	});

function problemsOf({ source }: CheckContext, name: string, upstream: RawMap, check: RawMap): Problem[] {
	const at = (key: string): string[] => ["upstreams", name, "health_check", key];
	const problems: Problem[] = [];
	for (const key of WITHOUT_EFFECT[String(check.type)] ?? []) {
		if (check[key] === undefined) continue;
		problems.push(source.problem(at(key), `has no effect with type: ${check.type}`, { severity: "warning" }));
	}
	const [timeout, interval] = [check.timeout, check.interval].map((text) =>
		typeof text === "string" ? parseDuration(text) : undefined,
	);
	if (timeout !== undefined && timeout > (interval ?? DEFAULT_INTERVAL)) {
		const message = "is longer than interval; a probe is given up when the next one is due";
		problems.push(source.problem(at("timeout"), message, { severity: "warning" }));
	}
	if (check.port !== undefined && valuesAt(upstream, "endpoints.*").some(({ value }) => isUnixSocket(value))) {
		problems.push(source.problem(at("port"), "a ws+unix: endpoint has no port; leave the key out"));
	}
	return problems;
}

/** What a kind of probe does not ask for, or look at. */
const WITHOUT_EFFECT: Readonly<Record<string, readonly string[]>> = {
	tcp: ["path", "expected_statuses", "host", "headers", "subprotocol"],
	http: ["subprotocol"],
};

/** That of the option. */
const DEFAULT_INTERVAL = 5_000;

function isUnixSocket(endpoint: unknown): boolean {
	const url = isMap(endpoint) ? endpoint.url : endpoint;
	return typeof url === "string" && parseEndpointUrl(url)?.socketPath !== undefined;
}
