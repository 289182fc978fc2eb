/** Reads a stream of server-sent events (HTML standard, "Interpreting an event stream"), whatever its chunks are. */

export interface ServerSentEvent {
	readonly id: string;
	readonly event: string;
	readonly data: string;
}

/** A line that is longer is not one of ours. */
const MAX_LINE = 1024 * 1024;

export class ServerSentEventReader {
	#rest = "";
	#id = "";
	#event = "";
	#data: string[] = [];

	/**
	 * Takes text as it comes, and returns the events that it completes.
	 * @throws RangeError when a line does not end
	 */
	push(text: string): ServerSentEvent[] {
		const lines = (this.#rest + text).split("\n");
		this.#rest = lines.pop() ?? "";
		if (this.#rest.length > MAX_LINE) throw new RangeError("a line of the event stream is too long");
		const events: ServerSentEvent[] = [];
		for (const line of lines) {
			const event = this.#line(line.endsWith("\r") ? line.slice(0, -1) : line);
			if (event) events.push(event);
		}
		return events;
	}

	#line(line: string): ServerSentEvent | undefined {
		if (line === "") return this.#dispatch();
		const colon = line.indexOf(":");
		const field = colon < 0 ? line : line.slice(0, colon);
		const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
		if (field === "id") this.#id = value;
		else if (field === "event") this.#event = value;
		else if (field === "data") this.#data.push(value);
		// Comments (no field name) and what is not known are left out.
		return undefined;
	}

	#dispatch(): ServerSentEvent | undefined {
		const event = { id: this.#id, event: this.#event, data: this.#data.join("\n") };
		const empty = this.#data.length === 0;
		this.#event = "";
		this.#data = [];
		return empty ? undefined : event;
	}
}
