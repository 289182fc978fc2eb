import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { judge } from "../../../../src/doctor/cause.ts";
import { CAUSES } from "../../../../src/doctor/causes/index.ts";
import { type AnswerFacts, answerFacts, type Trials } from "../../../../src/doctor/steps/answer.ts";
import { readUrl } from "../../../../src/doctor/steps/url.ts";
import { ERRORS } from "../../../../src/errors.ts";

const destination = readUrl("wss://chat.example.com/ws", undefined).destination as AnswerFacts["destination"];

function diagnose(
	status: number,
	body = "",
	rawHeaders: string[] = [],
	sent: { originSent?: boolean; credentialsSent?: boolean; trials?: Trials } = {},
) {
	const answer = { status, statusText: "", rawHeaders, rest: Buffer.alloc(0), body: Buffer.from(body) };
	const asked = { destination, timeout: 1, originSent: false, credentialsSent: false, ...sent };
	const reply = { end: "answer" as const, error: undefined, bytes: Buffer.alloc(0), answer, ms: 1 };
	return judge(CAUSES.answer, answerFacts(reply, asked, sent.trials));
}

const only = (...args: Parameters<typeof diagnose>): string | undefined => {
	const found = diagnose(...args);
	expect(found.length).toBeLessThanOrEqual(1);
	return found[0]?.cause;
};

describe("an answer", () => {
	it("has no cause when it is a 101, and exactly one otherwise", () => {
		fc.assert(
			fc.property(fc.integer({ min: 200, max: 599 }), fc.string(), (status, body) => {
				expect(only(status, body)).toBeDefined();
			}),
		);
		expect(only(101)).toBeUndefined();
	});

	const own: [keyof typeof ERRORS, string][] = [
		["BAD_HANDSHAKE", "bad-request"],
		["UPGRADE_REQUIRED", "upgrade-stripped"],
		["BAD_VERSION", "version-unsupported"],
		["METHOD_NOT_ALLOWED", "method-not-allowed"],
		["NO_ROUTE", "not-found"],
		["ADDRESS_DENIED", "address-denied"],
		["ORIGIN_DENIED", "origin-denied"],
		["JWT_MISSING", "credentials-missing"],
		["JWT_EXPIRED", "credentials-refused"],
		["API_KEY_MISSING", "credentials-missing"],
		["BASIC_INVALID", "credentials-refused"],
		["LIMIT_CONNECTIONS_PER_IP", "rate-limited"],
		["NO_ENDPOINT", "unavailable"],
		["OVERLOADED", "unavailable"],
		["CONNECT_FAILED", "bad-gateway"],
		["BAD_BACKEND_HANDSHAKE", "bad-gateway"],
		["CONNECT_TIMEOUT", "gateway-timeout"],
		["HANDSHAKE_TIMEOUT", "gateway-timeout"],
		["HEADERS_TOO_LARGE", "headers-too-large"],
		["INTERNAL", "server-error"],
	];
	it.each(own)("of Clawgate itself with %s is %s, and its code is told", (code, cause) => {
		const { status, hint } = ERRORS[code];
		const [finding, ...others] = diagnose(status, `${code}: ${hint}\n`);
		expect(others).toEqual([]);
		expect(finding?.cause).toBe(cause);
		expect(finding?.advice[0]).toContain(code);
	});

	it("of Clawgate to a handshake whose Connection header was lost is a stripped upgrade", () => {
		const hint = "Connection: Upgrade is missing; a proxy in front of the gateway may have removed it";
		expect(only(400, `BAD_HANDSHAKE: ${hint}\n`)).toBe("upgrade-stripped");
	});

	const servers: [string, number, string[], string, string][] = [
		["nginx", 502, ["Server", "nginx/1.25.3"], "", "proxy_pass"],
		["nginx", 200, ["Server", "nginx"], "<html>", "$http_upgrade"],
		[
			"HAProxy",
			503,
			[],
			"<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n",
			"show stat",
		],
		["Envoy", 503, ["server", "envoy"], "no healthy upstream", "UH"],
		["Caddy", 502, ["Server", "Caddy"], "", "dial tcp"],
		["AWS ALB", 502, ["Server", "awselb/2.0"], "<html>", "error_reason"],
		["AWS ALB", 464, ["Server", "awselb/2.0"], "", "HTTP1"],
		["Cloudflare", 200, ["Server", "cloudflare", "CF-RAY", "1"], "<html>", "WebSockets"],
		["uvicorn", 404, ["server", "uvicorn"], "Not Found", "uvicorn[standard]"],
		["Azure", 200, ["Set-Cookie", "ARRAffinity=1"], "", "Web sockets"],
	];
	it.each(servers)("of %s with %i brings advice of its own", (_, status, headers, body, words) => {
		expect(diagnose(status, body, headers)[0]?.advice.join("\n")).toContain(words);
	});

	it("is blamed on the Origin only when another one helps", () => {
		expect(only(403, "", [], { originSent: true, trials: { withoutOrigin: 101 } })).toBe("origin-denied");
		expect(only(403, "", [], { originSent: true, trials: { withoutOrigin: 403, sameOrigin: 101 } })).toBe(
			"origin-denied",
		);
		expect(only(404, "", [], { trials: { sameOrigin: 101 } })).toBe("origin-required");
		expect(only(403, "", [], { originSent: true, trials: { withoutOrigin: 403, sameOrigin: 403 } })).toBe("forbidden");
	});
});
