import { defineConfig } from "vitest/config";

/** They exchange modules of the gateway. */
const OWN_PROCESS = "test/**/*fallback*.test.ts";

const common = { testTimeout: 20_000, hookTimeout: 20_000, pool: "forks" as const };

export default defineConfig({
	test: {
		// Most tests wait for sockets and timers, not for the processor.
		maxWorkers: 4,
		projects: [
			{
				test: {
					...common,
					name: "shared",
					include: ["test/**/*.test.ts"],
					exclude: [OWN_PROCESS, "test/soak/**", "**/node_modules/**"],
					// Loading the same modules again for each file takes a third of the time. No test leaves state behind.
					isolate: false,
				},
			},
			{ test: { ...common, name: "isolated", include: [OWN_PROCESS] } },
		],
	},
});
