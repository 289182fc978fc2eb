import { afterEach, describe, expect, it, vi } from "vitest";
import { delivered, startSupervisor } from "./workers.fixtures.ts";

const name = { upstream: "app", endpoint: "127.0.0.1:1" };
const GRANTED = { trial: undefined };
const FULL = { refused: "full" };
const ON_TRIAL = { refused: "on_trial" };

afterEach(() => void vi.useRealTimers());

describe("places at an endpoint", () => {
	it("max_connections counts the handshakes and connections of all workers", async () => {
		const supervisor = startSupervisor();
		const [one, two] = [supervisor.start(1), supervisor.start(2)];
		const asked = { ...name, max_connections: 2, trial: false };
		expect([await one.upstreams.permit(asked), await two.upstreams.permit(asked)]).toEqual([GRANTED, GRANTED]);
		one.upstreams.opened(name);
		await delivered();
		expect(await two.upstreams.permit(asked)).toEqual(FULL);
		expect(await two.upstreams.permit({ ...asked, endpoint: "127.0.0.1:2" })).toEqual(GRANTED);
		one.upstreams.released(name, false);
		await delivered();
		expect([await two.upstreams.permit(asked), await one.upstreams.permit(asked)]).toEqual([GRANTED, FULL]);
	});

	it("max_pending_handshakes counts those under way only", async () => {
		const supervisor = startSupervisor();
		const [one, two] = [supervisor.start(1), supervisor.start(2)];
		const asked = { ...name, max_pending_handshakes: 1, trial: false };
		expect([await one.upstreams.permit(asked), await two.upstreams.permit(asked)]).toEqual([GRANTED, FULL]);
		one.upstreams.opened(name);
		await delivered();
		expect([await two.upstreams.permit(asked), await one.upstreams.permit(asked)]).toEqual([GRANTED, FULL]);
		two.upstreams.released(name, true);
		one.upstreams.released(name, false);
		await delivered();
		expect([await one.upstreams.permit(asked), await two.upstreams.permit(asked)]).toEqual([GRANTED, FULL]);
	});

	it("come back once when a worker dies, pending and open ones", async () => {
		const supervisor = startSupervisor();
		const [one, two] = [supervisor.start(1), supervisor.start(2)];
		const asked = { ...name, max_connections: 4, max_pending_handshakes: 2, trial: false };
		await one.upstreams.permit(asked);
		one.upstreams.opened(name);
		await one.upstreams.permit(asked);
		await two.upstreams.permit(asked);
		expect(await two.upstreams.permit(asked)).toEqual(FULL);
		one.kill();
		one.supervisorEnd.arrive({ clawgate: [{ name: "permitReleased", body: { ...name, pending: true } }] });
		expect([await two.upstreams.permit(asked), await two.upstreams.permit(asked)]).toEqual([GRANTED, FULL]);
	});

	it("a permit that is granted too late is given back", async () => {
		vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
		const supervisor = startSupervisor();
		const [one, two] = [supervisor.start(1), supervisor.start(2)];
		const asked = { ...name, max_connections: 1, trial: true };
		one.supervisorEnd.blocked = true;
		const refused = expect(one.upstreams.permit(asked)).rejects.toMatchObject({ code: "LIMITS_UNAVAILABLE" });
		await delivered();
		await vi.advanceTimersByTimeAsync(2_000);
		await refused;
		one.supervisorEnd.unblock();
		await delivered();
		expect(await two.upstreams.permit(asked)).toMatchObject({ trial: expect.any(Number) });
	});
});

describe("the trial of a half-open breaker", () => {
	const asked = { ...name, trial: true };

	it("is one in the whole gateway, until it is over, decided, or its worker has died", async () => {
		const supervisor = startSupervisor();
		const [one, two] = [supervisor.start(1), supervisor.start(2)];
		const first = (await one.upstreams.permit(asked)) as { trial: number };
		expect([await two.upstreams.permit(asked), await one.upstreams.permit(asked)]).toEqual([ON_TRIAL, ON_TRIAL]);
		one.upstreams.trialOver(name, first.trial);
		await delivered();
		const second = await two.upstreams.permit(asked);
		expect(second).toMatchObject({ trial: expect.any(Number) });
		// The end of the first one, heard once more, does not end the second.
		one.upstreams.trialOver(name, first.trial);
		await delivered();
		expect(await one.upstreams.permit(asked)).toEqual(ON_TRIAL);
		two.upstreams.breakerChanged({ kind: "breaker", ...name, state: "open", ms: 1_000 });
		await delivered();
		expect(await one.upstreams.permit(asked)).toMatchObject({ trial: expect.any(Number) });
		expect(await two.upstreams.permit(asked)).toEqual(ON_TRIAL);
		one.kill();
		expect(await two.upstreams.permit(asked)).toMatchObject({ trial: expect.any(Number) });
	});

	it("that nobody decides is not waited for longer than a minute", async () => {
		const supervisor = startSupervisor({ now: 1_000 });
		const [one, two] = [supervisor.start(1), supervisor.start(2)];
		await one.upstreams.permit(asked);
		supervisor.clock.now += 59_999;
		expect(await two.upstreams.permit(asked)).toEqual(ON_TRIAL);
		supervisor.clock.now += 1;
		expect(await two.upstreams.permit(asked)).toMatchObject({ trial: expect.any(Number) });
	});
});
