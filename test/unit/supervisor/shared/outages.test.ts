import { expect, it } from "vitest";
import type { EndpointNews } from "../../../../src/upstreams/shared.ts";
import { delivered, startSupervisor, type TestWorker } from "./workers.fixtures.ts";

const name = { upstream: "app", endpoint: "127.0.0.1:1" };
const ejection = { ...name, ms: 30_000, ejections: 1, most: 1 };

function following(worker: TestWorker): EndpointNews[] {
	const news: EndpointNews[] = [];
	worker.upstreams.follow((one) => void news.push(one));
	return news;
}

it("an ejection is told to all other workers, and to a replacement with the time that is left", async () => {
	const supervisor = startSupervisor({ now: 1_000 });
	const [one, two] = [supervisor.start(1), supervisor.start(2)];
	const heard = [following(one), following(two)];
	expect(await one.upstreams.eject(ejection)).toBe(true);
	await delivered();
	const news = { kind: "ejected", ...name, ms: 30_000, ejections: 1 };
	expect(heard).toEqual([[], [news]]);
	supervisor.clock.now += 12_000;
	two.kill();
	const late = following(supervisor.start(2));
	await delivered();
	expect(late).toEqual([{ ...news, ms: 18_000 }]);
	supervisor.clock.now += 18_000;
	const later = following(supervisor.start(3));
	await delivered();
	expect(later).toEqual([]);
});

it("never more are ejected at once than the upstream allows, whichever workers ask", async () => {
	const supervisor = startSupervisor({ now: 1_000 });
	const [one, two] = [supervisor.start(1), supervisor.start(2)];
	following(one);
	const heard = following(two);
	const other = { ...ejection, endpoint: "127.0.0.1:2" };
	const answers = await Promise.all([one.upstreams.eject(ejection), two.upstreams.eject(other)]);
	expect(answers).toEqual([true, false]);
	expect(await two.upstreams.eject({ ...other, upstream: "other" })).toBe(true);
	// Who asks for what is ejected already is told so again, with the time that is left.
	supervisor.clock.now += 10_000;
	expect(await two.upstreams.eject({ ...ejection, most: 5 })).toBe(false);
	await delivered();
	expect(heard.map(({ endpoint, ...rest }) => [endpoint, "ms" in rest && rest.ms])).toEqual([
		[name.endpoint, 30_000],
		[name.endpoint, 20_000],
	]);
	expect(await two.upstreams.eject({ ...other, most: 2 })).toBe(true);
	supervisor.clock.now += 60_000;
	expect(await two.upstreams.eject(ejection)).toBe(true);
});

it("a breaker that opens or closes is told to the others; a replacement hears of open ones", async () => {
	const supervisor = startSupervisor({ now: 1_000 });
	const [one, two] = [supervisor.start(1), supervisor.start(2)];
	const heard = [following(one), following(two)];
	const open = { kind: "breaker", ...name, state: "open", ms: 10_000 } as const;
	one.upstreams.breakerChanged(open);
	await delivered();
	expect(heard).toEqual([[], [open]]);
	supervisor.clock.now += 4_000;
	const replacement = following(supervisor.start(3));
	// Half-open by now: it is as good as open for a moment.
	supervisor.clock.now += 60_000;
	const late = following(supervisor.start(4));
	await delivered();
	expect([replacement, late]).toEqual([[{ ...open, ms: 1 }], [{ ...open, ms: 1 }]]);
	two.upstreams.breakerChanged({ kind: "breaker", ...name, state: "closed" });
	await delivered();
	expect(heard[0]).toEqual([{ kind: "breaker", ...name, state: "closed" }]);
	const fresh = following(supervisor.start(5));
	await delivered();
	expect(fresh).toEqual([]);
});

it("without an answer a worker ejects for itself", async () => {
	const one = startSupervisor().start(1);
	one.end.emit("disconnect");
	expect(await one.upstreams.eject(ejection)).toBe(true);
});
