/** What every answer before the 101 has in common. */
import { expect } from "vitest";
import type { RawClient } from "./raw-client.ts";
import type { Head } from "./raw-peer.ts";

/** Reads an error answer to its end: a whole HTTP answer whose body is one line `CODE: what to do`, never a bare FIN. */
export async function expectRejection(client: RawClient, head: Head, status: number, code: string): Promise<string> {
	expect(head.status).toBe(status);
	expect(head.header("content-length") ?? head.header("transfer-encoding")).toBeDefined();
	const body = await client.readBody(head);
	expect(body).toMatch(new RegExp(`^${code}: [^\\n]+\\n?$`));
	expect(head.header("content-type")).toMatch(/^text\/plain/);
	return body;
}
