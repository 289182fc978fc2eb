/** Prints one event of a connection as a line of JSON. */
export function report(event) {
	process.stdout.write(`${JSON.stringify(event)}\n`);
}
