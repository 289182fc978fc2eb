import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Directive, NginxSyntaxError } from "../../../../src/import/nginx/directive.ts";
import { parse } from "../../../../src/import/nginx/parse.ts";

/** Names and arguments only. */
type Plain = [name: string, args: readonly string[], block?: Plain[]];

function plain(directives: readonly Directive[]): Plain[] {
	return directives.map(({ name, args, block }) => (block ? [name, args, plain(block)] : [name, args]));
}

function failure(text: string): string {
	try {
		parse(text, "f.conf");
	} catch (error) {
		if (error instanceof NginxSyntaxError) return `${error.place.file}:${error.place.line}: ${error.message}`;
		throw error;
	}
	throw new Error("this should have failed");
}

describe("parse", () => {
	it("reads directives and blocks with their lines", () => {
		const directives = parse("# c\nuser www;\n\nhttp {\n  server {\n    listen 80;\n  }\n}\n", "f.conf");
		expect(plain(directives)).toEqual([
			["user", ["www"]],
			["http", [], [["server", [], [["listen", ["80"]]]]]],
		]);
		expect(directives.map(({ line, endLine }) => [line, endLine])).toEqual([
			[2, 2],
			[4, 8],
		]);
		expect(directives[1]?.block?.[0]).toMatchObject({ line: 5, endLine: 7, file: "f.conf" });
	});

	it("takes quotes off and resolves the escapes that nginx resolves", () => {
		const text = String.raw`a "b \" c" 'd;{}' e\"f "\t\\" \d+\.\w;`;
		expect(plain(parse(text, "f"))).toEqual([["a", ['b " c', "d;{}", 'e"f', "\t\\", String.raw`\d+\.\w`]]]);
	});

	it("keeps an escaped separator and a variable's braces in a word", () => {
		const braced = ["$", "{host}x"].join("");
		expect(plain(parse(`return 200 a\\;b ${braced};`, "f"))).toEqual([["return", ["200", "a\\;b", braced]]]);
		expect(plain(parse("location ~ ^/a}b { }", "f"))).toEqual([["location", ["~", "^/a}b"], []]]);
	});

	it("takes # for a comment at the start of a word only", () => {
		expect(plain(parse("a b#c; # d;\ne f;", "f"))).toEqual([
			["a", ["b#c"]],
			["e", ["f"]],
		]);
	});

	it("passes over a body in Lua", () => {
		const text = "location / {\n content_by_lua_block {\n  if x then ngx.say('{') end ngx.say('}')\n }\n}\nuser a;";
		const directives = parse(text, "f");
		expect(plain(directives)).toEqual([
			["location", ["/"], [["content_by_lua_block", [], []]]],
			["user", ["a"]],
		]);
		expect(directives[1]?.line).toBe(6);
	});

	it("says where a file is wrong", () => {
		expect(failure("http {\n server {\n")).toBe("f.conf:2: this block does not end: a } is missing");
		expect(failure("a b;\n}\n")).toBe("f.conf:2: a } without a {");
		expect(failure("server {\n listen 80\n}\n")).toMatch(/^f\.conf:2: a ; is missing after listen/);
		expect(failure('a "b;\n')).toBe('f.conf:1: the quote " does not end');
		expect(failure('a\n"b"c;')).toMatch(/^f\.conf:2: after a closing quote/);
		expect(failure(";")).toBe("f.conf:1: a directive was expected before ;");
		expect(failure("a {".repeat(60))).toContain("too deeply");
	});

	it("reads back whatever is written with quotes", () => {
		const word = fc.string({ unit: fc.constantFrom(..."ab/{};#\"'\\$ \n~^"), minLength: 0, maxLength: 8 });
		const quoted = (text: string) => `"${text.replace(/["\\]/g, "\\$&")}"`;
		const tree = fc.letrec<{ directive: Plain; list: Plain[] }>((tie) => ({
			directive: fc.oneof(
				{ maxDepth: 3 },
				fc.tuple(fc.stringMatching(/^[a-z_]{1,8}$/), fc.array(word, { maxLength: 3 })),
				fc.tuple(fc.stringMatching(/^[a-z_]{1,8}$/), fc.array(word, { maxLength: 2 }), tie("list")),
			) as fc.Arbitrary<Plain>,
			list: fc.array(tie("directive"), { maxLength: 4 }),
		}));
		const write = (list: readonly Plain[]): string =>
			list
				.map(([name, args, block]) => {
					const head = [name, ...args.map(quoted)].join(" ");
					return block ? `${head} { # c\n${write(block)}}\n` : `${head};\n`;
				})
				.join("");
		fc.assert(
			fc.property(tree.list, (list) => {
				expect(plain(parse(write(list), "f"))).toEqual(list);
			}),
		);
	});
});
