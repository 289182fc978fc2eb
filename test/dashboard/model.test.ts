/** The types of the dashboard are those of the server: this file does not compile when they differ. */
import { expect, test } from "vitest";
import type { z } from "zod";
import type * as seen from "../../dashboard/src/api/model.ts";
import type { activitySchema } from "../../src/admin/api/activity.ts";
import type { pageSchema } from "../../src/admin/api/connection-page.ts";
import type { drainSchema } from "../../src/admin/api/drain.ts";
import type { endpointSchema } from "../../src/admin/api/endpoint-view.ts";
import type { missedSchema } from "../../src/admin/api/hub-missed.ts";
import type { hubSchema, publishedSchema, topicSchema, topicsSchema } from "../../src/admin/api/hubs.ts";
import type { routeSchema } from "../../src/admin/api/routes.ts";
import type { upstreamSchema } from "../../src/admin/api/upstreams.ts";

/** True when what the server sends can be read as what the dashboard expects, and nothing is expected that is not sent. */
type Reads<Sent, Expected> = Sent extends Expected ? (keyof Expected extends keyof Sent ? true : false) : false;

const checks: {
	activity: Reads<z.output<typeof activitySchema>, seen.Activity>;
	interval: Reads<z.output<typeof activitySchema>["intervals"][number], seen.Interval>;
	rejection: Reads<z.output<typeof activitySchema>["last_rejections"][number], seen.Rejection>;
	page: Reads<z.output<typeof pageSchema>, seen.Page>;
	connection: Reads<z.output<typeof pageSchema>["connections"][number], seen.Connection>;
	drain: Reads<z.output<typeof drainSchema>, seen.Drain>;
	endpoint: Reads<z.output<typeof endpointSchema>, seen.Endpoint>;
	upstream: Reads<z.output<typeof upstreamSchema>, seen.Upstream>;
	route: Reads<z.output<typeof routeSchema>, seen.Route>;
	hub: Reads<z.output<typeof hubSchema>, seen.Hub>;
	topics: Reads<z.output<typeof topicsSchema>, seen.HubTopics>;
	topic: Reads<z.output<typeof topicSchema>, seen.HubTopic>;
	published: Reads<z.output<typeof publishedSchema>, seen.HubPublished>;
	missed: Reads<z.output<typeof missedSchema>, seen.HubMissedList>;
} = {
	activity: true,
	interval: true,
	rejection: true,
	page: true,
	connection: true,
	drain: true,
	endpoint: true,
	upstream: true,
	route: true,
	hub: true,
	topics: true,
	topic: true,
	published: true,
	missed: true,
};

test("what the server sends is what the dashboard expects", () => {
	expect(Object.values(checks).every(Boolean)).toBe(true);
});
