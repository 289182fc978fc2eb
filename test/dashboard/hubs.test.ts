/** The page "Hubs": topics, one of them live, publishing by hand, and why something did not reach a user. */
import { expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { startTestGateway } from "../harness/gateway.ts";
import { rawToken, SECRET } from "../harness/tokens.ts";
import { expectAccessible, screenshot, startBrowser, watchedPage } from "./browser.fixtures.ts";

test("shows topics by subscribers, one of them live, and tells why something did not reach a user", {
	timeout: 90_000,
}, async () => {
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		admin: { address: "127.0.0.1:0" }
		hubs:
			ratings:
				topics:
					- { match: "rating.game.{game}", subscribe: authenticated, history: { size: 100, ttl: 5m }, presence: true }
					- { match: "chat.{room}", subscribe: { claims: { rooms: "{room}" } }, publish: { claims: { rooms: "{room}" } }, slow: latest }
			news:
				topics: [{ match: "news.**", subscribe: anyone }]
		routes:
			- { name: live, match: { path: /live }, hub: { name: ratings, protocol: plain }, auth: { jwt: { secret: "${SECRET}", from: [{ query: token }] } } }
			- { name: news, match: { path: /news }, hub: { name: news, protocol: plain } }
	`);
	const admin = `http://127.0.0.1:${gateway.handle.adminPort}/`;
	for (const [index, user] of ["alice", "bob", "carol"].entries()) {
		const topics = ["rating.game.42", "rating.game.7", "chat.lobby"].slice(0, 3 - index);
		await connect(gateway.url("/live"), user, [...topics, ...(user === "carol" ? ["chat.secret"] : [])]);
	}
	const { page, problems } = await watchedPage(await startBrowser());
	await page.goto(`${admin}#/routes`);
	await page.getByRole("row", { name: /live .*hub ratings/ }).waitFor();
	await page.getByRole("link", { name: "Hubs", exact: true }).click();
	await page.getByRole("heading", { name: "Hub ratings" }).waitFor();
	await page.getByText("3 connections · 3 topics").waitFor();
	const topics = page.getByRole("region", { name: "Topics", exact: true }).last();
	await topics.getByRole("link", { name: "chat.lobby" }).waitFor();
	expect(await topics.getByRole("rowheader").allTextContents()).toEqual([
		"rating.game.42",
		"rating.game.7",
		"chat.lobby",
	]);
	await page.getByLabel("Begins with").fill("rating.");
	await topics.getByRole("link", { name: "chat.lobby" }).waitFor({ state: "detached" });

	await topics.getByRole("link", { name: "rating.game.42" }).click();
	const topic = page.getByRole("region", { name: "Topic rating.game.42" });
	await topic.getByText("3 connections of 3 users").waitFor();
	const data = topic.getByLabel("Publish (JSON)");
	await data.fill("hello");
	await topic.getByRole("button", { name: "Publish" }).click();
	await topic.getByText("This is not JSON.").waitFor();
	await data.fill('{"rating": 1510}');
	await page.keyboard.press("Enter");
	await page.getByText("Published as number 1 to 3 subscribers.").waitFor();
	await topic.getByRole("cell", { name: '{"rating":1510}' }).waitFor();
	await topic.getByText("stands at 1 of epoch").waitFor();

	await page.getByRole("textbox", { name: "User" }).fill("carol");
	await page.getByText("has 1 open connection and follows 1 topic").waitFor();
	await page.getByRole("row", { name: /refused to subscribe chat\.secret 1 PERMISSION_DENIED/ }).waitFor();
	await page.getByLabel("Only this topic").fill("chat.secret");
	await page.getByText("the topic's rule does not let it subscribe").waitFor();
	await expectAccessible(page, "the hubs");
	await screenshot(page, "dashboard-hubs");
	await page.setViewportSize({ width: 390, height: 844 });
	expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(390);
	await expectAccessible(page, "the hubs on a phone");
	await page.setViewportSize({ width: 1320, height: 860 });

	await page.getByRole("link", { name: "news", exact: true }).click();
	await page.getByText("Nobody follows such a topic now.").waitFor();
	expect(problems).toEqual([]);
});

/** A client that asks for topics; resolves when each is answered. */
async function connect(url: string, user: string, topics: readonly string[]): Promise<void> {
	const ws = new WebSocket(`${url}?token=${rawToken({ alg: "HS256" }, { sub: user, rooms: ["lobby"] }, SECRET)}`);
	onTestFinished(() => ws.terminate());
	await new Promise<void>((resolve, reject) => {
		let answers = 0;
		ws.once("error", reject);
		ws.on("message", (message) => {
			const { type } = JSON.parse(String(message)) as { type: string };
			if (type === "connection_success")
				for (const topic of topics) ws.send(JSON.stringify({ action: "subscribe", topic }));
			else if (++answers === topics.length) resolve();
		});
	});
}
