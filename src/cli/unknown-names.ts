/** Says which names of a filter the running gateway does not know: "0 connections" would hide a slip. */
import { didYouMean } from "../config/nearest.ts";
import type { AdminClient } from "./admin-client.ts";

type Named = { readonly name: string };

/** How the names of each kind are asked for. */
const KNOWN: Readonly<Record<string, (client: AdminClient) => Promise<string[]>>> = {
	route: async (client) => (await client.get<{ routes: Named[] }>("routes")).routes.map(({ name }) => name),
	upstream: async (client) => (await upstreamsOf(client)).map(({ name }) => name),
	endpoint: async (client) => (await upstreamsOf(client)).flatMap(({ endpoints }) => endpoints.map(({ id }) => id)),
};

/**
 * A line for each filter value that names nothing.
 * @throws AdminError
 */
export async function unknownNames(client: AdminClient, filter: Readonly<Record<string, string>>): Promise<string[]> {
	const lines: string[] = [];
	for (const [kind, name] of Object.entries(filter)) {
		const known = await KNOWN[kind]?.(client);
		if (known === undefined || known.includes(name)) continue;
		lines.push(`there is no ${kind} ${JSON.stringify(name)}${didYouMean(name, known)}`);
	}
	return lines;
}

async function upstreamsOf(
	client: AdminClient,
): Promise<(Named & { readonly endpoints: { readonly id: string }[] })[]> {
	return (await client.get<{ upstreams: (Named & { endpoints: { id: string }[] })[] }>("upstreams")).upstreams;
}
