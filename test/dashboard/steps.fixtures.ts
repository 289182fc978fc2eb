/** What the person on call does, step by step, against a live gateway. */
import type { Page } from "playwright-core";
import { expect } from "vitest";
import { dedent } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { expectAccessible, screenshot } from "./browser.fixtures.ts";
import type { Stage } from "./stage.fixtures.ts";

const formatted = (count: number): string => count.toLocaleString("en");

/** Follows a link of the navigation. */
export async function visit(page: Page, view: string): Promise<void> {
	await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: view, exact: true }).click();
	await page.getByRole("heading", { level: 1, name: view }).waitFor({ state: "attached" });
}

export async function seeOverview(page: Page, { clients, gateway }: Stage): Promise<void> {
	await page.getByRole("heading", { name: "Where they are" }).waitFor();
	await page
		.locator(".tile", { hasText: "Connections" })
		.getByText(formatted(clients.length), { exact: true })
		.waitFor();
	// What happened before the page was opened is there at once.
	await page
		.getByRole("region", { name: "Why connections closed" })
		.first()
		.getByText(/^[\d,]*[1-9][\d,]* in 15 min$/)
		.waitFor();
	const rejected = gateway.lines.of("ws.reject").length;
	expect(rejected).toBeGreaterThanOrEqual(16);
	await page
		.getByRole("region", { name: "Refused handshakes" })
		.first()
		.getByText(`${formatted(rejected)} in 15 min`)
		.waitFor();
	await page.getByRole("cell", { name: "ORIGIN_DENIED" }).waitFor();
	await page.getByRole("cell", { name: "1000 normal" }).first().waitFor();
	await page.getByText(/feed, endpoint 127\.0\.0\.1:9: unhealthy/).waitFor();
	const moment = page.getByRole("slider", { name: "Connections: moment" });
	await until(
		async () => (await moment.getAttribute("aria-valuetext"))?.includes(`open ${formatted(clients.length)}`),
		{
			timeout: 15_000,
			what: "the chart to show the open connections",
		},
	);
	await moment.focus();
	const latest = await moment.getAttribute("aria-valuenow");
	await page.keyboard.press("ArrowLeft");
	expect(Number(await moment.getAttribute("aria-valuenow"))).toBe(Number(latest) - 1);
	await moment.blur();
	await expectAccessible(page, "the overview");
	await page.getByRole("button", { name: "5 min", exact: true }).click();
	await page.getByText("in 5 min").first().waitFor();
	await screenshot(page, "dashboard-overview");
}

export async function seeRoutes(page: Page, { backends }: Stage): Promise<void> {
	await visit(page, "Routes");
	await page.getByRole("rowheader", { name: "members" }).waitFor();
	await page.getByRole("heading", { name: "Upstream feed" }).waitFor();
	await page.getByRole("row", { name: /127\.0\.0\.1:9 .*unhealthy/ }).waitFor();
	await page.getByRole("row", { name: /127\.0\.0\.1:8 .*in maintenance/ }).waitFor();
	await expectAccessible(page, "the routes");
	await screenshot(page, "dashboard-routes");

	const [, , third] = backends;
	await page.getByRole("button", { name: `Change ${third?.id}…` }).click();
	const dialog = page.getByRole("dialog", { name: `Change ${third?.id}` });
	await dialog.getByRole("radio", { name: /^maint/ }).check();
	await dialog.getByRole("spinbutton", { name: "Weight" }).fill("3");
	await expectAccessible(page, "the dialog of an endpoint");
	await dialog.getByRole("button", { name: "Change", exact: true }).click();
	await page.getByText(`${third?.id} is maint with weight 3.`).waitFor();
	await page.getByRole("button", { name: `Change ${third?.id}…` }).click();
	await dialog.getByRole("button", { name: "Back to what the file says" }).click();
	await page.getByText(`${third?.id} is ready with weight 1.`).waitFor();
	// The focus is where it was.
	await until(() => page.evaluate(`document.activeElement?.getAttribute("aria-label") === "Change ${third?.id}…"`), {
		what: "the focus back on the button",
	});
}

export async function seeConnections(page: Page, stage: Stage): Promise<void> {
	const all = stage.clients.filter(({ closed }) => !closed).length;
	await visit(page, "Connections");
	await page.getByRole("heading", { name: `${formatted(all)} connections` }).waitFor();
	await page.getByRole("button", { name: "Messages out" }).click();
	await page.locator("th[aria-sort=descending]", { hasText: "Messages out" }).waitFor();
	stage.chatter();
	await page.getByText(`1–50 of ${formatted(all)}`).waitFor();
	await page.getByRole("button", { name: "Next page" }).click();
	await page.getByText(`51–100 of ${formatted(all)}`).waitFor();
	await page.getByRole("button", { name: "Last page" }).click();
	await page.getByText(new RegExp(`–${formatted(all)} of ${formatted(all)}$`)).waitFor();
	await page.getByRole("combobox", { name: "Rows" }).selectOption("250");
	await until(async () => (await page.locator(".connection-table tbody tr").count()) === Math.min(250, all), {
		what: "a page of 250 rows",
	});
	await page.getByRole("combobox", { name: "Rows" }).selectOption("50");
	await page.getByLabel("Route", { exact: true }).selectOption("members");
	await page.getByText("ada@example.com").first().waitFor();
	await page.evaluate("scrollTo(0, 0)");
	await expectAccessible(page, "the connections");
	await screenshot(page, "dashboard-connections", 0, 700);
	await page.getByLabel("Client address").fill("127.0.0.0/99");
	await page.getByRole("alert").getByText("client_ip: expected an address or a range").waitFor();
}

export async function seeDetails(page: Page): Promise<void> {
	await page.goto(`${page.url().split("#")[0]}#/connections?route=members`);
	await page.locator(".connection-table tbody tr").first().getByRole("button").click();
	const drawer = page.getByRole("dialog", { name: /^Connection of 127\.0\./ });
	await drawer.getByText("example-client/").waitFor();
	for (const fact of ["members", "ada@example.com", "chat.v", "public", "/s on average"]) {
		await drawer.getByText(fact).first().waitFor();
	}
	await drawer.getByText(/client \d.* ms, backend \d.* ms/).waitFor();
	await expectAccessible(page, "the details");
	await screenshot(page, "dashboard-details", 0, 740);
	await page.keyboard.press("Escape");
	await drawer.waitFor({ state: "detached" });
}

/** Selects some rows of one route and closes them; their clients are told the code and the reason. */
export async function closeSelection(page: Page, { clients }: Stage): Promise<void> {
	await page.goto(`${page.url().split("#")[0]}#/connections?route=members`);
	const before = clients.filter(({ closed }) => closed).length;
	await page.getByRole("button", { name: "Live" }).waitFor();
	const boxes = page.locator(".connection-table tbody tr").getByRole("checkbox");
	await boxes.first().waitFor();
	for (const index of [0, 2, 3]) await boxes.nth(index).check();
	await page.getByText("3 selected").waitFor();
	await page.getByRole("button", { name: "Close selected…" }).click();
	const dialog = page.getByRole("dialog", { name: "Close 3 connections?" });
	await dialog.getByLabel("Close code").selectOption("own");
	await dialog.getByLabel("Code", { exact: true }).fill("4321");
	await dialog.getByLabel("Reason for the clients").fill("your sessions were moved");
	await expectAccessible(page, "the dialog of a close");
	await screenshot(page, "dashboard-close", 150, 720);
	await dialog.getByRole("button", { name: "Close 3 connections" }).click();
	await page.getByText("3 connections closed with 4321.").waitFor();
	await until(() => clients.filter(({ closed }) => closed).length === before + 3, {
		what: "three clients to be closed",
	});
	const told = clients.filter(({ closed }) => closed?.code === 4321);
	expect(told.map(({ closed }) => closed?.reason)).toEqual(new Array(3).fill("your sessions were moved"));
	expect(told.every(({ socket }) => socket.url.includes("/members/"))).toBe(true);
}

/** Drains an endpoint and watches it to its end. */
export async function watchDrain(page: Page, { clients, backends, gateway }: Stage): Promise<void> {
	const endpoint = backends[0]?.id as string;
	await visit(page, "Routes");
	await page.getByRole("button", { name: `Drain ${endpoint}…` }).click();
	const dialog = page.getByRole("dialog", { name: /^Drain upstream chat, endpoint/ });
	await dialog.getByLabel("Spread over").fill("6s");
	await dialog.getByLabel("Reason for the clients").fill("moving house");
	await expectAccessible(page, "the dialog of a drain");
	await dialog.getByRole("button", { name: "Start the drain" }).click();
	await page.getByRole("heading", { level: 1, name: "Drains" }).waitFor();
	const item = page.locator(".drain", { hasText: endpoint });
	await item.getByText("running").waitFor();
	const seen = new Set<number>();
	let pictured = false;
	await until(
		async () => {
			const percent = Number(/\((\d+) %\)/.exec((await item.textContent()) ?? "")?.[1]);
			seen.add(percent);
			if (!pictured && percent >= 30) {
				pictured = true;
				await screenshot(page, "dashboard-drain", 0, 460);
				await expectAccessible(page, "the drains");
			}
			return percent === 100;
		},
		{ timeout: 40_000, what: `the drain to end; seen so far: ${[...seen]}` },
	);
	await item.getByText("done").waitFor();
	expect([...seen].filter((percent) => percent > 0 && percent < 100).length).toBeGreaterThanOrEqual(2);
	const drained = clients.filter(({ closed }) => closed?.reason === "moving house");
	expect(drained.length).toBeGreaterThan(0);
	expect(new Set(drained.map(({ closed }) => closed?.code))).toEqual(new Set([1001]));
	await gateway.lines.waitFor("drain.end", 5_000);
}

/** A file with mistakes is refused with their places; the right one is taken afterwards. */
export async function reloadBadly(page: Page, { gateway, yaml }: Stage): Promise<void> {
	await visit(page, "Configuration");
	await page.getByText("self_signed: [chat.example.com]").waitFor();
	expect(await page.locator("main").textContent()).not.toContain("0123456789abcdef");
	const bad = yaml
		.replace("upstream: legacy", "upstream: legasy")
		.replace("policy: least_connections", "policy: fewest");
	gateway.write(bad);
	const lineOf = (part: string) =>
		dedent(bad)
			.split("\n")
			.findIndex((line) => line.includes(part)) + 1;
	await page.getByRole("button", { name: "Reload now" }).click();
	await page.getByText("Rejected: the running configuration stays.").waitFor();
	const rows = page.locator(".problems tbody tr");
	await rows.filter({ hasText: `routes.yaml, line ${lineOf("fewest")}, column` }).waitFor();
	const dangling = rows.filter({ hasText: `routes.yaml, line ${lineOf("legasy")}, column` });
	expect(await dangling.textContent()).toContain("legasy");
	await expectAccessible(page, "the configuration");
	await screenshot(page, "dashboard-reload");
	await visit(page, "Overview");
	await page.getByText(/The configuration on disk was rejected/).waitFor();
	await visit(page, "Configuration");
	gateway.write(yaml);
	await page.getByRole("button", { name: "Reload now" }).click();
	await page.getByText(/Nothing has changed|is in force/).waitFor();
	await page.getByRole("searchbox", { name: "Search" }).fill("least_connections");
	await page.getByText("1 line", { exact: true }).waitFor();
}

export async function seeEvents(page: Page, stage: Stage): Promise<void> {
	await visit(page, "Events");
	await page.getByText("Live", { exact: true }).waitFor();
	await stage.refuse(4);
	await page
		.getByRole("row", { name: /ws\.reject .*ORIGIN_DENIED/ })
		.first()
		.waitFor();
	await page
		.getByRole("row", { name: /ws\.close/ })
		.first()
		.waitFor();
	await expectAccessible(page, "the events");
	await screenshot(page, "dashboard-events", 0, 760);
	await page.getByRole("checkbox", { name: "Closes" }).uncheck();
	await until(async () => (await page.getByRole("row", { name: /ws\.close/ }).count()) === 0, { what: "no closes" });
	expect(await page.locator("tbody tr").count()).toBeLessThanOrEqual(500);
}

/** Every view in a theme: nothing serious for axe, which checks contrast too. */
export async function seeTheme(page: Page, theme: "dark" | "light"): Promise<void> {
	await page.getByRole("combobox", { name: "Colours" }).selectOption(theme);
	const paper = await page.evaluate("getComputedStyle(document.documentElement).backgroundColor");
	expect(paper).toBe(theme === "dark" ? "rgb(20, 23, 26)" : "rgb(246, 247, 248)");
	for (const view of ["Overview", "Routes", "Hubs", "Connections", "Drains", "Configuration", "Events"]) {
		await visit(page, view);
		await page.locator("main .panel").first().waitFor();
		await expectAccessible(page, `${view}, ${theme}`);
		if (theme === "dark" && (view === "Overview" || view === "Connections")) {
			await screenshot(page, `dashboard-${view.toLowerCase()}-dark`, 0, 700);
		}
	}
}

/** Nothing is wider than a phone but what scrolls by itself. */
export async function seePhone(page: Page): Promise<void> {
	await page.setViewportSize({ width: 390, height: 844 });
	for (const view of ["Overview", "Routes", "Hubs", "Connections", "Drains", "Configuration", "Events"]) {
		await visit(page, view);
		await page.locator("main .panel").first().waitFor();
		expect(await page.evaluate("document.documentElement.scrollWidth"), `width of ${view}`).toBeLessThanOrEqual(390);
		await expectAccessible(page, `${view} on a phone`);
		if (view === "Overview" || view === "Connections") await screenshot(page, `dashboard-${view.toLowerCase()}-phone`);
	}
	await page.setViewportSize({ width: 1320, height: 860 });
}
