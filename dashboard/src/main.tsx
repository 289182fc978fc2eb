/** Puts the dashboard together and shows it. */
import { render } from "preact";
import { createClient } from "./api/client.ts";
import { createGatewayApi } from "./api/gateway.ts";
import { createActivityStore } from "./state/activity.ts";
import { type App, AppContext } from "./state/app.ts";
import { createLocation } from "./state/location.ts";
import { createNotices } from "./state/notices.ts";
import { createSession, tokenRequired } from "./state/session.ts";
import { createTheme } from "./state/theme.ts";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/dialogs.css";
import "./styles/layout.css";
import "./styles/overview.css";
import "./styles/views.css";
import "./styles/tables.css";
import "./styles/charts.css";
import { Shell } from "./views/shell.tsx";

const session = createSession(window.sessionStorage, tokenRequired(document));
const client = createClient(session, document.baseURI, Date.now);
const api = createGatewayApi(client);
const app: App = {
	session,
	client,
	api,
	activity: createActivityStore(api),
	location: createLocation(window),
	notices: createNotices(),
	theme: createTheme(window.localStorage, document.documentElement),
};

const root = document.getElementById("app");
if (!root) throw new Error("index.html has no element for the app");
render(
	<AppContext.Provider value={app}>
		<Shell />
	</AppContext.Provider>,
	root,
);
