import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { redactor, secretsOf } from "../../../src/doctor/redact.ts";
import { printable } from "../../../src/doctor/words.ts";

const redact = (headers: [string, string][], url = "wss://a.test/", subprotocols: string[] = []) =>
	redactor(secretsOf({ url, headers, subprotocols } as unknown as Parameters<typeof secretsOf>[0]));

describe("what the operator entrusts to the doctor", () => {
	it("does not appear again, whole or in its parts", () => {
		const hide = redact([
			["Authorization", "Bearer abc.def.ghi"],
			["Cookie", "session=0123456789; theme=dark"],
		]);
		expect(hide("your token abc.def.ghi is bad")).toBe("your token *** is bad");
		expect(hide("session 0123456789 ended")).toBe("session *** ended");
		expect(hide("WWW-Authenticate: Bearer, theme dark")).toBe("WWW-Authenticate: Bearer, theme dark");
	});

	it("does not appear where the text is cut off in its middle, or escaped", () => {
		const hide = redact([["X-Key", 'a"quoted"\\secret']]);
		expect(hide(`it said ${JSON.stringify('a"quoted"\\secret')}`)).toBe('it said "***"');
		const long = redact([["X-Key", "k".repeat(10) + "v".repeat(100)]]);
		expect(long(printable(`bad key ${"k".repeat(10)}${"v".repeat(100)}`, 30))).toBe("bad key ***…");
	});

	it("covers the password and the tokens of the URL, as written and decoded", () => {
		const hide = redact([], "wss://me:p%40ssword@a.test/?token=abc%2F123456&transport=websocket&v=2");
		expect(hide("p%40ssword p@ssword abc%2F123456 abc/123456")).toBe("*** *** *** ***");
		expect(hide(Buffer.from("me:p@ssword").toString("base64"))).toBe("***");
		expect(hide("Upgrade: websocket, 2 addresses")).toBe("Upgrade: websocket, 2 addresses");
	});

	it("covers a token that travels as a subprotocol", () => {
		const token = `bearer.${"x".repeat(40)}`;
		expect(redact([], undefined, ["chat.v2", token])(`chose ${token} and not chat.v2`)).toBe(
			"chose *** and not chat.v2",
		);
	});

	it("leaves public headers alone", () => {
		expect(redact([["Host", "chat.example.com"]])("for chat.example.com")).toBe("for chat.example.com");
	});

	it("never shows a header's value, whatever it is, wherever the text is cut", () => {
		const value = fc.string({ minLength: 8, maxLength: 60 }).filter((text) => text.trim() === text);
		fc.assert(
			fc.property(value, fc.integer({ min: 20, max: 200 }), (secret, limit) => {
				const shown = redact([["X-Key", secret]])(printable(`the server said: ${secret} is wrong`, limit));
				expect(shown).not.toContain(secret);
			}),
		);
	});
});
