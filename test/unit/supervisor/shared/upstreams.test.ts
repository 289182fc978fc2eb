/** The same upstream in several workers: what one learns about an endpoint, all act on. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { attemptHandshake } from "../../../../src/upstreams/attempts/attempt.ts";
import type { Permitted } from "../../../../src/upstreams/attempts/permit.ts";
import { SUCCESS, type Verdict } from "../../../../src/upstreams/attempts/verdict.ts";
import { breakerOptions } from "../../../../src/upstreams/breaker.ts";
import { outlierOptions } from "../../../../src/upstreams/outlier.ts";
import { UpstreamStates } from "../../../../src/upstreams/states.ts";
import { byId, first, request, upstream, type Written, weighted } from "../../upstreams/upstream.fixtures.ts";
import { delivered, startSupervisor, type TestSupervisor } from "./workers.fixtures.ts";

const FAILURE: Verdict = { kind: "failure", reason: "500" };

beforeEach(() => {
	vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance", "Date"] });
	vi.advanceTimersByTime(1_000);
});
afterEach(() => void vi.useRealTimers());

/** One of the workers, with its own upstream. */
function startWorker(supervisor: TestSupervisor, number: number, written: Written) {
	const worker = supervisor.start(number);
	const notices: string[] = [];
	const states = new UpstreamStates(
		() => performance.now(),
		(_level, event) => void notices.push(event),
		worker.upstreams,
	);
	const pool = upstream({ ...written, states });
	worker.upstreams.follow((news) => pool.protection.learn(byId(pool, news.endpoint), news));
	const tell = (id: string, verdict: Verdict, times = 1): void => {
		for (let i = 0; i < times; i++) pool.protection.begin(byId(pool, id)).settle(verdict);
	};
	const permitted = (): Promise<Permitted> => {
		if (!pool.permits) throw new Error("there is nothing to ask");
		return pool.permits.next(pool.candidates(request()), request());
	};
	return { ...worker, pool, notices, tell, permitted, reasonOf: (id: string) => pool.ineligible(byId(pool, id)) };
}

async function later(ms: number): Promise<void> {
	await delivered();
	await vi.advanceTimersByTimeAsync(ms);
	await delivered();
}

describe("ejection", () => {
	const written = (options: unknown = { consecutive_failures: 3, base_ejection_time: "10s" }): Written => ({
		endpoints: weighted(1, 1),
		config: { outlier_detection: outlierOptions.parse(options) },
	});

	it("holds in all workers at once, for the same time; only the one that found out says so and counts", async () => {
		const supervisor = startSupervisor();
		const workers = [1, 2, 3].map((number) => startWorker(supervisor, number, written()));
		const reasons = () => workers.map(({ reasonOf }) => reasonOf("a:1"));
		workers[0]?.tell("a:1", FAILURE, 5);
		await delivered();
		expect(reasons()).toEqual(["ejected", "ejected", "ejected"]);
		expect(workers.map(({ notices }) => notices)).toEqual([["endpoint.ejected"], [], []]);
		expect(workers.map(({ pool }) => byId(pool, "a:1").state.outlier.total)).toEqual([1, 0, 0]);
		await later(9_990);
		expect(reasons()).toEqual(["ejected", "ejected", "ejected"]);
		await later(20);
		expect(reasons()).toEqual([undefined, undefined, undefined]);
		expect(workers.map(({ notices }) => notices)).toEqual([["endpoint.ejected", "endpoint.up"], [], []]);
		// The second in a row lasts twice as long, whoever finds out.
		workers[1]?.tell("a:1", FAILURE, 3);
		await delivered();
		await later(15_000);
		expect(reasons()).toEqual(["ejected", "ejected", "ejected"]);
		await later(6_000);
		expect(reasons()).toEqual([undefined, undefined, undefined]);
	});

	it("a replacement worker knows of it, and for how long", async () => {
		const supervisor = startSupervisor();
		const one = startWorker(supervisor, 1, written());
		one.tell("a:1", FAILURE, 3);
		await later(6_000);
		const two = startWorker(supervisor, 2, written());
		await delivered();
		expect(two.reasonOf("a:1")).toBe("ejected");
		await later(4_010);
		expect(two.reasonOf("a:1")).toBe(undefined);
	});

	it("two workers never eject more together than max_ejection_percent allows", async () => {
		const supervisor = startSupervisor();
		const [one, two] = [startWorker(supervisor, 1, written()), startWorker(supervisor, 2, written())];
		one.tell("a:1", FAILURE, 3);
		two.tell("b:1", FAILURE, 3);
		await delivered();
		const ejected = [one, two].map(({ reasonOf }) => [reasonOf("a:1"), reasonOf("b:1")]);
		expect(ejected).toEqual([
			["ejected", undefined],
			["ejected", undefined],
		]);
	});
});

describe("the breaker", () => {
	const written: Written = {
		endpoints: ["ws://a:1"],
		config: { circuit_breaker: breakerOptions.parse({ minimum_handshakes: 2, reset_timeout: "10s" }) },
	};

	it("that one worker opens is open in all, half-open in all, and closed in all by one trial", async () => {
		const supervisor = startSupervisor();
		const workers = [1, 2, 3].map((number) => startWorker(supervisor, number, written));
		const [one, two, three] = workers as [(typeof workers)[0], (typeof workers)[0], (typeof workers)[0]];
		const states = () => workers.map(({ pool }) => byId(pool, "a:1").state.breaker?.state);
		one.tell("a:1", FAILURE, 2);
		await delivered();
		expect(states()).toEqual(["open", "open", "open"]);
		await later(10_010);
		expect(states()).toEqual(["half_open", "half_open", "half_open"]);
		const { endpoint, permit } = await two.permitted();
		if (!endpoint || !permit) throw new Error("the trial was not granted");
		const trial = two.pool.protection.begin(endpoint);
		expect(trial.trial).toBeDefined();
		expect((await one.permitted()).endpoint).toBe(undefined);
		expect((await three.permitted()).endpoint).toBe(undefined);
		trial.settle(SUCCESS);
		permit.opened();
		await delivered();
		expect(states()).toEqual(["closed", "closed", "closed"]);
		expect(workers.map(({ notices }) => notices)).toEqual([
			["breaker.open", "breaker.half_open"],
			["breaker.closed"],
			[],
		]);
		expect((await three.permitted()).endpoint?.id).toBe("a:1");
	});

	it("a trial that fails opens it everywhere again, for the whole time; one that says nothing is given on", async () => {
		const supervisor = startSupervisor();
		const one = startWorker(supervisor, 1, written);
		one.tell("a:1", FAILURE, 2);
		await later(4_000);
		// It has six seconds left to wait, and ten after its trial failed.
		const two = startWorker(supervisor, 2, written);
		await delivered();
		expect(two.reasonOf("a:1")).toBe("breaker open");
		await later(6_010);
		const abandoned = await one.permitted();
		one.pool.protection.begin(byId(one.pool, "a:1")).settle({ kind: "neutral" });
		expect((await two.permitted()).endpoint).toBe(undefined);
		abandoned.permit?.release();
		await delivered();
		const { permit } = await two.permitted();
		two.tell("a:1", FAILURE);
		permit?.release();
		await delivered();
		expect([one.reasonOf("a:1"), two.reasonOf("a:1")]).toEqual(["breaker open", "breaker open"]);
		await later(9_900);
		expect([one.reasonOf("a:1"), two.reasonOf("a:1")]).toEqual(["breaker open", "breaker open"]);
		await later(200);
		expect([one.reasonOf("a:1"), two.reasonOf("a:1")]).toEqual([undefined, undefined]);
	});

	it("a worker that dies in its trial leaves it to the others", async () => {
		const supervisor = startSupervisor();
		const [one, two] = [startWorker(supervisor, 1, written), startWorker(supervisor, 2, written)];
		one.tell("a:1", FAILURE, 2);
		await later(10_010);
		await one.permitted();
		expect((await two.permitted()).endpoint).toBe(undefined);
		one.kill();
		expect((await two.permitted()).endpoint?.id).toBe("a:1");
	});
});

describe("places", () => {
	const written: Written = {
		endpoints: weighted(1, 1),
		config: {
			circuit_breaker: breakerOptions.parse({ max_connections: 2 }),
			outlier_detection: outlierOptions.parse({ consecutive_failures: 1 }),
		},
	};

	it("a full endpoint is passed over, and when all are full that is what the client is told", async () => {
		const supervisor = startSupervisor();
		const [one, two] = [startWorker(supervisor, 1, written), startWorker(supervisor, 2, written)];
		const taken: (string | undefined)[] = [];
		for (const worker of [one, two, one, two]) taken.push((await worker.permitted()).endpoint?.id);
		expect(taken.sort()).toEqual(["a:1", "a:1", "b:1", "b:1"]);
		const last = await one.permitted();
		expect(last).toEqual({ endpoint: undefined, permit: undefined, full: true });
		expect(one.pool.unavailable(last.full).code).toBe("OVERLOADED");
		expect(one.pool.unavailable().code).toBe("NO_ENDPOINT");
	});

	it("come back when the client has left meanwhile, and when the endpoint was ejected meanwhile", async () => {
		const supervisor = startSupervisor();
		const [one, two] = [startWorker(supervisor, 1, written), startWorker(supervisor, 2, written)];
		for (let i = 0; i < 10; i++) {
			const { endpoint, permit } = await one.permitted();
			if (!endpoint) throw new Error("no place came back");
			const attempt = attemptHandshake(
				one.pool.protection,
				endpoint,
				AbortSignal.abort(),
				() => Promise.reject(new Error("dialled for nobody")),
				permit,
			);
			await expect(attempt).rejects.toMatchObject({ code: "CLIENT_GONE" });
		}
		const asked = two.permitted();
		const id = "b:1";
		// What two asks for is under way when it hears of the ejection.
		one.tell(id, FAILURE);
		const { endpoint } = await asked;
		expect(two.reasonOf(id)).toBe("ejected");
		expect(endpoint?.id).toBe("a:1");
		// One of two places at a: another one is left, and none at b is lost.
		expect((await one.permitted()).endpoint?.id).toBe("a:1");
		expect((await one.permitted()).full).toBe(true);
		await later(30_010);
		expect([(await one.permitted()).endpoint?.id, (await two.permitted()).endpoint?.id]).toEqual([id, id]);
	});
});

describe("round robin", () => {
	it("begins at another endpoint in each worker, by weight, and anew for a new upstream only", () => {
		const supervisor = startSupervisor();
		const pools = [1, 2, 3].map((number) => startWorker(supervisor, number, { endpoints: weighted(5, 1, 1) }).pool);
		const picks = pools.map((pool) => Array.from({ length: 7 }, () => first(pool).id.charAt(0)).join(""));
		expect(picks).toEqual(["aabacaa", "abacaaa", "bacaaaa"]);
	});

	it("goes on where it was after a reload", () => {
		const { upstreams } = startSupervisor().start(3);
		const states = new UpstreamStates(() => 1, undefined, upstreams);
		const compile = () => upstream({ endpoints: weighted(5, 1, 1), states });
		expect(Array.from({ length: 7 }, () => first(compile()).id.charAt(0)).join("")).toBe("bacaaaa");
	});

	it("least_connections takes its ties from there", () => {
		const supervisor = startSupervisor();
		const firsts = [1, 2, 3].map((number) => {
			const load_balancing = { policy: "least_connections" };
			return first(startWorker(supervisor, number, { endpoints: weighted(1, 1, 1), load_balancing }).pool).id;
		});
		expect(firsts).toEqual(["a:1", "b:1", "c:1"]);
	});
});
