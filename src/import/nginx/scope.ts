/** Inheritance: what holds inside a block that is inside other blocks. */
import type { Directive } from "./directive.ts";

/** A block with those around it: http, server, location, nested location, if. */
export class Scope {
	readonly directives: readonly Directive[];
	readonly parent: Scope | undefined;

	constructor(directives: readonly Directive[], parent?: Scope) {
		this.directives = directives;
		this.parent = parent;
	}

	/** Those of this block itself. */
	own(name: string): Directive[] {
		return this.directives.filter((directive) => directive.name === name);
	}

	/** Those of the nearest block that has any: a list is inherited as a whole or not at all. */
	all(name: string): Directive[] {
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
