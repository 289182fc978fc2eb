/** What can be wrong with the host's name. */
import type { Causes } from "../cause.ts";
import type { DnsFacts } from "../steps/dns.ts";

const none = ({ addresses }: DnsFacts): boolean => addresses.length === 0;

export const DNS_CAUSES: Causes<DnsFacts> = {
	groups: [
		[
			{
				id: "dns-timeout",
				severity: "problem",
				sign: "the system's resolver gave no answer within --timeout",
				wrong: "The name server does not answer.",
				advice: [
					"Check the network and the name servers of this machine (/etc/resolv.conf); VPNs change them.",
					"--resolve ADDRESS goes on without asking.",
				],
				matches: (facts) => none(facts) && facts.timedOut,
			},
			{
				id: "dns-no-answer",
				severity: "problem",
				sign: "EAI_AGAIN from the resolver",
				wrong: "The name server could not be reached, or could not answer now.",
				advice: [
					"Check the network and the name servers of this machine (/etc/resolv.conf), then try again.",
					"--resolve ADDRESS goes on without asking.",
				],
				matches: (facts) => none(facts) && facts.error === "EAI_AGAIN",
			},
			{
				id: "dns-no-family",
				severity: "problem",
				sign: "no address of the family that -4 or -6 asks for",
				wrong: "The host has no address of the wanted family.",
				advice: [
					"Leave -4 or -6 out to see which addresses it has; add an A or AAAA record if both are meant to work.",
				],
				matches: (facts) => none(facts) && facts.family !== 0,
			},
			{
				id: "dns-not-found",
				severity: "problem",
				sign: "ENOTFOUND from the resolver",
				wrong: "There is no host of this name.",
				advice: [
					"Check the spelling, and whether the record exists and is visible from this network (internal names are not outside).",
					"In Kubernetes and Compose a service's name works only inside: use the full name, or run the doctor there.",
					"A record that is new may not have arrived: --resolve ADDRESS goes on without asking.",
				],
				matches: none,
			},
		],
	],
};
