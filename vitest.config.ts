import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** They exchange modules of the gateway. */
const OWN_PROCESS = "test/**/*fallback*.test.ts";

/**
 * These take longest: when they begin first, none of them is left alone at the end. Those that wait stand between those
 * that start many processes.
 */
const BEGIN_FIRST = [
	"fallback.test.ts",
	"versions/node-versions.test.ts",
	"integration/workers.test.ts",
	"dashboard/dashboard.test.ts",
	"integration/workers-faults.test.ts",
	"integration/workers-reload.test.ts",
	"integration/workers-shared.test.ts",
	"integration/tunnel.test.ts",
	"integration/workers-limits.test.ts",
	"integration/limits-messages.test.ts",
	"integration/workers-endpoints.test.ts",
	"clients/socketio-split.test.ts",
	"integration/reload-stall.test.ts",
	"integration/chaos.test.ts",
	"integration/import-nginx.test.ts",
	"integration/workers-admin-changes.test.ts",
	"integration/last-resort.test.ts",
	"integration/workers-admin-metrics.test.ts",
	"clients/socketio-workers.test.ts",
	"dashboard/access.test.ts",
	"integration/workers-admin.test.ts",
	"integration/hub-recovery.test.ts",
	"clients/live.test.ts",
	"clients/endings.test.ts",
	"clients/comebacks.test.ts",
	"integration/doctor-frames.test.ts",
	"security/slow.test.ts",
	"integration/admin-hubs.test.ts",
	"integration/resets.test.ts",
	"integration/storm.test.ts",
	"integration/scale.test.ts",
];

class LongestFirst extends BaseSequencer {
	override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
		const place = ({ moduleId }: TestSpecification): number => {
			const index = BEGIN_FIRST.findIndex((name) => moduleId.endsWith(name));
			return index < 0 ? BEGIN_FIRST.length : index;
		};
		return (await super.sort(files)).sort((a, b) => place(a) - place(b));
	}
}

const common = { testTimeout: 20_000, hookTimeout: 20_000, pool: "forks" as const };

export default defineConfig({
	test: {
		// Most tests wait for sockets and timers, not for the processor.
		maxWorkers: 4,
		sequence: { sequencer: LongestFirst },
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
