/**
 * The program of the thread that checks passwords. Given as text, since there is no file of this form both before and after
 * the build. `workerData` is the path of hash-wasm.
 */
export const PASSWORD_WORKER = `
	const { createHash, timingSafeEqual } = require("node:crypto");
	const { parentPort, workerData } = require("node:worker_threads");
	const { argon2Verify, bcryptVerify } = require(workerData);

	const digest = (algorithm, ...parts) => {
		const hash = createHash(algorithm);
		for (const part of parts) hash.update(part);
		return hash.digest();
	};

	// crypt(3)'s MD5, as Poul-Henning Kamp wrote it; Apache's differs in the word at its start.
	const LETTERS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	function md5Crypt(password, hash) {
		const [, name, salt] = hash.split("$");
		let last = digest("md5", password, salt, password);
		const parts = [password, "$" + name + "$", salt];
		for (let left = password.length; left > 0; left -= 16) parts.push(last.subarray(0, Math.min(16, left)));
		for (let bits = password.length; bits > 0; bits >>= 1) parts.push(bits & 1 ? "\\0" : password.subarray(0, 1));
		last = digest("md5", ...parts);
		for (let round = 0; round < 1000; round++) {
			const odd = round & 1;
			const mixed = [odd ? password : last];
			if (round % 3) mixed.push(salt);
			if (round % 7) mixed.push(password);
			mixed.push(odd ? last : password);
			last = digest("md5", ...mixed);
		}
		let text = "";
		const put = (value, length) => {
			for (; length > 0; length--, value >>= 6) text += LETTERS[value & 63];
		};
		for (const [a, b, c] of [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]]) {
			put((last[a] << 16) | (last[b] << 8) | last[c], 4);
		}
		put(last[11], 2);
		return "$" + name + "$" + salt + "$" + text;
	}

	function sameBytes(a, b) {
		return a.length === b.length && timingSafeEqual(a, b);
	}

	async function verify(password, hash) {
		if (hash.startsWith("$2")) return bcryptVerify({ password, hash });
		if (hash.startsWith("$argon2")) return argon2Verify({ password, hash });
		if (hash.startsWith("$")) return sameBytes(Buffer.from(md5Crypt(password, hash)), Buffer.from(hash));
		const known = Buffer.from(hash.slice(hash.indexOf("}") + 1), "base64");
		return sameBytes(digest("sha1", password, known.subarray(20)), known.subarray(0, 20));
	}

	parentPort.on("message", async ({ id, password, hash }) => {
		try {
			parentPort.postMessage({ id, matches: await verify(password, hash) });
		} catch (error) {
			parentPort.postMessage({ id, trouble: error.message });
		}
	});
`;
