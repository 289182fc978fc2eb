import { expect, test } from "vitest";
import { reloadStorm } from "../harness/reload-storm.ts";

test("20 reloads under 100 talking connections end none of them and lose no message", { timeout: 60_000 }, async () => {
	const result = await reloadStorm({ connections: 100, reloads: 20, pace: 20 });
	expect(result).toMatchObject({ closed: 0, wrong: 0 });
	expect(result.echoed).toBe(result.sent);
	expect(result.sent).toBeGreaterThan(1_000);
});
