import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { newTicketSecret, rotateTicketKeys, TICKET_KEYS_LIFE_MS, TicketKeys } from "../../../src/server/ticket-keys.ts";

describe("TicketKeys", () => {
	it("gives 48 bytes, the same for the same secret and scope, others for another one", () => {
		const secret = newTicketSecret();
		const keys = new TicketKeys(secret).keysFor("a");
		expect(keys).toHaveLength(48);
		expect(new TicketKeys(secret).keysFor("a")).toEqual(keys);
		expect(new TicketKeys(secret).keysFor("b")).not.toEqual(keys);
		expect(new TicketKeys().keysFor("a")).not.toEqual(keys);
	});

	it("tells its listeners after the secret was replaced", () => {
		const keys = new TicketKeys();
		const before = keys.keysFor("a");
		let seen: Buffer | undefined;
		keys.onChange(() => {
			seen = keys.keysFor("a");
		});
		const secret = newTicketSecret();
		keys.replace(secret);
		expect(seen).toEqual(new TicketKeys(secret).keysFor("a"));
		expect(seen).not.toEqual(before);
	});
});

describe("rotateTicketKeys", () => {
	beforeEach(() => void vi.useFakeTimers());
	afterEach(() => void vi.useRealTimers());

	it("replaces the secret every twelve hours until it is ended", () => {
		const keys = new TicketKeys();
		let changes = 0;
		keys.onChange(() => changes++);
		const end = rotateTicketKeys(keys);
		vi.advanceTimersByTime(TICKET_KEYS_LIFE_MS - 1);
		expect(changes).toBe(0);
		vi.advanceTimersByTime(1);
		expect(changes).toBe(1);
		vi.advanceTimersByTime(2 * TICKET_KEYS_LIFE_MS);
		expect(changes).toBe(3);
		end();
		vi.advanceTimersByTime(2 * TICKET_KEYS_LIFE_MS);
		expect(changes).toBe(3);
	});
});
