import { expect, it } from "vitest";
import { formatPath, formatProblem, type Problem, sortProblems } from "../../../src/config/problem.ts";

const problem: Problem = { file: "a.yaml", line: 2, col: 3, path: "routes[0].name", message: "m", severity: "error" };

it("writes a problem as one line with its place, key path and message", () => {
	expect(formatProblem(problem)).toBe("a.yaml:2:3: routes[0].name: m");
});

it("marks a warning at the start of the message", () => {
	expect(formatProblem({ ...problem, severity: "warning" })).toBe("a.yaml:2:3: routes[0].name: warning: m");
});

it("leaves the key path out for the file as a whole", () => {
	expect(formatProblem({ ...problem, path: "" })).toBe("a.yaml:2:3: m");
});

it("writes list indices in brackets and quotes keys with unusual characters", () => {
	expect(formatPath(["routes", 0, "request_headers", "set", "X-A"])).toBe("routes[0].request_headers.set.X-A");
	expect(formatPath(["upstreams", "my chat", "tls"])).toBe('upstreams["my chat"].tls');
	expect(formatPath(["upstreams", "a.b"])).toBe('upstreams["a.b"]');
});

it("sorts by line, then by column, and says the same thing once", () => {
	const places = [
		{ ...problem, line: 10, col: 1 },
		{ ...problem, line: 9, col: 9 },
		{ ...problem, line: 9, col: 2 },
		{ ...problem, line: 9, col: 2 },
	];
	expect(sortProblems(places).map(({ line, col }) => [line, col])).toEqual([
		[9, 2],
		[9, 9],
		[10, 1],
	]);
});
