import { describe, expect, it } from "vitest";
import { LOG_VARIABLES, parseLogTemplate } from "../../../src/config/log-template.ts";
import { problemLines } from "./problem-lines.ts";

const REST = `
listeners: [{ address: ":8080" }]
upstreams: { chat: { endpoints: ["ws://127.0.0.1:7001"] } }
routes: [{ upstream: chat }]
`;

function problems(log: string): string[] {
	return problemLines(`log: ${log}${REST}`);
}

describe("log.template in the configuration", () => {
	it("takes every variable, with and without braces", () => {
		for (const name of LOG_VARIABLES) {
			expect(parseLogTemplate(`a $${name} b`)).toEqual({ parts: ["a ", { variable: name }, " b"], mistakes: [] });
			expect(parseLogTemplate(`\${${name}}b`)).toEqual({ parts: [{ variable: name }, "b"], mistakes: [] });
		}
		expect(new Set(LOG_VARIABLES).size).toBe(LOG_VARIABLES.length);
	});

	it("stands alone, or next to a level", () => {
		expect(problems("{ level: warn, template: '$client_ip $close_code' }")).toEqual([]);
		expect(problems("{ format: nginx }")).toEqual([]);
	});

	it("does not stand next to a format: the second of them is the mistake", () => {
		expect(problems("{ format: json, template: '$client_ip' }")).toEqual([
			"1:22: log.template: template cannot stand next to format: write one of them",
		]);
		expect(problems("{ template: '$client_ip', format: text }")).toEqual([
			"1:32: log.format: format cannot stand next to template: write one of them",
		]);
	});

	it.each([
		["$clinet_ip", "there is no variable $clinet_ip, did you mean $client_ip?"],
		["$body_byte_sent", "there is no variable $body_byte_sent, did you mean $body_bytes_sent?"],
		["$zzz", "there is no variable $zzz; docs/observability.md lists all of them"],
		["$args", "there is no variable $args; query strings, cookies and credentials are never logged"],
		[
			"$cookie_session",
			"there is no variable $cookie_session; query strings, cookies and credentials are never logged",
		],
		[
			"$http_authorization",
			"there is no variable $http_authorization; query strings, cookies and credentials are never logged",
		],
		[
			"$http_x_forwarded_for",
			"there is no variable $http_x_forwarded_for; $client_ip is the address that trusted_proxies and proxy_protocol lead to, $peer_ip who connected",
		],
		["$client_ip $", "a $ needs a variable's name behind it; write $$ for a dollar sign"],
		["$client_ip costs $5", "a $ needs a variable's name behind it; write $$ for a dollar sign"],
		["no variable", "without a variable every line would be the same; $event or $client_ip is a beginning"],
		["", "without a variable every line would be the same; $event or $client_ip is a beginning"],
	])("says what is wrong with %j", (template, message) => {
		expect(problems(`{ template: '${template}' }`)).toEqual([`1:18: log.template: ${message}`]);
	});

	it("reports every mistake at once, and a line break", () => {
		expect(problems('{ template: "$a\\n$b" }')).toHaveLength(3);
	});

	it(`leaves \${NAME} to the environment, and $\${name} to the template`, () => {
		expect(problemLines(`log: { template: '\${LINE}' }${REST}`, { LINE: "$status" })).toEqual([]);
		expect(problems(`{ template: '$\${status}ms' }`)).toEqual([]);
	});
});
