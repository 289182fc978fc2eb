import { expect, test } from "vitest";
import { reloadStorm } from "../harness/reload-storm.ts";

test("1 000 reloads under 2 000 talking connections end none, lose no message, and leave memory flat", async () => {
	const result = await reloadStorm({ connections: 2_000, reloads: 1_000, pace: 1_000 });
	console.log(JSON.stringify(result));
	expect(result).toMatchObject({ closed: 0, wrong: 0 });
	expect(result.echoed).toBe(result.sent);
	expect(result.heapLate).toBeLessThan(result.heapEarly * 1.1);
});
