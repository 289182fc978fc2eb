/** The registry of cross checks; a new one is a file and a line. */
import { addresses } from "./addresses.ts";
import { auth } from "./auth.ts";
import { certificates } from "./certificates.ts";
import type { Check } from "./check.ts";
import { choices } from "./choices.ts";
import { clientAuth } from "./client-auth.ts";
import { drainTimes } from "./drain-times.ts";
import { endpoints } from "./endpoints.ts";
import { filePermissions } from "./file-permissions.ts";
import { health } from "./health.ts";
import { hubRoutes } from "./hub-routes.ts";
import { names } from "./names.ts";
import { pathPatterns } from "./path-patterns.ts";
import { readableFiles } from "./readable-files.ts";
import { shadowedRoutes } from "./shadowed-routes.ts";
import { splits } from "./splits.ts";
import { stickyCookie } from "./sticky-cookie.ts";
import { targets } from "./targets.ts";

export const CHECKS: readonly Check[] = [
	choices,
	names,
	addresses,
	endpoints,
	health,
	targets,
	pathPatterns,
	splits,
	hubRoutes,
	readableFiles,
	certificates,
	filePermissions,
	clientAuth,
	auth,
	stickyCookie,
	drainTimes,
	shadowedRoutes,
];
