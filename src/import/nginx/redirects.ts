/** `proxy_redirect` and `proxy_cookie_path`: what nginx changes in the backend's answers, as `rewrite.location`. */
import type { Directive } from "./directive.ts";
import type { Notes } from "./notes.ts";
import type { PathRewrite, Target } from "./proxy-pass.ts";
import type { Scope } from "./scope.ts";

/** Where the answers come from. */
export interface RedirectContext {
	readonly scope: Scope;
	readonly directive: Directive;
	readonly target: Target;
	readonly rewrite: PathRewrite;
	/** Whether the backend sees the client's Host, and so names it in Location. */
	readonly keepsHost: boolean;
	readonly resolve: (text: string) => string;
	readonly notes: Notes;
}

const HINT = "see rewrite.location, or let the backend send the right one";

/** `{ location: true }` where that does what nginx did, or nearly: then there is a note. */
export function locationRewrite(context: RedirectContext): { location?: true } {
	const { scope, directive, rewrite, keepsHost, notes } = context;
	const { strip_prefix: prefix, ...others } = rewrite;
	const written = scope.all("proxy_redirect").filter(({ args }) => args[0] !== "off");
	const implied = scope.all("proxy_redirect").length === 0 && !directive.args.join("").includes("$");
	const kinds = new Set(written.map((one) => kindOf(one, context)));
	for (const one of written) {
		if (kindOf(one, context) === "other") notes.add(one, `these Location headers pass unchanged: ${HINT}`, "status");
	}
	const cookies = scope.all("proxy_cookie_path").filter(({ args }) => args[0] !== "off");
	const isPrefix = ({ args }: Directive) =>
		prefix !== undefined && args[0] === "/" && (args[1] === prefix || args[1] === `${prefix}/`);
	for (const one of cookies) {
		if (!isPrefix(one)) notes.add(one, `the path of these cookies passes unchanged: ${HINT}`, "status");
	}
	const absolute = kinds.has("absolute") || kinds.has("scheme") || (implied && !keepsHost);
	const cookie = cookies.some(isPrefix);
	if (!absolute && !kinds.has("relative") && !cookie) return {};
	if (Object.keys(others).length > 0) {
		const words = `a Location that names the backend passes unchanged, since the way back of this path is not known: ${HINT}`;
		notes.add(written[0] ?? cookies[0] ?? directive, words, "status");
		return {};
	}
	if (prefix !== undefined && !(kinds.has("relative") && cookie)) {
		const what = kinds.has("relative")
			? "the path of cookies gets"
			: cookie
				? "Location gets"
				: "a Location without a host, and the path of cookies, get";
		notes.add(written[0] ?? cookies[0] ?? directive, `${what} ${prefix} in front too, unless it is there`, "status");
	}
	return { location: true };
}

/** What a `proxy_redirect` is about: the backend's own address, paths, or http and https. */
function kindOf({ args }: Directive, context: RedirectContext): "absolute" | "relative" | "scheme" | "other" {
	const { target, rewrite, directive, resolve } = context;
	const [from = "", to = ""] = args.map(resolve);
	if (from === "default") return "absolute";
	if (from === "http://" && /^(?:https|\$scheme):\/\/$/.test(to)) return "scheme";
	const prefix = rewrite.strip_prefix ?? "";
	const leads = to === `${prefix}/` || /^(?:https?|\$scheme):\/\/\$(?:host|http_host)\//.test(to);
	if (from === "/" && prefix !== "" && to === `${prefix}/`) return "relative";
	const own = [directive.args[0], `http://${target.authority}/`, `https://${target.authority}/`];
	const back = to.replace(/^(?:https?|\$scheme):\/\/\$(?:host|http_host)(?::\$server_port)?/, "");
	return leads && own.includes(from) && back === `${prefix}/` ? "absolute" : "other";
}
