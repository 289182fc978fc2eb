import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { causesReference } from "../../../src/doctor/reference.ts";

it("docs/doctor.md lists the causes as the table has them (`clawgate doctor --causes` prints the list)", () => {
	const page = readFileSync(new URL("../../../docs/doctor.md", import.meta.url), "utf8");
	const [, rest] = page.split("<!-- causes: written by `clawgate doctor --causes` -->\n");
	expect(rest?.split("<!-- end of causes -->")[0]?.trim()).toBe(causesReference().trim());
});
