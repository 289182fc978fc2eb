import { test } from "vitest";
import { tour } from "../dashboard/tour.fixtures.ts";

test("the person on call sees and steers a gateway with 2 000 connections", { timeout: 600_000 }, async () => {
	await tour(2_000, 200);
});
