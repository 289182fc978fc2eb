import { describe, expect, it } from "vitest";
import { parseKeysFile } from "../../../src/policy/api-key.ts";
import { parseUsersFile } from "../../../src/policy/basic.ts";

const HEX = "a".repeat(64);
const BCRYPT = `$2y$10$${"a".repeat(53)}`;

describe("a keys file", () => {
	it("has names and hashes, comments and empty lines", () => {
		const keys = parseKeysFile(`# c\n\r\n  one sha256:${HEX}\r\none\tsha256:${"b".repeat(64)}\n`);
		expect([...keys.values()].map(({ name }) => name)).toEqual(["one", "one"]);
	});

	it.each([
		["one", "line 1 is not"],
		[`one sha256:${HEX}\ntwo my-secret-key`, "line 2 has no hash"],
		[`one sha256:${HEX.slice(1)}`, "line 1 has no hash"],
		[`one sha512:${HEX}`, "line 1 has no hash"],
		[`one sha256:${HEX}\n\ntwo sha256:${HEX.toUpperCase()}`, "line 3 has a key that is there already"],
	])("%j is refused with its line, and without what stands in it", (text, message) => {
		expect(() => parseKeysFile(text)).toThrow(message);
		expect(() => parseKeysFile(text)).not.toThrow("my-secret-key");
	});
});

describe("a users file", () => {
	it("has bcrypt, argon2, MD5 and SHA-1 hashes", () => {
		const argon = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g";
		expect([...parseUsersFile(`ada:${BCRYPT}\neve:${argon}\n`)]).toEqual([
			["ada", BCRYPT],
			["eve", argon],
		]);
		const old = ["$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/", "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="];
		expect([...parseUsersFile(`ada:${old[0]}\neve:${old[1]}\n`).values()]).toEqual(old);
	});

	it.each([
		["ada", "line 1 is not"],
		[":x", "line 1 is not"],
		["ada:plain-secret", "line 1 has no hash"],
		["ada:{PLAIN}plain-secret", "line 1 has no hash"],
		["ada:$apr1$x$y", "line 1 has no hash"],
		[`ada:${BCRYPT}\nada:${BCRYPT}`, "line 2 has a user who is there already"],
	])("%j is refused with its line, and without what stands in it", (text, message) => {
		expect(() => parseUsersFile(text)).toThrow(message);
		expect(() => parseUsersFile(text)).not.toThrow("plain-secret");
	});
});
