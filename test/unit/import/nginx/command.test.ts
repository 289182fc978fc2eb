import { describe, expect, it } from "vitest";
import { importConfig } from "../../../../src/cli/import.ts";
import { importNginx } from "../../../../src/import/nginx/index.ts";
import { temporaryFiles } from "../../../harness/certs.ts";

async function run(argv: string[], cwd = "/"): Promise<{ code: number; out: string; err: string }> {
	let [out, err] = ["", ""];
	const code = await importConfig(argv, {
		stdout: (text) => {
			out += text;
		},
		stderr: (text) => {
			err += text;
		},
		env: {},
		cwd,
	});
	return { code, out, err };
}

const SMALL = "http { server { listen 8080; location / { proxy_pass http://127.0.0.1:1; gzip on; } } }";

describe("clawgate import", () => {
	it("prints the file on stdout and what is missing on stderr", async () => {
		const { dir } = await temporaryFiles({ "nginx.conf": SMALL });
		const { code, out, err } = await run(["nginx", "nginx.conf"], dir);
		expect(code).toBe(0);
		expect(out).toMatch(/^# Made from nginx\.conf by: clawgate import nginx\n[\s\S]*\nroutes:\n/);
		expect(out.endsWith("\n")).toBe(true);
		expect(err).toMatch(/^nginx\.conf:1: gzip: /m);
	});

	it("ends with 1 when nothing can be used, and says why", async () => {
		const { dir } = await temporaryFiles({
			"files.conf": "http { server { listen 80; location / { root /srv; } } }",
			"bad.conf": "http {\n server {\n",
			"nginx.conf": SMALL,
		});
		expect(await run(["nginx", "files.conf"], dir)).toMatchObject({ code: 1, out: "" });
		expect((await run(["nginx", "files.conf"], dir)).err).toContain("files.conf: nothing can be used");
		expect((await run(["nginx", "bad.conf"], dir)).err).toBe("bad.conf:2: this block does not end: a } is missing\n");
		expect((await run(["nginx", "none.conf"], dir)).err).toBe(
			"none.conf:1: cannot read the configuration: no such file\n",
		);
		const other = await run(["nginx", "--listen", "81", "nginx.conf"], dir);
		expect([other.code, other.out]).toEqual([1, ""]);
		expect(other.err).toContain("no location on 81 ");
	});

	it("has a line and no stack trace for what is no configuration, or cannot be read", async () => {
		const { dir } = await temporaryFiles({
			"nul.conf": "http {\n\0}",
			"outer.conf": "http {\ninclude inner.conf; }",
			"inner.conf": "server {\0}",
			"range.conf": `include [z-a]*.conf; ${SMALL}`,
		});
		expect((await run(["nginx", "nul.conf"], dir)).err).toMatch(/^nul\.conf:2: there is a NUL character/);
		expect((await run(["nginx", "outer.conf"], dir)).err).toMatch(/^inner\.conf:1: there is a NUL character/);
		expect((await run(["nginx", "range.conf"], dir)).code).toBe(0);
		const folder = await run(["nginx", dir], dir);
		expect([folder.code, folder.err]).toEqual([1, expect.stringContaining("no such file")]);
	});

	it("takes thousands of locations in seconds", async () => {
		const locations = Array.from({ length: 3000 }, (_, index) =>
			index % 3 === 0
				? `location = /x${index} { proxy_pass http://127.0.0.1:1; }`
				: `location /app${index}/ { proxy_pass http://127.0.0.1:${9000 + (index % 50)}; }`,
		);
		const { dir } = await temporaryFiles({
			"nginx.conf": `http { server { listen 8080; ${locations.join("\n")} } }`,
		});
		const before = process.cpuUsage().user;
		const { routes } = importNginx("nginx.conf", dir);
		expect(routes).toHaveLength(3000);
		expect((process.cpuUsage().user - before) / 1e6).toBeLessThan(6);
	});

	it("names files that are not on this machine once", async () => {
		const text = SMALL.replace("8080", "443 ssl; ssl_certificate a.pem; ssl_certificate_key a.key");
		const { dir } = await temporaryFiles({ "nginx.conf": text });
		const { code, err } = await run(["nginx", "nginx.conf"], dir);
		expect(code).toBe(0);
		expect(err.split("\n").filter((line) => line.includes("a.pem"))).toHaveLength(1);
	});

	it("ends with 2 for wrong arguments", async () => {
		for (const argv of [[], ["nginx"], ["apache", "x"], ["nginx", "a", "b"], ["nginx", "--nope", "a"]]) {
			expect(await run(argv), argv.join(" ")).toMatchObject({ code: 2, out: "" });
		}
		expect((await run(["apache", "x"])).err).toContain("only nginx");
	});

	it("explains itself", async () => {
		expect(await run(["--help"])).toMatchObject({ code: 0, err: "", out: expect.stringContaining("--listen") });
	});
});
