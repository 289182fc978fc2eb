// Medians, ratios, bars; what the scale proofs found: node report.js results.json [--write ../docs/performance.md]
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";

export const LIBRARIES = ["httpxy", "http-proxy", "http-proxy-3"];

export function median(list) {
	const sorted = [...list].sort((a, b) => a - b);
	const middle = sorted.length >> 1;
	return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** A test's median for each peer, with how many runs it stands on. What is `added` is compared round by round. */
function medians({ samples, added }) {
	const direct = new Map((samples.direct ?? []).map(({ round, value }) => [round, value]));
	const peers = {};
	for (const [name, list] of Object.entries(samples)) {
		if (!added || name === "direct") peers[name] = { value: median(list.map(({ value }) => value)), runs: list.length };
		else {
			const pairs = list.filter(({ round }) => direct.has(round));
			if (pairs.length > 0) peers[name] = { value: median(pairs.map(({ round, value }) => value - direct.get(round))), runs: pairs.length };
		}
	}
	return peers;
}

/** Each bar of a test with what was measured. */
function bars(test, peers, all) {
	return Object.entries(test.bars ?? {}).flatMap(([name, most]) => {
		const known = LIBRARIES.flatMap((library) => peers[library]?.value ?? []);
		const other = name === "library" ? (known.length > 0 ? Math.min(...known) : undefined) : (peers[name] ?? all[name]?.clawgate)?.value;
		if (other === undefined || peers.clawgate === undefined) return [];
		const ratio = peers.clawgate.value / other;
		const words = name === "library" ? "best library" : name;
		return [`${ratio <= most ? "✓" : "✗"} ${ratio.toFixed(2)} of ${most} × ${words}`];
	});
}

const number = (value) => value.toFixed(value < 1 ? 3 : value < 100 ? 1 : 0);

/** Markdown: peers compared, then what only Clawgate was asked. */
export function tables({ machine, tests }) {
	const all = Object.fromEntries(Object.entries(tests).map(([name, test]) => [name, medians(test)]));
	const versions = Object.entries(machine.versions).filter(([, version]) => version !== "");
	const lines = [
		`${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}, Node ${machine.node}; ${versions.map((pair) => pair.join(" ")).join(", ")}.`,
		`Medians of ${machine.runs} runs; (n) where it is fewer. A peer's cell has its value, then Clawgate's as a multiple of it.`,
		"A bar reads: passed or not, what was measured, the most that is allowed.",
		"",
	];
	const compared = Object.entries(tests).filter(([name]) => Object.keys(all[name]).some((peer) => peer !== "clawgate"));
	const alone = Object.entries(tests).filter(([name]) => !compared.some(([other]) => other === name) && all[name].clawgate);
	const cell = (entry) => (entry.runs < machine.runs ? `${number(entry.value)} (${entry.runs})` : number(entry.value));
	if (compared.length > 0) {
		const others = Object.keys(machine.versions).filter((name) => name !== "clawgate" && compared.some(([test]) => all[test][name]));
		lines.push(`| | clawgate | ${others.join(" | ")} | bars |`, `|---|---|${others.map(() => "---").join("|")}|---|`);
		for (const [name, test] of compared) {
			const own = all[name].clawgate;
			const cells = others.map((peer) => {
				const entry = all[name][peer];
				if (entry === undefined) return "";
				// Without a proxy nothing is added: that cell is the round trip itself.
				if (own === undefined || peer === "direct") return cell(entry);
				return `${cell(entry)} · ${(own.value / entry.value).toFixed(2)}×`;
			});
			lines.push(`| ${test.title}, ${test.unit} | ${own ? cell(own) : ""} | ${cells.join(" | ")} | ${bars(test, all[name], all).join("<br>")} |`);
		}
		lines.push("");
	}
	if (alone.length > 0) {
		lines.push("| Clawgate alone | | bars |", "|---|---|---|");
		for (const [name, test] of alone) {
			lines.push(`| ${test.title}, ${test.unit} | ${cell(all[name].clawgate)} | ${bars(test, all[name], all).join("<br>")} |`);
		}
		lines.push("");
	}
	return lines.join("\n");
}

/** Replaces what stands between `<!-- NAME -->` and `<!-- /NAME -->` in a file. */
export function writeBetween(file, name, text) {
	const old = readFileSync(file, "utf8");
	const [start, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
	const [from, to] = [old.indexOf(start), old.indexOf(end)];
	if (from < 0 || to < from) throw new Error(`${file} has no ${start} … ${end}`);
	writeFileSync(file, `${old.slice(0, from + start.length)}\n${text.trim()}\n${old.slice(to)}`);
}

/** What scale/hold.js found. */
function holdTable({ tunnels, workers, open, hold, memoryMiB, memoryBeforeMiB, kibEach, tunnelsOfWorkers, echo, pings, drain, wrong }) {
	return [
		"| | |",
		"|---|---|",
		`| tunnels, workers | ${tunnels}, ${workers}; ${Math.min(...tunnelsOfWorkers)} to ${Math.max(...tunnelsOfWorkers)} on each |`,
		`| opened in | ${open.seconds.toFixed(0)} s, ${open.perSecond.toFixed(0)}/s, ${open.cpuEachUs.toFixed(0)} µs of CPU each |`,
		`| memory of all processes (PSS) | ${memoryMiB.toFixed(0)} MiB, ${memoryBeforeMiB.toFixed(0)} MiB of it before the first tunnel: ${kibEach.toFixed(1)} KiB each |`,
		`| CPU while they are idle, pings included | ${(hold.cpuShare * 100).toFixed(0)} % of a core; ${pings} pings answered by clients |`,
		`| a message through each | ${echo.answered} answered in ${echo.seconds.toFixed(1)} s |`,
		`| drained over ${drain.spread} s | in ${drain.seconds.toFixed(1)} s; ended with ${Object.entries(drain.codes).map(([code, count]) => `${code}: ${count}`).join(", ")} |`,
		`| not as it must be | ${wrong.join("; ") || "nothing"} |`,
	].join("\n");
}

/** What scale/churn.js found. */
function churnTable({ connections, perSecond, rows, lines, fdsBefore, heapGrowth, heapGrowthAllowed, pssGrowth, pssGrowthAllowed, wrong }) {
	const kib = (bytes) => `${Math.round(bytes / 1_024)} KiB`;
	const mib = (bytes) => (bytes / 1_048_576).toFixed(1);
	return [
		`${connections} connections, ${perSecond} a second; ${lines.open} \`ws.open\` and ${lines.close} \`ws.close\` lines; ${fdsBefore} descriptors before, ${rows.at(-1).fds} after.`,
		`Over the second half the heap changed by ${kib(heapGrowth)} (${kib(heapGrowthAllowed)} allowed), PSS by ${kib(pssGrowth)} (${kib(pssGrowthAllowed)} allowed). Not as it must be: ${wrong.join("; ") || "nothing"}.`,
		"",
		"| connections | heap, MiB | PSS, MiB | descriptors | CPU each, µs |",
		"|---|---|---|---|---|",
		...rows.map((row) => `| ${row.connections} | ${mib(row.heap)} | ${mib(row.pss)} | ${row.fds} | ${row.cpuEachUs.toFixed(0)} |`),
	].join("\n");
}

/** What a file of results is, and the place for it in the docs. */
function written(outcome) {
	if ("tunnels" in outcome) return { place: "bench:hold", text: holdTable(outcome) };
	if ("rows" in outcome) return { place: "bench:churn", text: churnTable(outcome) };
	const growth = Object.values(outcome.tests).every(({ group }) => group === "growth");
	return { place: growth ? "bench:growth" : "bench:peers", text: tables(outcome) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const { values, positionals } = parseArgs({ allowPositionals: true, options: { write: { type: "string" } } });
	const { place, text } = written(JSON.parse(readFileSync(positionals[0], "utf8")));
	if (values.write) writeBetween(values.write, place, text);
	else console.log(text);
}
