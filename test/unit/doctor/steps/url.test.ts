import { describe, expect, it } from "vitest";
import { judge } from "../../../../src/doctor/cause.ts";
import { URL_CAUSES } from "../../../../src/doctor/causes/url.ts";
import { readUrl } from "../../../../src/doctor/steps/url.ts";

const causes = (url: string, origin?: string): string[] =>
	judge(URL_CAUSES, readUrl(url, origin)).map(({ cause }) => cause);

describe("a URL", () => {
	it("is read with its scheme's own port, and shown without query and password", () => {
		expect(readUrl("wss://me:secret@Chat.Example.com/a/b?token=1", undefined).destination).toEqual({
			secure: true,
			host: "chat.example.com",
			port: 443,
			authority: "chat.example.com",
			target: "/a/b?token=1",
			shown: "wss://chat.example.com:443/a/b?…",
			credentials: "me:secret",
		});
		expect(readUrl("ws://[::1]:8080", undefined).destination).toMatchObject({
			host: "::1",
			port: 8080,
			authority: "[::1]:8080",
			target: "/",
		});
	});

	it("has no cause when it is good", () => {
		for (const url of ["ws://localhost:8080/ws?x=1", "wss://a.example", "ws://[::1]/"]) expect(causes(url)).toEqual([]);
	});

	it("is warned about when only programs can use it", () => {
		expect(causes("ws://a.example:6000/")).toEqual(["url-blocked-port"]);
		expect(causes("ws://a.example/", "https://a.example")).toEqual(["mixed-content"]);
		expect(causes("ws://localhost/", "https://a.example")).toEqual([]);
		expect(causes("wss://a.example/", "https://a.example")).toEqual([]);
	});
});
