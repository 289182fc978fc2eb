/** Which listener a URL leads to. */
import type { ListenerConfig } from "../config/schema.ts";
import { formatAddress } from "../protocol/listen.ts";

export interface ChosenListener {
	readonly listener: ListenerConfig;
	/** What was assumed, when the URL alone does not lead there. */
	readonly note?: string;
}

/** What of the URL decides. */
export interface Destination {
	readonly secure: boolean;
	readonly port: number;
}

/**
 * By name when one is given; otherwise by port. Where no listener has the port, something in front maps it: then it is the
 * first one of the URL's kind, or the first at all (something in front that ends TLS), and the note says so.
 * A text says why there is none.
 */
export function chooseListener(
	listeners: readonly ListenerConfig[],
	{ secure, port }: Destination,
	name?: string,
): ChosenListener | string {
	if (name !== undefined) {
		const named = listeners.find((listener) => listener.name === name);
		if (named) return { listener: named };
		return `there is no listener ${name}; there are ${listeners.map((each) => each.name).join(", ")}`;
	}
	const onPort = listeners.find(({ address }) => address.port === port);
	if (onPort) {
		if ((onPort.tls !== undefined) === secure) return { listener: onPort };
		const [has, asked] = secure
			? ["no TLS: it takes ws:// and http://", "wss"]
			: ["TLS: it takes wss:// and https://", "ws"];
		return `listener ${onPort.name} (${formatAddress(onPort.address)}) has ${has}, not ${asked}://`;
	}
	const listener = listeners.find(({ tls }) => (tls !== undefined) === secure) ?? listeners[0];
	if (!listener) return "there is no listener";
	const tls = secure && !listener.tls ? ", and that TLS ends there" : "";
	return {
		listener,
		note: `no listener has port ${port}; assumed that something in front passes it on to ${formatAddress(listener.address)}${tls}`,
	};
}
