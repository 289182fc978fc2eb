import { describe, expect, it } from "vitest";
import { GatewayError } from "../../../src/errors.ts";
import { admit } from "../../../src/policy/admission.ts";
import type { Check, Granted } from "../../../src/policy/check.ts";
import { requestFor } from "../routing/request.ts";

const facts = (signal = new AbortController().signal) => ({
	request: requestFor(),
	route: "r",
	connectionId: "c",
	signal,
});

function lease(name: string, log: string[], more: Granted = {}): Check {
	return {
		name,
		check: () => {
			log.push(`+${name}`);
			return { ...more, release: () => void log.push(`-${name}`) };
		},
	};
}

const refuse: Check = {
	name: "refuse",
	check: () => {
		throw new GatewayError("ADDRESS_DENIED");
	},
};

const refuseLater: Check = {
	name: "refuse",
	check: () => Promise.reject(new GatewayError("ADDRESS_DENIED")),
};

const policy = (checks: readonly Check[]) => ({ checks, reserved: undefined, keepUnderscores: false });

describe("admit", () => {
	it("gives leases back in reverse order, once", async () => {
		const log: string[] = [];
		const { leases } = await admit(policy([lease("a", log), lease("b", log), lease("c", log)]), facts());
		expect(log).toEqual(["+a", "+b", "+c"]);
		leases?.release();
		leases?.release();
		expect(log.slice(3)).toEqual(["-c", "-b", "-a"]);
	});

	it.each([refuse, refuseLater])(
		"gives everything back when a later check refuses, and asks no further one",
		async (last) => {
			const log: string[] = [];
			await expect(
				admit(policy([lease("a", log), lease("b", log), last, lease("never", log)]), facts()),
			).rejects.toThrow(GatewayError);
			expect(log).toEqual(["+a", "+b", "-b", "-a"]);
		},
	);

	it("gives everything back when the client left while a check was waiting, also what that check took", async () => {
		const log: string[] = [];
		const client = new AbortController();
		const slow: Check = {
			name: "slow",
			check: async () => {
				client.abort();
				return { release: () => void log.push("-slow") };
			},
		};
		const admitted = admit(policy([lease("a", log), slow, lease("never", log)]), facts(client.signal));
		await expect(admitted).rejects.toMatchObject({ code: "CLIENT_GONE" });
		expect(log).toEqual(["+a", "-slow", "-a"]);
	});

	it("watches an open connection until the end, before anything is given back", async () => {
		const log: string[] = [];
		const watch = () => {
			log.push("watch");
			return () => void log.push("unwatch");
		};
		const { leases } = await admit(policy([lease("a", log, { watch })]), facts());
		expect(log).toEqual(["+a"]);
		leases?.watch({ close: () => undefined });
		leases?.release();
		expect(log).toEqual(["+a", "watch", "unwatch", "-a"]);
	});

	it("hands each check what the earlier ones found out", async () => {
		const seen: (string | undefined)[] = [];
		const stripped = requestFor({ target: "/stripped" });
		const who: Check = {
			name: "who",
			check: async () => ({ user: "ada", request: stripped, headers: ["X-User", "ada"], expiresAt: 2_000 }),
		};
		const look: Check = {
			name: "look",
			check: ({ user, request }) => {
				seen.push(user, request.path);
				return { headers: ["X-Two", "2"], expiresAt: 1_000 };
			},
		};
		const admission = await admit(policy([look, who, look]), facts());
		expect(seen).toEqual([undefined, "/", "ada", "/stripped"]);
		expect(admission.headers).toEqual(["X-Two", "2", "X-User", "ada", "X-Two", "2"]);
		expect(admission.expiresAt).toBe(1_000);
		expect(admission.leases).toBeUndefined();
	});

	it("asks again before the 101 only those who want to be asked", async () => {
		let revoked = false;
		const check: Check = {
			name: "token",
			check: () => ({
				confirm: () => {
					if (revoked) throw new GatewayError("JWT_REVOKED");
				},
			}),
		};
		const admission = await admit(policy([check]), facts());
		admission.confirm();
		revoked = true;
		expect(() => admission.confirm()).toThrow(GatewayError);
	});
});
