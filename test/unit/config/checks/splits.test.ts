import { describe, expect, it } from "vitest";
import { problemLines } from "../problem-lines.ts";

const file = (upstreams: string, route: string) => `
listeners: [{ address: ":8080" }]
upstreams: { ${upstreams} }
routes: [{ ${route} }]
`;
const plain = (name: string, more = "") => `${name}: { endpoints: ["ws://${name}:1"]${more} }`;
const SPLIT = "split: [{ upstream: a, weight: 95 }, { upstream: b, weight: 5 }]";
const COOKIE = ", sticky: { cookie: {} }";
const HASH = ", load_balancing: { policy: consistent_hash }";

describe("split", () => {
	it.each([
		["both upstreams are sticky", `${plain("a", COOKIE)}, ${plain("b", ", sticky: socketio")}`, SPLIT],
		["one hashes", `${plain("a", HASH)}, ${plain("b")}`, SPLIT],
		["split_cookie", `${plain("a")}, ${plain("b")}`, `${SPLIT}, split_cookie: {}`],
		["no plain HTTP", `${plain("a")}, ${plain("b")}`, `${SPLIT}, http: reject`],
		["one side takes nobody", `${plain("a")}, ${plain("b")}`, "split: [{ upstream: a }, { upstream: b, weight: 0 }]"],
	])("is quiet: %s", (_name, upstreams, route) => {
		expect(problemLines(file(upstreams, route))).toEqual([]);
	});

	it("warns when nothing keeps a client at its side, and names the upstreams", () => {
		expect(problemLines(file(`${plain("a", COOKIE)}, ${plain("b")}`, SPLIT))).toEqual([
			expect.stringMatching(
				/4:12: routes\[0\]\.split: warning: a client is drawn anew .* set sticky for b, or split_cookie/,
			),
		]);
	});

	it("split_cookie without split is a mistake", () => {
		expect(problemLines(file(plain("a"), "upstream: a, split_cookie: {}"))).toEqual([
			expect.stringContaining("routes[0].split_cookie: is no use without split"),
		]);
	});
});
