/** Metrics of a gateway whose configuration has an admin port. */
import type { TestGateway } from "./gateway.ts";

/** The samples of one metric at the moment: the value by the metric's labels as they are written. */
export async function metric({ handle }: Pick<TestGateway, "handle">, name: string): Promise<Record<string, number>> {
	const response = await fetch(`http://127.0.0.1:${handle.adminPort}/metrics`);
	const text = await response.text();
	const samples = text.matchAll(/^clawgate_(\w+)(?:\{(.*)\})? (\S+)$/gm);
	return Object.fromEntries(
		[...samples].filter((sample) => sample[1] === name).map((sample) => [sample[2] ?? "", Number(sample[3])]),
	);
}
