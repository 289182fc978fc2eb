import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { connectionPage } from "../../../../src/admin/api/connection-page.ts";
import { Connection, Connections } from "../../../../src/gateway/connections.ts";
import { GatewayEvents } from "../../../../src/gateway/events.ts";
import type { Session } from "../../../../src/gateway/session.ts";

/** Connections that never had sockets: here only the list counts. */
function open(count: number): Session[] {
	const owner = new Connections(new GatewayEvents(), () => 0);
	for (let i = 0; i < count; i++) {
		const facts = {
			connection_id: `id-${i}`,
			client_ip: `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`,
			peer_ip: "127.0.0.1",
			listener: "main",
			route: i % 2 === 0 ? "even" : "odd",
			user_agent: "x".repeat(100),
		};
		owner.added(new Connection(owner, facts, 0));
	}
	return [...owner.list()];
}

interface Page {
	readonly connections: readonly { readonly connection_id: string }[];
	readonly total: number;
	readonly next_cursor: number | null;
}

const page = (...args: Parameters<typeof connectionPage>) => connectionPage(...args) as unknown as Page;

describe("a walk through the pages", () => {
	it("meets every connection that was open all the time exactly once, whatever comes and goes meanwhile", () => {
		const step = fc.record({ opens: fc.nat(5), closes: fc.array(fc.nat(60), { maxLength: 5 }) });
		fc.assert(
			fc.property(
				fc.nat(40),
				fc.integer({ min: 1, max: 7 }),
				fc.constantFrom("asc" as const, "desc" as const),
				fc.array(step, { maxLength: 30 }),
				(count, limit, order, steps) => {
					const all = open(count + 200);
					let next = count;
					let current = all.slice(0, count);
					const closed = new Set<string>();
					const seen: string[] = [];
					let cursor: number | undefined;
					for (let round = 0; ; round++) {
						const found = page(current, { limit, order, cursor });
						expect(found.total).toBe(current.length);
						seen.push(...found.connections.map((each) => each.connection_id));
						if (found.next_cursor === null) break;
						cursor = found.next_cursor;
						const { opens = 0, closes = [] } = steps[round] ?? {};
						for (const index of closes) {
							const gone = current[index];
							if (gone) closed.add(gone.facts.connection_id);
						}
						current = current.filter((each) => !closed.has(each.facts.connection_id));
						current.push(...all.slice(next, next + opens));
						next += opens;
					}
					expect(new Set(seen).size).toBe(seen.length);
					for (let i = 0; i < count; i++) if (!closed.has(`id-${i}`)) expect(seen).toContain(`id-${i}`);
				},
			),
		);
	});
});

describe("with 20000 connections", () => {
	const connections = open(20_000);
	/** The best of a few runs, ms: the machine has other work. */
	const best = (work: () => unknown): number =>
		Math.min(
			...Array.from({ length: 10 }, () => {
				const begin = performance.now();
				work();
				return performance.now() - begin;
			}),
		);

	it("a page costs milliseconds, filtered or not, at the beginning or at the end", () => {
		expect(page(connections, {}).connections[0]?.connection_id).toBe("id-19999");
		expect(page(connections, { offset: 19_990 }).connections).toHaveLength(10);
		expect(page(connections, { route: "odd" }).total).toBe(10_000);
		expect(page(connections, { client_ip: "10.0.1.0/24" }).total).toBe(256);
		const text = best(() => JSON.stringify(page(connections, { limit: 100 })));
		const filtered = best(() => JSON.stringify(page(connections, { route: "odd", offset: 9_000 })));
		const sorted = best(() => JSON.stringify(page(connections, { sort: "bytes_in" })));
		expect(Math.max(text, filtered)).toBeLessThan(20);
		expect(sorted).toBeLessThan(60);
	});
});
