/** The scale proofs of bench/scale, run as an operator would; the small sizes are in `npm test`, the large ones in the soak. */
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { ROOT, startNode } from "../harness/child.ts";

export interface ScaleResult {
	/** What was not as it must be, in words. */
	readonly wrong: readonly string[];
	/** `ws.open` and `ws.close` lines of the gateway. */
	readonly lines: { readonly open: number; readonly close: number };
}

/**
 * Runs `bench/scale/NAME.js` to its end.
 * @param timeout ms
 * @throws Error with what it wrote, when it gave no result
 */
export async function scaleProof(
	name: "churn" | "hold",
	options: Readonly<Record<string, number>>,
	timeout: number,
): Promise<ScaleResult> {
	const folder = await mkdtemp(join(tmpdir(), "clawgate-scale-result-"));
	onTestFinished(() => rm(folder, { recursive: true }));
	const file = join(folder, "result.json");
	const args = Object.entries({ ...options, json: file }).flatMap(([key, value]) => [`--${key}`, String(value)]);
	const child = startNode([`${ROOT}bench/scale/${name}.js`, ...args]);
	await child.exit(timeout);
	try {
		return JSON.parse(readFileSync(file, "utf8")) as ScaleResult;
	} catch (error) {
		throw new Error(`bench/scale/${name}.js gave no result: ${child.stderr()}`, { cause: error });
	}
}
