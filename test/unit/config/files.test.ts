import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { asked, readContent, readContentLater } from "../../../src/config/files.ts";
import { temporaryFiles } from "../../harness/certs.ts";

describe("a file", () => {
	it("is read with its mode; what is no regular file is refused in words, at once", async () => {
		const { dir } = await temporaryFiles({});
		const at = (name: string) => join(dir, name);
		writeFileSync(at("file"), "text", { mode: 0o640 });
		mkdirSync(at("folder"));
		execFileSync("mkfifo", [at("pipe")]);
		for (const read of [async (path: string) => readContent(path), readContentLater]) {
			const content = await read(at("file"));
			expect(content).toMatchObject({ bytes: Buffer.from("text") });
			expect("mode" in content && content.mode & 0o777).toBe(0o640);
			expect(await read(at("folder"))).toEqual({ trouble: "it is a folder" });
			expect(await read(at("pipe"))).toEqual({ trouble: "it is a pipe; a file that can be read again is needed" });
			expect(await read(at("nothing"))).toEqual({ trouble: "no such file" });
			expect(await read("/dev/null")).toEqual({ trouble: "it is not a regular file" });
		}
	});
});

describe("a file system that hangs", () => {
	afterEach(() => void vi.useRealTimers());

	it("is given up, and keeps one question only until it answers", async () => {
		vi.useFakeTimers();
		let answer = (_: string): void => undefined;
		const hanging = asked("/net/a", () => new Promise<string>((resolve) => (answer = resolve)));
		const refused = expect(hanging).rejects.toThrow("no answer within 5 s");
		await vi.advanceTimersByTimeAsync(5_000);
		await refused;
		let further = false;
		await expect(
			asked("/net/b", async () => {
				further = true;
			}),
		).rejects.toThrow("/net/a gives no answer");
		expect(further).toBe(false);
		answer("there again");
		await vi.advanceTimersByTimeAsync(0);
		expect(await asked("/net/b", async () => "read")).toBe("read");
	});
});
