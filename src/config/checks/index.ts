/** The registry of cross checks; a new one is a file and a line. */
import { addresses } from "./addresses.ts";
import { auth } from "./auth.ts";
import { certificates } from "./certificates.ts";
import type { Check } from "./check.ts";
import { choices } from "./choices.ts";
import { clientAuth } from "./client-auth.ts";
import { drainTimes } from "./drain-times.ts";
import { endpoints } from "./endpoints.ts";
import { health } from "./health.ts";
import { hubRoutes } from "./hub-routes.ts";
import { names } from "./names.ts";
import { readableFiles } from "./readable-files.ts";
import { shadowedRoutes } from "./shadowed-routes.ts";
import { targets } from "./targets.ts";

export const CHECKS: readonly Check[] = [
	choices,
	names,
	addresses,
	endpoints,
	health,
	targets,
	hubRoutes,
	readableFiles,
	certificates,
	clientAuth,
	auth,
	drainTimes,
	shadowedRoutes,
];
