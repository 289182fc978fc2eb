/** Which admin port a command talks to: `--admin`, or the `admin` section of a configuration, or the usual address. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { ListenAddress } from "../config/address.ts";
import { readAdminSection } from "../config/admin-section.ts";
import { formatProblem } from "../config/problem.ts";
import type { AdminConfig } from "../config/schema.ts";
import { AdminError, type AdminTarget } from "./admin-client.ts";
import type { CommandIo } from "./command.ts";
import { counted } from "./table.ts";

const DEFAULT_CONFIG = "routes.yaml";
const FROM_OPTION = "The address is from --admin.";
const DEFAULT_ADDRESS: ListenAddress = { host: "127.0.0.1", port: 9090 };

/** What the operator said about it. */
export interface TargetOptions {
	readonly admin?: string | undefined;
	readonly token?: string | undefined;
	readonly config?: string | undefined;
}

/**
 * Never guesses beside a configuration that is there: another gateway might answer.
 * @throws AdminError when what was said is no address, or the configuration has none
 */
export function adminTarget({ admin, token, config }: TargetOptions, io: CommandIo): AdminTarget {
	const known = token ?? io.env.CLAWGATE_ADMIN_TOKEN ?? io.env.ADMIN_TOKEN;
	if (admin !== undefined) return fromUrl(admin, known || undefined);
	const file = config ?? (existsSync(resolve(io.cwd, DEFAULT_CONFIG)) ? DEFAULT_CONFIG : undefined);
	if (file === undefined) {
		return fromAddress(
			DEFAULT_ADDRESS,
			known || undefined,
			`That is the usual address; there is no ${DEFAULT_CONFIG} here.`,
		);
	}
	const section = sectionOf(file, io);
	return fromAddress(section.address, known || section.token || undefined, `The address is from ${file}.`);
}

function fromUrl(text: string, token: string | undefined): AdminTarget {
	if (text.startsWith("unix:/")) return fromAddress({ path: text.slice("unix:".length) }, token, FROM_OPTION);
	const match = /^(?:(https?):\/\/)?([^/?#@\s]*[^/?#@\s:])(\/[^?#]*)?$/i.exec(text);
	const server = match ? `${match[1] ?? "http"}://${match[2]}` : "";
	if (!match || !URL.canParse(server)) {
		throw new AdminError("--admin: expected an address such as http://127.0.0.1:9090 or unix:/run/admin.sock", true);
	}
	const url = new URL(server);
	const secure = url.protocol === "https:";
	const port = url.port === "" ? (secure ? 443 : 80) : Number(url.port);
	return {
		name: `${url.protocol}//${url.hostname}:${port}${match[3] ?? ""}`,
		origin: FROM_OPTION,
		secure,
		host: url.hostname.replace(/^\[|\]$/g, ""),
		port,
		base: (match[3] ?? "").replace(/\/+$/, ""),
		token,
	};
}

/** Where a listen address can be reached from this machine. */
function fromAddress(
	{ host = "127.0.0.1", port = 0, path }: ListenAddress,
	token: string | undefined,
	origin: string,
): AdminTarget {
	const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
	const written = reachable.includes(":") ? `[${reachable}]` : reachable;
	return {
		name: path === undefined ? `http://${written}:${port}` : `unix:${path}`,
		origin,
		secure: false,
		host: reachable,
		port,
		socketPath: path,
		base: "",
		token,
	};
}

/** What a configuration says, and who reads it is told what else is wrong with it. */
function sectionOf(file: string, io: CommandIo): AdminConfig {
	const { admin, mistakes, errors } = readAdminSection(resolve(io.cwd, file), io.env);
	const check = `clawgate check -c ${file}`;
	if (mistakes.length > 0) {
		const lines = mistakes.map((each) => formatProblem({ ...each, file }));
		throw new AdminError(`${file} does not say where the admin port is; --admin URL does\n${lines.join("\n")}`);
	}
	if (!admin) {
		const more = errors.length > 0 ? ` (and ${counted(errors.length, "error")}: ${check} lists them)` : "";
		throw new AdminError(
			`${file} has no admin section${more}: its gateway has no admin port; --admin URL names that of another one`,
		);
	}
	if (errors.length > 0) {
		io.stderr(`warning: ${file} has ${counted(errors.length, "error")}, only its admin section is used: ${check}\n`);
	}
	return admin;
}
