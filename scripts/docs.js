/** Writes docs/configuration.md from the built schema: `npm run docs`. */
import { mkdirSync, writeFileSync } from "node:fs";
import { configurationReference } from "../dist/config/reference.js";

const docs = new URL("../docs/", import.meta.url);
mkdirSync(docs, { recursive: true });
writeFileSync(new URL("configuration.md", docs), configurationReference());
