/** The Node versions of test/versions/package.json; `scripts/test-packages.js` installs them. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("./", import.meta.url));

export interface NodeVersion {
	/** `24.1.0` */
	readonly version: string;
	/** The path of its `node`. @throws Error when it is not installed */
	executable(): string;
}

/** Those that exist for this machine: Linux only. */
export function nodeVersions(): NodeVersion[] {
	const { optionalDependencies } = JSON.parse(readFileSync(`${FOLDER}package.json`, "utf8")) as {
		optionalDependencies: Record<string, string>;
	};
	return Object.entries(optionalDependencies)
		.filter(([name]) => name.endsWith(`-${process.platform}-${process.arch}`))
		.map(([name, specifier]) => ({
			version: specifier.slice(specifier.lastIndexOf("@") + 1),
			executable: () => {
				const path = `${FOLDER}node_modules/${name}/bin/node`;
				if (existsSync(path)) return path;
				throw new Error(
					`${specifier} is not installed: run \`node scripts/test-packages.js\`, with the npm registry at hand`,
				);
			},
		}));
}
