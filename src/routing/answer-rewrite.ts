/**
 * `rewrite.location`: the way back of `strip_prefix`. A backend that does not know its prefix names paths of its own in
 * Location and in the Path of cookies; clients need the prefix in front of them.
 */

/** Changes a raw header list of a backend's answer; the list itself stays as it is. */
export type AnswerRewrite = (raw: readonly string[], ownHosts: readonly string[]) => readonly string[];

const ABSOLUTE = /^(?:(?:https?|wss?):)?\/\/([^/?#@\s]+)([/?#].*)?$/i;
const COOKIE_PATH = /(;\s*path\s*=\s*)(\/[^;]*?)(?=\s*(?:;|$))/i;

/**
 * @param prefix as from `plainPrefix`: without a slash at its end, "" when no prefix is cut
 * @returns what is given the answer's headers and the backend's own hosts (`host` or `host:port`): an absolute Location with
 * one of these becomes a path, which is right for the client whatever host and scheme it used (RFC 9110 §10.2.2)
 */
export function compileAnswerRewrite(prefix: string): AnswerRewrite {
	return (raw, ownHosts) => {
		let result: string[] | undefined;
		for (let i = 0; i < raw.length; i += 2) {
			const value = raw[i + 1] as string;
			const written = rewritten((raw[i] as string).toLowerCase(), value, prefix, ownHosts);
			if (written === value) continue;
			result ??= [...raw];
			result[i + 1] = written;
		}
		return result ?? raw;
	};
}

function rewritten(name: string, value: string, prefix: string, ownHosts: readonly string[]): string {
	if (name === "location") return location(value, prefix, ownHosts);
	if (name !== "set-cookie" || prefix === "") return value;
	// A cookie of `/app` is for `/app` and all below it, one of `/app/` not for `/app` itself (RFC 6265 §5.1.4).
	return value.replace(COOKIE_PATH, (_, start: string, path: string) => {
		return start + (path === "/" ? prefix : withPrefix(path, prefix));
	});
}

function location(value: string, prefix: string, ownHosts: readonly string[]): string {
	const absolute = ABSOLUTE.exec(value);
	if (absolute) {
		const [, host = "", rest = "/"] = absolute;
		if (!ownHosts.some((own) => plainHost(own) === plainHost(host))) return value;
		const path = rest.startsWith("/") ? rest : `/${rest}`;
		// Two slashes at the start would be another host.
		return withPrefix(path.replace(/^\/+/, "/"), prefix);
	}
	return value.startsWith("/") && !value.startsWith("//") ? withPrefix(value, prefix) : value;
}

/** A backend that knows its prefix has written it already. */
function withPrefix(path: string, prefix: string): string {
	if (path.startsWith(prefix) && /^(?:$|[/?#])/.test(path.slice(prefix.length))) return path;
	return prefix + path;
}

/** Without the port that the scheme has anyway. */
function plainHost(host: string): string {
	return host.toLowerCase().replace(/:(?:80|443)?$/, "");
}
