import { describe, expect, it } from "vitest";
import { Handout, type HandoutDeps } from "../../../src/supervisor/handout.ts";

/** A worker that notes what it is sent. */
class FakeWorker {
	readonly got: number[] = [];
	/** The numbers under which it has to answer, in order. */
	readonly open: number[] = [];
	send(_listener: string, handle: { close(): void }, number: number): void {
		this.got.push((handle as FakeHandle).number);
		this.open.push(number);
	}
}

class FakeHandle {
	closed = false;
	readonly number: number;
	constructor(number: number) {
		this.number = number;
	}
	close(): void {
		this.closed = true;
	}
}

function stage(workers: number, deps: HandoutDeps = {}) {
	const handout = new Handout(deps);
	const all = Array.from({ length: workers }, () => new FakeWorker());
	for (const worker of all) handout.enter(worker);
	let last = 0;
	const handles: FakeHandle[] = [];
	const give = (count: number) => {
		for (let i = 0; i < count; i++) {
			const handle = new FakeHandle(++last);
			handles.push(handle);
			handout.give("a", handle);
		}
	};
	const takeAll = (worker: FakeWorker) => {
		for (const number of worker.open.splice(0)) handout.took(worker, number);
	};
	/** Everybody takes what was sent to them until nothing is on the way. */
	const settle = (...takers: FakeWorker[]) => {
		let before = -1;
		while (before !== sum(all)) {
			before = sum(all);
			for (const worker of takers) takeAll(worker);
		}
	};
	return { handout, workers: all as [FakeWorker, FakeWorker, ...FakeWorker[]], give, settle, takeAll, handles };
}

const sum = (workers: readonly FakeWorker[]) => workers.reduce((total, { got }) => total + got.length, 0);

describe("a handout", () => {
	it("gives each worker its turn, whatever it has open and however slow it is", () => {
		const { workers, give, settle } = stage(3);
		give(30);
		settle(workers[1]);
		settle(...workers);
		expect(workers.map(({ got }) => got.length)).toEqual([10, 10, 10]);
		expect(workers[0].got).toEqual([1, 4, 7, 10, 13, 16, 19, 22, 25, 28]);
	});

	it("has two on the way to a worker at most, and closes its own handle when one is taken", () => {
		const { handout, workers, give, handles } = stage(1);
		give(3);
		expect(workers[0].got).toEqual([1, 2]);
		expect(handles[0]?.closed).toBe(false);
		handout.took(workers[0], workers[0].open[0] as number);
		expect(handles.map(({ closed }) => closed)).toEqual([true, false, false]);
		expect(workers[0].got).toEqual([1, 2, 3]);
	});

	it("passes a worker over that is far behind", () => {
		const { workers, give, settle } = stage(2);
		for (let i = 0; i < 50; i++) {
			give(10);
			settle(workers[0]);
		}
		// Two on the way to it and 64 that wait for it.
		expect(workers[1].got).toHaveLength(2);
		expect(workers[0].got).toHaveLength(500 - 66);
	});

	it("gives what a dead worker never took to the others, and forgets what it had", () => {
		const { handout, workers, give, settle } = stage(2);
		give(4);
		settle(...workers);
		expect(handout.count("a")).toBe(4);
		expect(handout.countOf(workers[0])).toBe(2);
		give(6);
		handout.pause(workers[0]);
		handout.leave(workers[0]);
		settle(workers[1]);
		expect(workers[1].got.toSorted((a, b) => a - b)).toEqual([2, 4, 5, 6, 7, 8, 9, 10]);
		expect(handout.count("a")).toBe(8);
		handout.ended(workers[1], "a");
		expect(handout.count("a")).toBe(7);
	});

	it("keeps the other workers in their turn when one leaves twice", () => {
		const { handout, workers, give, settle } = stage(3);
		handout.pause(workers[0]);
		handout.pause(workers[0]);
		handout.leave(workers[0]);
		handout.leave(workers[0]);
		give(4);
		settle(...workers);
		expect(workers.map(({ got }) => got.length)).toEqual([0, 2, 2]);
	});

	it("keeps connections while there is no worker", () => {
		const { handout, give } = stage(0);
		give(2);
		const worker = new FakeWorker();
		handout.enter(worker);
		expect(worker.got).toEqual([1, 2]);
	});

	it("closes what no worker has when it stops, and what comes after that", () => {
		const { handout, give, handles, workers } = stage(1);
		give(4);
		handout.stop();
		give(1);
		// Two are with the worker, or on their way.
		expect(handles.map(({ closed }) => closed)).toEqual([false, false, true, true, true]);
		expect(handout.count("a")).toBe(2);
		expect(workers[0].got).toEqual([1, 2]);
	});

	it("holds connections of a listener that the workers do not have yet", () => {
		const { handout, workers, give, handles } = stage(1);
		handout.hold("a");
		give(2);
		expect(workers[0].got).toEqual([]);
		expect(handout.count("a")).toBe(2);
		handout.release();
		expect(workers[0].got).toEqual([1, 2]);
		handout.hold("a");
		give(1);
		handout.drop("a");
		expect(handles.map(({ closed }) => closed)).toEqual([false, false, true]);
		expect(handout.count("a")).toBe(2);
	});

	it("gives what a worker never received to another one, and passes it over until it says that it has room", () => {
		const rooms: boolean[] = [];
		const { handout, workers, give, takeAll } = stage(2, { room: (_, full) => rooms.push(full) });
		give(4);
		takeAll(workers[1]);
		// The first worker has read everything, and has said nothing about 1 and 3.
		handout.answered(workers[0], handout.lastNumber, true);
		expect(workers[1].got).toEqual([2, 4, 1, 3]);
		give(2);
		takeAll(workers[1]);
		takeAll(workers[1]);
		expect(workers[1].got).toEqual([2, 4, 1, 3, 5, 6]);
		handout.answered(workers[0], handout.lastNumber, false);
		handout.answered(workers[0], handout.lastNumber, true);
		expect(rooms).toEqual([true, false]);
		give(2);
		expect(workers[0].got).toEqual([1, 3, 7]);
		expect(handout.count("a")).toBe(8);
	});

	it("does not take an answer about what was sent later for a loss", () => {
		const { handout, workers, give } = stage(1);
		const before = handout.lastNumber;
		give(1);
		handout.answered(workers[0], before, true);
		expect(workers[0].got).toEqual([1]);
	});

	it("closes connections, and says why, when every worker is full", () => {
		const unserved: unknown[] = [];
		const { handout, workers, give, handles } = stage(1, {
			unserved: (listener, _, why) => unserved.push([listener, why]),
		});
		give(3);
		handout.refused(workers[0], workers[0].open[0] as number, true);
		expect(unserved).toEqual([
			["a", "full"],
			["a", "full"],
		]);
		expect(handles.map(({ closed }) => closed)).toEqual([true, false, true]);
		expect(handout.count("a")).toBe(1);
	});

	it("passes a worker over that is stuck; what waits for it goes to others at once, what was sent to it some beats later", () => {
		const { handout, workers, give, settle } = stage(2);
		give(8);
		handout.passOver(workers[0]);
		settle(workers[1]);
		expect(workers[1].got).toEqual([2, 4, 6, 8, 5, 7]);
		for (let i = 0; i < 5; i++) handout.beat();
		expect(workers[1].got).toHaveLength(6);
		handout.beat();
		settle(workers[1]);
		expect(workers[1].got).toEqual([2, 4, 6, 8, 5, 7, 1, 3]);
		// It comes back, and gives up what came too late.
		for (const number of workers[0].open) handout.refused(workers[0], number, false);
		handout.comeBack(workers[0]);
		give(2);
		expect(workers[0].got).toHaveLength(3);
		expect(handout.count("a")).toBe(10);
	});

	it("keeps connections while every worker is stuck", () => {
		const { handout, workers, give } = stage(1);
		handout.passOver(workers[0]);
		give(2);
		expect(workers[0].got).toEqual([]);
		handout.comeBack(workers[0]);
		expect(workers[0].got).toEqual([1, 2]);
	});
});
