import { defineConfig } from "vitest/config";

export default defineConfig({
	test: {
		include: ["test/**/*.test.ts"],
		exclude: ["test/soak/**", "**/node_modules/**"],
		testTimeout: 20_000,
		hookTimeout: 20_000,
		pool: "forks",
		// Most tests wait for sockets and timers, not for the processor.
		maxWorkers: 4,
	},
});
