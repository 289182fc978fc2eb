/** A backend that does what it is asked for, in a process that can be killed and comes back on its port. */
import { type Child, startNode } from "../harness/child.ts";
import { until } from "../harness/poll.ts";

export class MadBackend {
	readonly port: number;
	child: Child;

	private constructor(child: Child, port: number) {
		this.child = child;
		this.port = port;
	}

	static async start(): Promise<MadBackend> {
		const child = startNode(["test/soak/chaos-backend.js"]);
		return new MadBackend(child, await portOf(child));
	}

	/** Starts it again after it was killed. */
	async restart(): Promise<void> {
		this.child = startNode(["test/soak/chaos-backend.js", String(this.port)]);
		await portOf(this.child);
	}
}

async function portOf(child: Child): Promise<number> {
	return Number(await until(() => child.stdout().trim(), { timeout: 15_000, what: "the backend's port" }));
}
