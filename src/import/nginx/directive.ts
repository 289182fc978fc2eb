/** What an nginx configuration is made of: directives, each with its place. */

/** A place in a configuration file; lines count from 1. */
export interface Place {
	readonly file: string;
	readonly line: number;
}

/** `name arg arg;` or `name arg { … }`. */
export interface Directive extends Place {
	readonly name: string;
	/** Quotes are taken off, escapes resolved as nginx does it. */
	readonly args: readonly string[];
	/** Where the `;` or `}` is. */
	readonly endLine: number;
	/** Only of a block; files that it includes are part of it. */
	readonly block?: readonly Directive[] | undefined;
}

/** The text is not an nginx configuration, or a file of it cannot be read. The message has no place in it. */
export class NginxSyntaxError extends Error {
	override readonly name = "NginxSyntaxError";
	readonly place: Place;

	constructor(place: Place, message: string) {
		super(message);
		this.place = place;
	}
}

/** Arguments of the form `key=value`; one without a value is there with "". */
export function keyValues(args: readonly string[]): Map<string, string> {
	return new Map(
		args.map((arg) => {
			const equals = arg.indexOf("=");
			return equals < 0 ? [arg, ""] : [arg.slice(0, equals), arg.slice(equals + 1)];
		}),
	);
}
