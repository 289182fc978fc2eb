/** `client_auth` and `client_ca` need each other, `client_crl` needs both; a mode needs a unix socket; PROXY headers in front of TLS need a TCP address. */
import { isMap, mapsAt } from "../values-at.ts";
import type { Check } from "./check.ts";

export const clientAuth: Check = ({ data, source }) => [
	...mapsAt(data, "listeners.*.tls").flatMap(({ path, value: { client_auth, client_ca } }) => {
		const asks = client_auth === "request" || client_auth === "require";
		if (asks && client_ca === undefined) {
			return [
				source.problem([...path, "client_auth"], "needs client_ca: the authorities of the clients' certificates"),
			];
		}
		if (client_ca !== undefined && client_auth === undefined) {
			const words = "client_ca is no use without client_auth: request or require";
			return [source.problem([...path, "client_ca"], words, { onKey: true })];
		}
		return [];
	}),
	...mapsAt(data, "listeners.*").flatMap(({ path, value: { address, tls, client_crl, socket_mode } }) => {
		const problems = [];
		if (client_crl !== undefined && !(isMap(tls) && tls.client_ca !== undefined)) {
			const words = "client_crl is no use without tls.client_ca, whose certificates it revokes";
			problems.push(source.problem([...path, "client_crl"], words, { onKey: true }));
		}
		if (socket_mode !== undefined && !(typeof address === "string" && address.startsWith("unix:"))) {
			const words = "has no effect: only a unix: address has a file";
			problems.push(source.problem([...path, "socket_mode"], words, { severity: "warning" }));
		}
		return problems;
	}),
	...mapsAt(data, "listeners.*").flatMap(({ path, value: { address, tls, proxy_protocol } }) => {
		const unix = typeof address === "string" && address.startsWith("unix:");
		if (!unix || tls === undefined || proxy_protocol === undefined) return [];
		const words = "proxy_protocol and tls together need a TCP address; leave tls to the process in front of the socket";
		return [source.problem([...path, "proxy_protocol"], words, { onKey: true })];
	}),
];
