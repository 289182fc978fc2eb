/** What can be wrong with the TCP connection. */
import type { Causes } from "../cause.ts";
import type { TcpFacts } from "../steps/tcp.ts";

const connected = ({ attempts }: TcpFacts): boolean => attempts.some(({ outcome }) => outcome === "connected");

/** No address accepts, and at least one failed like this; how the others failed says less. */
const failed =
	(...outcomes: string[]) =>
	(facts: TcpFacts): boolean =>
		!connected(facts) && facts.attempts.some(({ outcome }) => outcomes.includes(outcome));

export const TCP_CAUSES: Causes<TcpFacts> = {
	groups: [
		[
			{
				id: "tcp-refused",
				severity: "problem",
				sign: "ECONNREFUSED: the host answers with a reset",
				wrong: "Nothing listens on this port.",
				advice: [
					"Check the port, and that the server runs: `ss -ltnp` on its machine lists who listens where.",
					"A server that listens on 127.0.0.1 only is not reachable from outside; in a container it has to listen on 0.0.0.0 and the port has to be published.",
					"Some firewalls refuse like this too.",
				],
				matches: failed("ECONNREFUSED"),
			},
			{
				id: "tcp-timeout",
				severity: "problem",
				sign: "no answer to the SYN within --timeout",
				wrong: "The host does not answer on this port.",
				advice: [
					"A firewall or security group usually drops the packets: allow the port from this network.",
					"Check that the address is right and the machine is up; a server whose accept queue is full looks the same.",
				],
				matches: failed("timeout", "ETIMEDOUT"),
			},
			{
				id: "tcp-unreachable",
				severity: "problem",
				sign: "EHOSTUNREACH, ENETUNREACH or EADDRNOTAVAIL",
				wrong: "There is no way to the host from here.",
				advice: [
					"Check routes and VPN. When only IPv6 fails, this network has none: try -4.",
					"A firewall can answer like this as well.",
				],
				matches: failed("EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL"),
			},
			{
				id: "tcp-reset",
				severity: "problem",
				sign: "ECONNRESET as soon as the connection is made",
				wrong: "The connection is reset as soon as it is made.",
				advice: [
					"A firewall or a load balancer without a healthy server behind it does so; a server that refuses this address, too.",
				],
				matches: failed("ECONNRESET", "EPIPE"),
			},
			{
				id: "tcp-failed",
				severity: "problem",
				sign: "any other error of connect",
				wrong: "The connection could not be made.",
				advice: ["The error's code is in the line of this step; on EACCES or EPERM a local firewall says no."],
				matches: (facts) => !connected(facts),
			},
			{
				id: "tcp-some-addresses",
				severity: "warning",
				sign: "some of the host's addresses accept and others do not",
				wrong: "Not every address of the host accepts: some clients wait, or fail.",
				advice: [
					"Make the server listen on IPv4 and IPv6 (`::` takes both), or take the dead address out of DNS.",
					"With localhost: the server listens on 127.0.0.1 only, or on ::1 only; name the address in the URL.",
				],
				matches: ({ attempts }) => attempts.some(({ outcome }) => outcome !== "connected"),
			},
		],
	],
};
