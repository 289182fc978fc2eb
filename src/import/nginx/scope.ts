/** Inheritance: what holds inside a block that is inside other blocks. */
import type { Directive } from "./directive.ts";

/** A block with those around it: http, server, location, nested location, if. */
export class Scope {
	readonly directives: readonly Directive[];
	readonly parent: Scope | undefined;
	/** By name: a server can have thousands of locations, each of which looks up a few dozen names in it. */
	#byName: Map<string, Directive[]> | undefined;

	constructor(directives: readonly Directive[], parent?: Scope) {
		this.directives = directives;
		this.parent = parent;
	}

	/** Those of this block itself. */
	own(name: string): readonly Directive[] {
		this.#byName ??= byName(this.directives);
		return this.#byName.get(name) ?? [];
	}

	/** Those of the nearest block that has any: a list is inherited as a whole or not at all. */
	all(name: string): readonly Directive[] {
		const own = this.own(name);
		return own.length > 0 || this.parent === undefined ? own : this.parent.all(name);
	}

	/** The one that holds. */
	find(name: string): Directive | undefined {
		return this.all(name).at(-1);
	}

	/** The first argument of the one that holds. */
	value(name: string): string | undefined {
		return this.find(name)?.args[0];
	}

	/** Whether a switch is `on`. */
	isOn(name: string): boolean {
		return this.value(name) === "on";
	}
}

function byName(directives: readonly Directive[]): Map<string, Directive[]> {
	const found = new Map<string, Directive[]>();
	for (const directive of directives) {
		const same = found.get(directive.name);
		if (same) same.push(directive);
		else found.set(directive.name, [directive]);
	}
	return found;
}
