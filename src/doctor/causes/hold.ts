/** What can be wrong while the connection is kept. */
import type { Causes } from "../cause.ts";
import { idleLimitAt } from "../idle-limits.ts";
import type { HoldFacts } from "../steps/hold.ts";
import { duration } from "../words.ts";
import { BAD_FRAMES, closedWith, ends } from "./frames.ts";

const idle = (facts: HoldFacts): readonly string[] => {
	const habit = idleLimitAt(facts.idle);
	const every = Math.max(1, Math.floor(facts.idle / 2_000));
	return [
		...(facts.server?.idle === undefined ? [] : [facts.server.idle]),
		...(habit === undefined ? [] : [`About ${habit.seconds} s is the idle time of ${habit.who}.`]),
		`Send a Ping at least every ${every} s (Clawgate: \`ping.interval\`); --hold ${Math.ceil((facts.held / 1000) * 2)}s --ping-every ${every}s shows whether that keeps it open.`,
	];
};

export const HOLD_CAUSES: Causes<HoldFacts> = {
	groups: [
		[
			...BAD_FRAMES,
			{
				id: "idle-closed",
				severity: "problem",
				sign: "Close 1000, 1001, 1005, 3008 or 4408 while the connection was kept idle",
				wrong: "The server closes the connection when it is idle.",
				advice: ["Raise the idle time of the server that closed; the Close frame's reason may name it."],
				more: idle,
				matches: (facts) => facts.pingEvery === undefined && closedWith(1000, 1001, 1005, 3008, 4408)(facts),
			},
			{
				id: "idle-cut",
				severity: "problem",
				sign: "FIN or RST without a Close frame while the connection was kept idle",
				wrong: "Something on the way cuts the connection when it is idle; clients see code 1006.",
				advice: ["Raise the idle time of every proxy and load balancer on the way above the interval of the Pings."],
				more: idle,
				matches: (facts) => facts.pingEvery === undefined && ends("fin", "reset")(facts),
			},
			{
				id: "idle-forgotten",
				severity: "problem",
				sign: "a Ping after the idle time has no Pong",
				wrong: "The connection was forgotten while it was idle, without a word to either side.",
				advice: [
					"A firewall, NAT or load balancer on the way dropped its entry: send Pings more often than it forgets, and raise its idle time.",
				],
				more: idle,
				matches: (facts) => facts.pingEvery === undefined && facts.unanswered,
			},
			{
				id: "ended-while-held",
				severity: "problem",
				sign: "any other end while the connection was kept: despite Pings, or with another code",
				wrong: "The connection ends, and not because it was idle.",
				advice: [
					"A maximum life: of the token (Clawgate: 4401), of a proxy's request (Google Cloud, Envoy's route timeout), or of the application, which may want messages and not Pings.",
					"Close 1011 or 1014 from a gateway: the path behind it was cut, perhaps for being idle; run the doctor against the server behind.",
					"Close 1012 or 1013, or a deploy at this moment: try again.",
				],
				more: ({ held }) => [`It lasted ${duration(held)}.`],
				matches: ends("close", "fin", "reset"),
			},
			{
				id: "pings-unanswered",
				severity: "problem",
				sign: "a Ping during the time has no Pong",
				wrong: "The server stopped answering Pings while the connection was kept.",
				advice: [
					"A handler that blocks, a machine that sleeps, or a path that was lost: look at the server at this second.",
				],
				matches: ({ unanswered }) => unanswered,
			},
		],
	],
};
