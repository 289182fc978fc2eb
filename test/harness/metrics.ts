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

/** The value of one series in the text format, `name{label="value"}` with its labels in any order; undefined without it. */
export function sampleValue(text: string, series: string): number | undefined {
	const wanted = named(series);
	const line = text.split("\n").find((each) => !each.startsWith("#") && named(each.replace(/ \S+$/, "")) === wanted);
	return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(" ") + 1));
}

/** No label value of a test has a quote or a comma in it. */
function named(series: string): string {
	const [, name, labels = ""] = /^(\w+)(?:\{(.*)\})?$/.exec(series) ?? [];
	return [name, ...labels.split(",").sort()].join(",");
}
