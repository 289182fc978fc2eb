/** Who may see it, and what is shown when the gateway goes. */
import { expect, test } from "vitest";
import { until } from "../harness/poll.ts";
import { expectAccessible, startBrowser, watchedPage } from "./browser.fixtures.ts";
import { startStage } from "./stage.fixtures.ts";

test("the page asks for the token, keeps it for the tab, and forgets it at sign-out", { timeout: 60_000 }, async () => {
	const stage = await startStage({ connections: 3, token: "correct-horse" });
	const { page, problems } = await watchedPage(await startBrowser());
	const asked: string[] = [];
	page.on("request", (request) => asked.push(new URL(request.url()).pathname));
	await page.goto(`${stage.admin}#/connections`);
	const token = page.getByLabel("Admin token");
	await token.waitFor();
	await expectAccessible(page, "the login");
	// Nothing was asked in vain.
	expect([asked.filter((path) => path.startsWith("/api")), problems]).toEqual([[], []]);

	await token.fill("wrong");
	await page.getByRole("button", { name: "Sign in" }).click();
	await page.getByRole("alert").getByText("did not take this token").waitFor();
	await expectAccessible(page, "the login after a wrong token");
	expect(problems.splice(0).every((problem) => /401/.test(problem))).toBe(true);

	await token.fill("correct-horse");
	await page.keyboard.press("Enter");
	await page.getByRole("heading", { name: "3 connections" }).waitFor();
	expect(await page.evaluate("JSON.stringify(localStorage)")).not.toContain("horse");
	expect(page.url()).not.toContain("horse");
	await page.reload();
	await page.getByRole("heading", { name: "3 connections" }).waitFor();
	// The stream of events has it too, though an EventSource could not send it.
	await page.getByRole("link", { name: "Events" }).click();
	await page
		.getByRole("row", { name: /ws\.open/ })
		.first()
		.waitFor();
	expect(problems).toEqual([]);

	await page.getByRole("button", { name: "Sign out" }).click();
	await token.waitFor();
	expect(await page.evaluate("sessionStorage.length")).toBe(0);
	await page.reload();
	await token.waitFor();
	expect(problems).toEqual([]);
});

test("the keyboard gets everywhere: to the content, through the views, into a row and out of it", {
	timeout: 60_000,
}, async () => {
	const stage = await startStage({ connections: 5 });
	const { page, problems } = await watchedPage(await startBrowser());
	const focused = () => page.evaluate("document.activeElement?.textContent?.trim() ?? ''") as Promise<string>;
	await page.goto(stage.admin);
	await page.getByRole("heading", { name: "Where they are" }).waitFor();
	await page.keyboard.press("Tab");
	expect(await focused()).toBe("Skip to the content");
	await page.keyboard.press("Enter");
	expect(await page.evaluate("document.activeElement?.tagName")).toBe("MAIN");
	expect(page.url()).toBe(stage.admin);

	await page.getByRole("link", { name: "Connections", exact: true }).focus();
	await page.keyboard.press("Enter");
	await page.getByRole("heading", { name: "5 connections" }).waitFor();
	// Who came here by a link goes on reading here.
	await until(() => page.evaluate("document.activeElement?.tagName === 'MAIN'"), { what: "the focus in the content" });
	const first = page.locator(".connection-table tbody tr").first().getByRole("button");
	await first.focus();
	await page.keyboard.press("Enter");
	const drawer = page.getByRole("dialog");
	await drawer.getByText("Answers a ping in").waitFor();
	// The focus stays in the dialog.
	for (let i = 0; i < 8; i++) {
		await page.keyboard.press("Tab");
		expect(
			await page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')"),
		).toBe(true);
	}
	await page.keyboard.press("Escape");
	await drawer.waitFor({ state: "detached" });
	expect(await page.evaluate("document.activeElement?.title")).toBe("Details");
	expect(problems).toEqual([]);
});

test("a connection that closes while it is looked at says so, without an error", { timeout: 60_000 }, async () => {
	const stage = await startStage({ connections: 2 });
	const { page, problems } = await watchedPage(await startBrowser());
	const { connection_id } = await stage.gateway.lines.waitFor("ws.open", 5_000);
	await page.goto(`${stage.admin}#/connections?id=${connection_id}`);
	await page.getByText("Answers a ping in").waitFor();
	for (const { socket } of stage.clients) socket.close(1000);
	await page.getByText("This connection is not open any more.").waitFor();
	expect(problems).toEqual([]);
});

test("a gateway that goes away is told, and what was known stays", { timeout: 60_000 }, async () => {
	const stage = await startStage({ connections: 4 });
	const { page } = await watchedPage(await startBrowser());
	await page.goto(stage.admin);
	await page.getByText("4 open").waitFor();
	await stage.gateway.handle.stop({ immediately: true });
	await page
		.getByRole("alert")
		.getByText(/No answer from the gateway since/)
		.waitFor();
	await page.getByRole("heading", { name: "Where they are" }).waitFor();
	await expectAccessible(page, "the page without a gateway");
});

test("a mistake that a screen reader would stumble over is found by these tests", { timeout: 60_000 }, async () => {
	const stage = await startStage({ connections: 0 });
	const { page } = await watchedPage(await startBrowser());
	await page.goto(stage.admin);
	await page.getByRole("heading", { name: "Where they are" }).waitFor();
	await page.evaluate('document.querySelector("main").append(document.createElement("button"))');
	await expect(expectAccessible(page, "a button without a name")).rejects.toThrow(/button-name/);
});
