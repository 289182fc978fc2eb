/** A real browser that writes down everything that goes wrong in its pages. */
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { expect, onTestFinished } from "vitest";
import { ROOT } from "../harness/child.ts";

const CHROMIUM = "/usr/bin/chromium";
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const IMAGES = `${ROOT}docs/images/`;
const MAX_IMAGE_BYTES = 200 * 1024;

export interface Watched {
	readonly page: Page;
	/** Console errors and warnings, exceptions, failed requests. */
	readonly problems: string[];
}

export async function startBrowser(): Promise<Browser> {
	if (!existsSync(CHROMIUM)) {
		throw new Error(`${CHROMIUM} is missing: install it (Debian, Ubuntu: apt-get install chromium)`);
	}
	const browser = await chromium.launch({
		executablePath: CHROMIUM,
		args: [
			"--no-sandbox",
			"--disable-gpu",
			// Grey text makes pictures half as large.
			"--disable-lcd-text",
			"--disable-quic",
			"--no-first-run",
			"--disable-background-networking",
			"--disable-component-update",
			"--disable-sync",
		],
	});
	onTestFinished(() => browser.close());
	return browser;
}

export async function watchedPage(browser: Browser, options: BrowserContextOptions = {}): Promise<Watched> {
	const context = await browser.newContext({ viewport: { width: 1320, height: 860 }, ...options });
	context.setDefaultTimeout(15_000);
	const page = await context.newPage();
	const problems: string[] = [];
	page.on("request", (request) => {
		// Everything has to work without the internet.
		if (!request.url().startsWith("http://127.0.0.1:")) problems.push(`elsewhere: ${request.url()}`);
	});
	page.on("pageerror", (error) => problems.push(`exception: ${error.message}`));
	page.on("console", (message) => {
		if (["error", "warning"].includes(message.type())) problems.push(`console: ${message.text()}`);
	});
	page.on("requestfailed", (request) => {
		// A view that is left takes its questions back.
		const why = request.failure()?.errorText ?? "";
		if (why !== "net::ERR_ABORTED") problems.push(`request: ${request.url()} ${why}`);
	});
	page.on("response", (response) => {
		if (response.status() >= 400) problems.push(`answer: ${response.url()} ${response.status()}`);
	});
	return { page, problems };
}

interface AxeResult {
	readonly violations: readonly {
		readonly id: string;
		readonly impact: string | null;
		readonly help: string;
		readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
	}[];
}

/** Fails when axe finds something serious or critical on what is shown now. */
export async function expectAccessible(page: Page, what: string): Promise<void> {
	await page.evaluate(`${AXE}; undefined`);
	const { violations } = (await page.evaluate(
		'axe.run(document, { resultTypes: ["violations"], rules: { "target-size": { enabled: true } } })',
	)) as AxeResult;
	const serious = violations
		.filter(({ impact }) => impact === "serious" || impact === "critical")
		.map(({ id, help, nodes }) => ({
			id,
			help,
			nodes: nodes.slice(0, 3).map((node) => node.failureSummary ?? node.html),
		}));
	expect(serious, `axe on ${what}`).toEqual([]);
}

/** Kept in docs/images when CLAWGATE_SCREENSHOTS is set; the page from one line of pixels to another. */
export async function screenshot(page: Page, name: string, from = 0, to = 2_000): Promise<void> {
	if (!process.env.CLAWGATE_SCREENSHOTS) return;
	mkdirSync(IMAGES, { recursive: true });
	// What the step before has said would cover what is to be seen.
	await page.evaluate('document.querySelectorAll(".toast button").forEach((button) => button.click())');
	const path = `${IMAGES}${name}.png`;
	const { width = 0, height: whole = 0 } = page.viewportSize() ?? {};
	let height = Math.min(whole, to) - from;
	do {
		await page.screenshot({ path, clip: { x: 0, y: from, width, height } });
		// Long tables make large pictures; their beginning says enough.
		height = Math.floor(height * 0.92);
	} while (statSync(path).size >= MAX_IMAGE_BYTES);
}
