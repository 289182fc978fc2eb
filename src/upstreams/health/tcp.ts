/** `type: tcp`: a connection can be opened, for `wss://` endpoints with its TLS handshake. */
import { hangUp, openProbeSocket, type Probe } from "./probe.ts";

export const tcp: Probe = async (target, signal) => {
	hangUp(await openProbeSocket(target, signal));
	return "connected";
};
