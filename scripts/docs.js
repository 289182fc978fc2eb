/** Writes docs/configuration.md and docs/openapi.json from the built code: `npm run docs`. */
import { mkdirSync, writeFileSync } from "node:fs";
import { startGateway } from "../dist/app.js";
import { loadConfig } from "../dist/config/load.js";
import { configurationReference } from "../dist/config/reference.js";

const docs = new URL("../docs/", import.meta.url);
mkdirSync(docs, { recursive: true });
writeFileSync(new URL("configuration.md", docs), configurationReference());

// The document belongs to the running admin port, so one is asked for it.
const smallest = `
listeners: [{ address: "127.0.0.1:0" }]
admin: { address: "127.0.0.1:0" }
upstreams: { chat: { endpoints: ["ws://127.0.0.1:7001"] } }
routes: [{ upstream: chat }]
`;
const { config } = loadConfig(smallest, "docs.yaml", {});
const gateway = await startGateway({ config, write: () => {} });
const answer = await fetch(`http://127.0.0.1:${gateway.adminPort}/api/v1/openapi.json`);
writeFileSync(new URL("openapi.json", docs), `${JSON.stringify(await answer.json(), null, 2)}\n`);
await gateway.stop({ immediately: true });
