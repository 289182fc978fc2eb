import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { acceptKey, checkAccepted } from "../../../src/protocol/accepted.ts";
import { type Answer, AnswerParser, refusalHeaders } from "../../../src/protocol/answer.ts";
import { processorTime } from "../../harness/clock.ts";

/** Feeds the pieces; with `end`, FIN follows when the answer is not complete by then. */
function read(pieces: readonly Buffer[], end = true): Answer | undefined {
	const parser = new AnswerParser();
	for (const [i, piece] of pieces.entries()) {
		const answer = parser.push(piece);
		if (answer) return { ...answer, rest: Buffer.concat([answer.rest, ...pieces.slice(i + 1)]) };
	}
	return end ? parser.end() : parser.soFar();
}

function parse(text: string | Buffer): Answer {
	return read([typeof text === "string" ? Buffer.from(text, "latin1") : text]) as Answer;
}

const BAD = expect.objectContaining({ code: "BAD_BACKEND_HANDSHAKE", retry: "bad_handshake" });

const SWITCHING =
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept:  x \t\r\n\r\n";

describe("a 101", () => {
	it("ends with its head; what follows are the tunnel's first bytes", () => {
		const answer = parse(Buffer.concat([Buffer.from(SWITCHING), Buffer.from([0x81, 0x01, 0x0d, 0x0a])]));
		expect(answer).toMatchObject({ status: 101, statusText: "Switching Protocols" });
		expect(answer.rest).toEqual(Buffer.from([0x81, 0x01, 0x0d, 0x0a]));
		expect(answer.rawHeaders).toEqual(["Upgrade", "websocket", "Connection", "Upgrade", "Sec-WebSocket-Accept", "x"]);
	});

	it("has no body even with a Content-Length", () => {
		expect(parse(SWITCHING.replace("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\nabcde")).rest.toString()).toBe("abcde");
	});

	it("is not possible in HTTP/1.0", () => {
		expect(() => parse(SWITCHING.replace("1.1", "1.0"))).toThrow(BAD);
	});

	it("may follow up to eight interim answers", () => {
		const early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
		expect(parse(early.repeat(8) + SWITCHING)).toMatchObject({ status: 101 });
		expect(parse(early.repeat(8) + SWITCHING).rawHeaders).not.toContain("Link");
		expect(() => parse(early.repeat(9) + SWITCHING)).toThrow(BAD);
	});
});

describe("the head", () => {
	it("may have a status line without reason", () => {
		expect(parse("HTTP/1.1 403\r\n\r\n")).toMatchObject({ status: 403, statusText: "" });
		expect(parse("HTTP/1.1 403 \r\n\r\n")).toMatchObject({ status: 403, statusText: "" });
	});

	it("keeps bytes above 0x7f and takes only blanks off around a value", () => {
		const answer = parse("HTTP/1.1 403 No\r\nX:\t \xc3\xa0\xa0 \t\r\nEmpty:\r\n\r\n");
		expect(answer.rawHeaders).toEqual(["X", "\xc3\xa0\xa0", "Empty", ""]);
	});

	it.each([
		["another protocol", "SSH-2.0-OpenSSH_9.2\r\n"],
		["HTTP/2", "HTTP/2 200\r\n\r\n"],
		["a status beyond 599", "HTTP/1.1 600 X\r\n\r\n"],
		["a status with two digits", "HTTP/1.1 20 X\r\n\r\n"],
		["two blanks before the status", "HTTP/1.1  200 X\r\n\r\n"],
		["an empty line first", "\r\nHTTP/1.1 200 OK\r\n\r\n"],
		["bare line feeds", "HTTP/1.1 200 OK\nA: b\n\n"],
		["a bare line feed after a header", "HTTP/1.1 200 OK\r\nA: b\n\r\n"],
		["a bare carriage return", "HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n"],
		["a folded header", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"],
		["a blank before the colon", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n"],
		["no colon", "HTTP/1.1 200 OK\r\nA\r\n\r\n"],
		["no name", "HTTP/1.1 200 OK\r\n: b\r\n\r\n"],
		["a NUL in a value", "HTTP/1.1 200 OK\r\nA: \0\r\n\r\n"],
		["a control character in the reason", "HTTP/1.1 200 O\x01K\r\n\r\n"],
		["both Content-Length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"],
		["two different lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n"],
		["a list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\n"],
		["a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"],
		["a length in hex", "HTTP/1.1 200 OK\r\nContent-Length: 0x3\r\n\r\n"],
		["another transfer coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"],
		["two transfer codings", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"],
		["chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"],
		["nothing", ""],
		["half a head", "HTTP/1.1 200 OK\r\nA: b\r\n"],
	])("is refused with %s", (_, text) => {
		expect(() => parse(text)).toThrow(BAD);
	});

	it("may have 64 KiB, interim answers included, and not one byte more", () => {
		const start = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\nA: ";
		const most = 65_536 - start.length - 4;
		expect(parse(`${start}${"x".repeat(most)}\r\n\r\n`).status).toBe(403);
		expect(() => parse(`${start}${"x".repeat(most + 1)}\r\n\r\n`)).toThrow(BAD);
		expect(() => read([Buffer.from(`HTTP/1.1 403 ${"x".repeat(66_000)}`)], false)).toThrow(BAD);
	});

	it("takes the same Content-Length twice", () => {
		expect(parse("HTTP/1.1 403 No\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nno").body.toString()).toBe("no");
	});

	it("costs the same whatever hostile blanks it has", () => {
		const took = processorTime(() => {
			expect(() => parse(`HTTP/1.1 200 OK\r\nA:${" ".repeat(65_000)}\x01\r\n\r\n`)).toThrow(BAD);
			expect(parse(`HTTP/1.1 204 OK\r\nA:x${" ".repeat(65_000)}y\r\n\r\n`).status).toBe(204);
		});
		expect(took).toBeLessThan(500);
	});
});

describe("the body of a refusal", () => {
	it("has its Content-Length, and nothing after it", () => {
		expect(parse("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nnot").body.toString()).toBe("no");
	});

	it("is decoded from chunks with extensions and trailers", () => {
		const text =
			"HTTP/1.1 403 No\r\nTransfer-Encoding: Chunked\r\n\r\n2;a=b\r\nno\r\n0A\r\n0123456789\r\n0\r\nT: r\r\n\r\nrest";
		expect(parse(text).body.toString()).toBe("no0123456789");
	});

	it("goes on until the connection closes when nothing else ends it", () => {
		expect(parse("HTTP/1.1 403 No\r\n\r\nall of\r\nit").body.toString()).toBe("all of\r\nit");
	});

	it.each([204, 304])("does not exist with status %d", (status) => {
		const answer = parse(`HTTP/1.1 ${status} X\r\nContent-Length: 5\r\n\r\nabc`);
		expect(answer.body).toHaveLength(0);
	});

	it.each(["Content-Length: 100000", "Transfer-Encoding: chunked", "X: until-close"])(
		"is cut at 64 KiB without waiting for the rest (%s)",
		(header) => {
			const chunks = header.startsWith("T") ? `186A0\r\n${"x".repeat(70_000)}` : "x".repeat(70_000);
			const answer = read([Buffer.from(`HTTP/1.1 403 No\r\n${header}\r\n\r\n${chunks}`)], false) as Answer;
			expect(answer.body).toHaveLength(65_536);
		},
	);

	it.each([
		["a length that is too long", "Content-Length: 10\r\n\r\nno", "no"],
		["a chunk that breaks off", "Transfer-Encoding: chunked\r\n\r\n5\r\nno", "no"],
		["a chunk size that is no number", "Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\nzz\r\n", "no"],
		["a chunk size beyond 2^53", "Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\nfffffffffffffffff\r\n", "no"],
		["a chunk that is longer than said", "Transfer-Encoding: chunked\r\n\r\n2\r\nnot\r\n0\r\n\r\n", "no"],
		["bare line feeds between chunks", "Transfer-Encoding: chunked\r\n\r\n2\nno\n", ""],
		["a chunk extension without end", `Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\n1;${"x".repeat(300)}`, "no"],
	])("ends where it breaks, since the status says enough: %s", (_, text, body) => {
		expect(parse(`HTTP/1.1 403 No\r\n${text}`)).toMatchObject({ status: 403 });
		expect(parse(`HTTP/1.1 403 No\r\n${text}`).body.toString()).toBe(body);
	});

	it("is relayed with end-to-end headers and a Content-Length that fits", () => {
		const answer = parse(
			"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nTransfer-Encoding: chunked\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n\r\n2\r\nno\r\n0\r\n\r\n",
		);
		expect(refusalHeaders(answer)).toEqual(["WWW-Authenticate", "Basic", "Content-Length", "2"]);
		expect(refusalHeaders(parse("HTTP/1.1 204 X\r\ncontent-length: 5\r\n\r\n"))).toEqual([]);
	});
});

it("how the bytes are cut makes no difference", () => {
	const samples = [
		Buffer.from(`${SWITCHING}\x81\x02hi`, "latin1"),
		Buffer.from(`HTTP/1.1 100 Continue\r\n\r\n${SWITCHING}\r\n\r\n`),
		Buffer.from("HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\nforbidden"),
		Buffer.from("HTTP/1.1 503 Busy\r\nRetry-After: 5\r\nContent-Length: 90\r\n\r\ncut short"),
		Buffer.from(
			"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nfor\r\n6\r\nbidden\r\n0\r\nT: r\r\n\r\n",
		),
		Buffer.from("HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nfor\r\nzz\r\n"),
		Buffer.from("HTTP/1.1 200 OK\r\n\r\nuntil the end\r\n"),
		Buffer.from("HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n"),
		Buffer.from("HTTP/1.1 200 OK\r\nA b\r\n\r\n"),
		Buffer.from("not HTTP at all"),
	];
	const outcome = (pieces: Buffer[]) => {
		try {
			const { rest, body, ...others } = read(pieces) as Answer;
			return { ...others, body: body.toString("latin1"), rest: others.status === 101 ? rest.toString("latin1") : "" };
		} catch (error) {
			return String(error);
		}
	};
	fc.assert(
		fc.property(fc.constantFrom(...samples), fc.array(fc.nat(200), { maxLength: 20 }), (bytes, cuts) => {
			const places = [0, ...cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length];
			const pieces = places.slice(1).map((end, i) => bytes.subarray(places[i], end));
			expect(outcome(pieces)).toEqual(outcome([bytes]));
		}),
		{ numRuns: 500 },
	);
});

it("one byte at a time costs no more than a constant for each byte", () => {
	const bytes = Buffer.from(
		`HTTP/1.1 403 No\r\nA: ${"x".repeat(60_000)}\r\nTransfer-Encoding: chunked\r\n\r\n${"1\r\nx\r\n".repeat(10_000)}0\r\n\r\n`,
	);
	const took = processorTime(() => {
		const answer = read(Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))) as Answer;
		expect(answer.body).toHaveLength(10_000);
	});
	expect(took).toBeLessThan(2_000);
});

describe("checking a 101", () => {
	const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
	const good = [
		"Upgrade",
		"websocket",
		"Connection",
		"Upgrade",
		"Sec-WebSocket-Accept",
		"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
	];
	const check = (rawHeaders: string[], offer: { offered?: string[]; extensions?: string; lenient?: boolean } = {}) =>
		checkAccepted(
			{ status: 101, statusText: "", rawHeaders, rest: Buffer.alloc(0), body: Buffer.alloc(0) },
			{ key: KEY, offered: [], ...offer },
		);

	it("knows RFC 6455's own example", () => {
		expect(acceptKey(KEY)).toBe("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
		expect(check(good)).toBeUndefined();
	});

	it("takes tokens in any case and further ones in Connection", () => {
		expect(check(["upgrade", "WebSocket", "CONNECTION", "keep-alive, UPGRADE", ...good.slice(4)])).toBeUndefined();
	});

	it("returns the chosen subprotocol, also one that was not offered, or several", () => {
		expect(check([...good, "Sec-WebSocket-Protocol", "chat"], { offered: ["x", "chat"] })).toBe("chat");
		expect(check([...good, "Sec-WebSocket-Protocol", "Chat"], { offered: ["chat"] })).toBe("Chat");
		expect(check([...good, "Sec-WebSocket-Protocol", "a, b"], { offered: ["a", "b"] })).toBe("a, b");
		expect(check([...good, "Sec-WebSocket-Protocol", "a", "Sec-WebSocket-Protocol", "b"])).toBe("a, b");
	});

	it("takes extensions whose names were offered", () => {
		const extensions = "permessage-deflate; client_max_window_bits, x-other";
		expect(check([...good, "Sec-WebSocket-Extensions", "permessage-deflate;a=1"], { extensions })).toBeUndefined();
	});

	it.each([
		["no Upgrade", good.slice(2)],
		["another Upgrade", ["Upgrade", "h2c", ...good.slice(2)]],
		["no Connection", [...good.slice(0, 2), ...good.slice(4)]],
		["Connection without upgrade", [...good.slice(0, 2), "Connection", "close", ...good.slice(4)]],
		["no Accept", good.slice(0, 4)],
		["the Accept of another key", [...good.slice(0, 4), "Sec-WebSocket-Accept", acceptKey("x")]],
		["an Accept in another case", [...good.slice(0, 4), "Sec-WebSocket-Accept", "S3PPLMBITXAQ9KYGZZHZRBK+XOO="]],
		["two Accepts", [...good, ...good.slice(4)]],
		["an extension nobody offered", [...good, "Sec-WebSocket-Extensions", "permessage-deflate"]],
	])("refuses %s", (_, rawHeaders) => {
		expect(() => check(rawHeaders)).toThrow(BAD);
	});

	it("takes any 101 when it is lenient", () => {
		const lenient = (rawHeaders: string[]) => check(rawHeaders, { lenient: true });
		expect(lenient([])).toBeUndefined();
		expect(
			lenient(["Sec-WebSocket-Accept", "wrong", "Sec-WebSocket-Extensions", "x", "Sec-WebSocket-Protocol", "p"]),
		).toBe("p");
	});
});
