import { test } from "vitest";
import { tour } from "./tour.fixtures.ts";

test("the person on call sees and steers a gateway with 300 connections", { timeout: 180_000 }, async () => {
	await tour(300);
});
