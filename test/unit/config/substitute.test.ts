import { expect, it } from "vitest";
import { substitute } from "../../../src/config/substitute.ts";

const env = { HOST: "h", EMPTY: "", N: "42", YES: "true", ZEROS: "007", HUGE: "12345678901234567890123" };

it("replaces each variable inside a text", () => {
	expect(substitute(`ws://\${HOST}:\${N}/`, env, true)).toEqual({ value: "ws://h:42/", mistakes: [] });
});

it("uses the default for a variable that is not set or empty, like a shell", () => {
	expect(substitute(`\${NONE:-a b}`, env, false).value).toBe("a b");
	expect(substitute(`\${EMPTY:-x}`, env, false).value).toBe("x");
	expect(substitute(`\${HOST:-x}`, env, false).value).toBe("h");
	expect(substitute(`\${NONE:-}`, env, false)).toEqual({ value: "", mistakes: [] });
});

it("takes an empty variable without default as it is", () => {
	expect(substitute(`\${EMPTY}`, env, false)).toEqual({ value: "", mistakes: [] });
});

it("reports every variable that is missing, by name", () => {
	const { mistakes } = substitute(`\${A} \${B}`, env, false);
	expect(mistakes).toHaveLength(2);
	expect(mistakes[0]).toContain("variable A is not set");
	expect(mistakes[1]).toContain("variable B is not set");
});

it("does not find what the environment object only inherits", () => {
	expect(substitute(`\${constructor}`, {}, false).mistakes).toHaveLength(1);
});

it("gives a literal ${ for $${", () => {
	expect(substitute(`$\${HOST} \${HOST}`, env, true)).toEqual({ value: `\${HOST} h`, mistakes: [] });
});

it.each([`\${}`, `\${1A}`, `\${A-x}`, `\${open`, `\${A B}`])("refuses %s", (text) => {
	expect(substitute(text, env, false).mistakes).toEqual([
		`expected \${NAME} or \${NAME:-default}; write $\${ for a literal \${`,
	]);
});

it("makes a number or boolean of a plain scalar that is one substitution", () => {
	expect(substitute(`\${N}`, env, true).value).toBe(42);
	expect(substitute(`\${YES}`, env, true).value).toBe(true);
	expect(substitute(`\${NONE:-1.5}`, env, true).value).toBe(1.5);
});

it("leaves it a text when it was quoted, is part of a longer text, or would lose digits", () => {
	expect(substitute(`\${N}`, env, false).value).toBe("42");
	expect(substitute(`\${N}s`, env, true).value).toBe("42s");
	expect(substitute(`\${ZEROS}`, env, true).value).toBe("007");
	expect(substitute(`\${HUGE}`, env, true).value).toBe(env.HUGE);
});

it("does not look for further substitutions in a value", () => {
	expect(substitute(`\${A}`, { A: `\${B}` }, false)).toEqual({ value: `\${B}`, mistakes: [] });
});
