// A Vite development server with one empty page. Arguments: the package's entry, its port.
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [entry, port] = process.argv.slice(2);
const { createServer } = await import(entry);
const root = mkdtempSync(join(tmpdir(), "clawgate-vite-"));
writeFileSync(join(root, "index.html"), "<!doctype html><title>page</title><p>hello");
const server = await createServer({
	root,
	cacheDir: join(root, "cache"),
	configFile: false,
	logLevel: "error",
	optimizeDeps: { noDiscovery: true },
	server: { host: "127.0.0.1", port: Number(port), strictPort: true },
});
await server.listen();
console.log(JSON.stringify({ port: server.httpServer.address().port }));
