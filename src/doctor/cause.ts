/** What a cause of trouble is: an entry of a table, by which a step is judged and the reference is written. */

/** `problem`: clients fail, or will. `warning`: it works from here, and still deserves a look. */
export type Severity = "problem" | "warning";

/** One thing that can be wrong with a step whose facts are `F`. */
export interface Cause<F> {
	/** Unique among all steps; scripts read it. */
	readonly id: string;
	readonly severity: Severity;
	/** How it is recognised, for the reference. */
	readonly sign: string;
	/** What is wrong. */
	readonly wrong: string;
	/** What to do, the likeliest first. */
	readonly advice: readonly string[];
	matches(facts: F): boolean;
	/** Further advice that only these facts allow; it comes first. */
	more?(facts: F): readonly string[];
}

/** The causes of one step. */
export interface Causes<F> {
	/** Each group is a question of its own; in a group the first cause that matches is the answer. */
	readonly groups: readonly (readonly Cause<F>[])[];
	/** Considered only when no group found a problem. */
	readonly otherwise?: Cause<F>;
}

/** A cause that was recognised. */
export interface Finding {
	readonly cause: string;
	readonly severity: Severity;
	readonly wrong: string;
	readonly advice: readonly string[];
}

/** Every cause of the table that the facts show. */
export function judge<F>(causes: Causes<F>, facts: F): Finding[] {
	const found: Finding[] = [];
	for (const group of causes.groups) {
		const cause = group.find((each) => each.matches(facts));
		if (cause) found.push(finding(cause, facts));
	}
	const { otherwise } = causes;
	if (otherwise?.matches(facts) && !found.some(({ severity }) => severity === "problem")) {
		found.push(finding(otherwise, facts));
	}
	return found;
}

function finding<F>(cause: Cause<F>, facts: F): Finding {
	const { id, severity, wrong, advice } = cause;
	return { cause: id, severity, wrong, advice: [...(cause.more?.(facts) ?? []), ...advice] };
}
