/** A page put together from workers against the page of one process that has all of their connections. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { connectionPage, type PageQuery } from "../../../../src/admin/api/connection-page.ts";
import { Connection, Connections } from "../../../../src/gateway/connections.ts";
import { GatewayEvents } from "../../../../src/gateway/events.ts";
import type { Session } from "../../../../src/gateway/session.ts";
import { mergedPage, queryOfEach } from "../../../../src/supervisor/admin/connections.ts";
import { workerSequence } from "../../../../src/supervisor/admin/sequence.ts";

const WORKERS = 3;
type Page = ReturnType<typeof mergedPage>;

interface Opened {
	readonly worker: number;
	readonly bytes: number;
	readonly rtt: number | undefined;
	/** ms since the one before. */
	readonly pause: number;
}

/** What each worker has; connections that never had sockets: here only the list counts. */
function opened(all: readonly Opened[]): Session[][] {
	let now = Date.UTC(2026, 0, 1);
	const owners = Array.from({ length: WORKERS }, (_, index) => {
		const next = workerSequence(index + 1, () => now);
		return new Connections(new GatewayEvents(), () => 0, next);
	});
	for (const [index, { worker, bytes, rtt, pause }] of all.entries()) {
		now += pause;
		const owner = owners[worker] as Connections;
		const facts = {
			connection_id: `id-${index}`,
			client_ip: "127.0.0.1",
			peer_ip: "127.0.0.1",
			listener: "main",
			route: index % 2 === 0 ? "even" : "odd",
		};
		const connection = new Connection(owner, facts, 0);
		const leg = { bytes, meter: { text: bytes % 7, binary: 0 } };
		connection.tunnel = { client: leg, backend: leg, closing: false } as unknown as NonNullable<Connection["tunnel"]>;
		connection.clientRtt = rtt;
		owner.added(connection);
	}
	return owners.map((owner) => [...owner.list()]);
}

const page = (open: Iterable<Session>, query: PageQuery) => connectionPage(open, query) as unknown as Page;

function ofWorkers(workers: readonly Session[][], query: PageQuery): Page {
	return mergedPage(
		workers.map((open) => structuredClone(page(open, queryOfEach(query)))),
		query,
	);
}

const one = fc.record({
	worker: fc.nat(WORKERS - 1),
	bytes: fc.nat(20),
	rtt: fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined }),
	// Within one millisecond the order among workers is theirs to choose; it is the same in every page.
	pause: fc.nat(2),
});

const query: fc.Arbitrary<PageQuery> = fc.record(
	{
		route: fc.constantFrom("even", "odd", "none"),
		limit: fc.integer({ min: 1, max: 12 }),
		offset: fc.nat(15),
		sort: fc.constantFrom("opened", "bytes_in", "messages_out", "rtt"),
		order: fc.constantFrom("asc", "desc"),
	},
	{ requiredKeys: [] },
);

it("is the page that one process with all connections would show", () => {
	fc.assert(
		fc.property(fc.array(one, { maxLength: 30 }), query, (all, asked) => {
			const workers = opened(all);
			const together = workers.flat().toSorted((a, b) => a.sequence - b.sequence);
			expect(ofWorkers(workers, asked)).toEqual(page(together, asked));
		}),
	);
});

it("leads through all pages with its cursor: every connection exactly once, in order", () => {
	fc.assert(
		fc.property(
			fc.array(one, { maxLength: 40 }),
			fc.integer({ min: 1, max: 7 }),
			fc.constantFrom("asc" as const, "desc" as const),
			(all, limit, order) => {
				const workers = opened(all);
				const met: number[] = [];
				let cursor: number | undefined;
				do {
					const { connections, next_cursor, total } = ofWorkers(workers, { limit, order, ...(cursor && { cursor }) });
					expect(total).toBe(all.length);
					expect(connections.length === limit || next_cursor === null).toBe(true);
					met.push(...connections.map(({ sequence }) => sequence));
					cursor = next_cursor ?? undefined;
				} while (cursor !== undefined);
				const ascending = workers
					.flat()
					.map(({ sequence }) => sequence)
					.toSorted((a, b) => a - b);
				expect(met).toEqual(order === "asc" ? ascending : ascending.toReversed());
			},
		),
	);
});
