/** The whole tour through the dashboard, with as many connections as are asked for. */
import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished } from "vitest";
import { until } from "../harness/poll.ts";
import { startBrowser, watchedPage } from "./browser.fixtures.ts";
import { type Stage, startStage } from "./stage.fixtures.ts";
import {
	closeSelection,
	reloadBadly,
	seeConnections,
	seeDetails,
	seeEvents,
	seeOverview,
	seePhone,
	seeRoutes,
	seeTheme,
	watchDrain,
} from "./steps.fixtures.ts";

/**
 * Every view and every action; fails on anything that the browser's console complains about.
 * @param historySeconds so long connections come and go before anybody looks, for charts with something in them
 */
export async function tour(connections: number, historySeconds = 0): Promise<void> {
	const stage = await startStage({ connections: connections + 16 });
	for (const { socket } of stage.clients.splice(connections)) socket.close(1000);
	await stage.refuse(16);
	await past(stage, historySeconds);
	await until(() => stage.gateway.handle.connectionCount() === connections, { what: "all connections to be open" });
	const browser = await startBrowser();
	const { page, problems } = await watchedPage(browser);
	await page.goto(stage.admin);
	const chatter = setInterval(() => stage.chatter(), 1_000);
	onTestFinished(() => clearInterval(chatter));
	await seeOverview(page, stage);
	await seeRoutes(page, stage);
	await seeConnections(page, stage);
	// The question with the wrong address was refused, as it should be; nothing else was.
	expect(problems.splice(0).filter((problem) => !/client_ip=127\.0\.0\.0|status of 400/.test(problem))).toEqual([]);
	await seeDetails(page);
	await closeSelection(page, stage);
	await watchDrain(page, stage);
	await seeEvents(page, stage);
	await seeTheme(page, "dark");
	await seeTheme(page, "light");
	await seePhone(page);
	expect(problems).toEqual([]);
	await reloadBadly(page, stage);
	// A reload that is rejected is answered with 422.
	expect(problems.filter((problem) => !/\/reload 422|status of 422/.test(problem))).toEqual([]);
}

async function past(stage: Stage, seconds: number): Promise<void> {
	for (let second = 0; second < seconds; second++) {
		stage.churn(0.002 + 0.008 * Math.abs(Math.sin(second / 9)));
		await delay(800);
		await stage.mend();
		if (second % 4 === 0) await stage.refuse(4);
		stage.chatter();
	}
}
