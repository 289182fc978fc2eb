import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

/** Builds the dashboard into dist/dashboard, from where the admin port serves it. */
export default defineConfig({
	root: fileURLToPath(new URL(".", import.meta.url)),
	// Relative, so that it also works behind a proxy that puts a prefix before it.
	base: "./",
	publicDir: false,
	esbuild: { jsx: "automatic", jsxImportSource: "preact" },
	build: {
		outDir: fileURLToPath(new URL("../dist/dashboard", import.meta.url)),
		emptyOutDir: true,
		target: "es2022",
		// A data: URL would need a hole in the Content-Security-Policy.
		assetsInlineLimit: 0,
		modulePreload: { polyfill: false },
		reportCompressedSize: false,
	},
	// `npx vite dashboard`: the front-end reloads by itself, the API is a running gateway's.
	server: { proxy: { "/api": "http://127.0.0.1:9090", "/metrics": "http://127.0.0.1:9090" } },
});
