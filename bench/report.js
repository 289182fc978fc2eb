// Medians and a table with ratios.
export function median(list) {
	const sorted = [...list].sort((a, b) => a - b);
	const middle = sorted.length >> 1;
	return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Markdown: a row for each measurement, a column for each peer with its value and Clawgate's ratio to it. */
export function table(machine, results) {
	const peers = [...new Set(Object.values(results).flatMap(({ peers }) => Object.keys(peers)))];
	const others = peers.filter((name) => name !== "clawgate");
	const lines = [
		`${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}, Node ${machine.node}, medians of ${machine.runs}.`,
		"A peer's column has its value, then Clawgate's as a multiple of it.",
		"",
		`| | clawgate | ${others.join(" | ")} |`,
		`|---|---|${others.map(() => "---").join("|")}|`,
	];
	for (const { title, unit, peers } of Object.values(results)) {
		const own = peers.clawgate;
		const cells = others.map((name) => {
			const value = peers[name];
			if (value === undefined) return "";
			return own === undefined ? value.toFixed(2) : `${value.toFixed(2)} (${(own / value).toFixed(2)}×)`;
		});
		lines.push(`| ${title}, ${unit} | ${own === undefined ? "" : own.toFixed(2)} | ${cells.join(" | ")} |`);
	}
	return lines.join("\n");
}
