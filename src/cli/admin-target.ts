/** Which admin port a command talks to: `--admin`, or the `admin` section of a configuration, or the usual address. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { ListenAddress } from "../config/address.ts";
import { readConfig } from "../config/load.ts";
import { formatProblem, hasErrors } from "../config/problem.ts";
import { AdminError, type AdminTarget } from "./admin-client.ts";
import type { CommandIo } from "./command.ts";

const DEFAULT_CONFIG = "routes.yaml";
const DEFAULT_ADDRESS: ListenAddress = { host: "127.0.0.1", port: 9090 };

/** What the operator said about it. */
export interface TargetOptions {
	readonly admin?: string | undefined;
	readonly token?: string | undefined;
	readonly config?: string | undefined;
}

/** @throws AdminError when what was said is no address, or the configuration has none */
export function adminTarget({ admin, token, config }: TargetOptions, io: CommandIo): AdminTarget {
	const known = token ?? io.env.CLAWGATE_ADMIN_TOKEN ?? io.env.ADMIN_TOKEN;
	if (admin !== undefined) return fromUrl(admin, known || undefined);
	const section = config === undefined ? usualSection(io) : sectionOf(config, io);
	return fromAddress(section?.address ?? DEFAULT_ADDRESS, known || section?.token || undefined);
}

function fromUrl(text: string, token: string | undefined): AdminTarget {
	if (text.startsWith("unix:/")) return fromAddress({ path: text.slice("unix:".length) }, token);
	const match = /^(?:(https?):\/\/)?([^/?#@\s]*[^/?#@\s:])(\/[^?#]*)?$/i.exec(text);
	const origin = match ? `${match[1] ?? "http"}://${match[2]}` : "";
	if (!match || !URL.canParse(origin)) {
		throw new AdminError("--admin: expected an address such as http://127.0.0.1:9090 or unix:/run/admin.sock", true);
	}
	const url = new URL(origin);
	const secure = url.protocol === "https:";
	return {
		name: `${url.protocol}//${url.host}${match[3] ?? ""}`,
		secure,
		host: url.hostname.replace(/^\[|\]$/g, ""),
		port: url.port === "" ? (secure ? 443 : 80) : Number(url.port),
		base: (match[3] ?? "").replace(/\/+$/, ""),
		token,
	};
}

/** Where a listen address can be reached from this machine. */
function fromAddress({ host = "127.0.0.1", port = 0, path }: ListenAddress, token: string | undefined): AdminTarget {
	const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
	const written = reachable.includes(":") ? `[${reachable}]` : reachable;
	return {
		name: path === undefined ? `http://${written}:${port}` : `unix:${path}`,
		secure: false,
		host: reachable,
		port,
		socketPath: path,
		base: "",
		token,
	};
}

interface Section {
	readonly address: ListenAddress;
	readonly token: string;
}

function sectionOf(file: string, io: CommandIo): Section {
	const { config, problems } = readConfig(resolve(io.cwd, file), io.env);
	if (!config) {
		const lines = problems.filter((problem) => hasErrors([problem])).map((each) => formatProblem({ ...each, file }));
		throw new AdminError(lines.join("\n"));
	}
	if (!config.admin) throw new AdminError(`${file} has no admin section: its gateway has no admin port`);
	return config.admin;
}

/** Of the configuration in this folder, when there is one; one with mistakes may be a new one that is being written. */
function usualSection(io: CommandIo): Section | undefined {
	const file = resolve(io.cwd, DEFAULT_CONFIG);
	return existsSync(file) ? readConfig(file, io.env).config?.admin : undefined;
}
