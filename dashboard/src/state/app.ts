/** What all views share; made once in main.tsx and handed down. */
import type { Signal } from "@preact/signals";
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Client } from "../api/client.ts";
import type { GatewayApi } from "../api/gateway.ts";
import type { ActivityStore } from "./activity.ts";
import type { Location } from "./location.ts";
import type { Notices } from "./notices.ts";
import type { Session } from "./session.ts";
import type { Theme } from "./theme.ts";

export interface App {
	readonly session: Session;
	readonly client: Client;
	readonly api: GatewayApi;
	readonly activity: ActivityStore;
	readonly location: Location;
	readonly notices: Notices;
	readonly theme: Signal<Theme>;
}

export const AppContext = createContext<App | undefined>(undefined);

export function useApp(): App {
	const app = useContext(AppContext);
	if (!app) throw new Error("a view was rendered outside of the app");
	return app;
}
