/** Copies of a request without a header, cookie, query parameter or subprotocol. What stays is unchanged to the byte. */
import type { GatewayRequest } from "../protocol/request.ts";

/** Without the headers of a name (lower case); only those whose value `when` takes, if it is given. */
export function withoutHeader(
	request: GatewayRequest,
	lower: string,
	when: (value: string) => boolean = () => true,
): GatewayRequest {
	if (request.headers[lower] === undefined) return request;
	return edited(request, lower, (value) => (when(value) ? undefined : value));
}

/**
 * Without every cookie of a name (RFC 6265 §5.4), and without those in which a server may find one of that name: some end
 * a cookie at white space or a comma, too.
 */
export function withoutCookie(request: GatewayRequest, name: string): GatewayRequest {
	const { cookie } = request.headers;
	if (typeof cookie !== "string" || !cookie.includes(name)) return request;
	return edited(request, "cookie", (value) => {
		const kept = value.split(";").filter(
			(pair) =>
				!pair
					.split("=")
					.slice(0, -1)
					.some((text) => endsWithName(text, name)),
		);
		const text = kept.join(";").trim();
		return text === "" ? undefined : text;
	});
}

/** Whether the text before a `=` is a cookie's name, or ends with it behind something that may be a separator. */
function endsWithName(text: string, name: string): boolean {
	const trimmed = text.trimEnd();
	return trimmed.endsWith(name) && /(?:^|[^\x21-\x7e]|[,"])$/.test(trimmed.slice(0, -name.length));
}

/**
 * Without every parameter of a name, however the name is encoded, and without those in which a server may find one of that
 * name: old ones also separate by `;`.
 */
export function withoutQueryParameter(request: GatewayRequest, name: string): GatewayRequest {
	const { query } = request;
	if (query === undefined) return request;
	const parts = query.split("&");
	const kept = parts.filter(
		(part) => !part.split(";").some((each) => decoded(each.split("=", 1)[0] as string) === name),
	);
	if (kept.length === parts.length) return request;
	return { ...request, query: kept.length === 0 ? undefined : kept.join("&") };
}

/** Without the offered subprotocols that `taken` takes. */
export function withoutSubprotocols(request: GatewayRequest, taken: (token: string) => boolean): GatewayRequest {
	if (!request.subprotocols.some(taken)) return request;
	const changed = edited(request, "sec-websocket-protocol", (value) => {
		const kept = value.split(",").filter((token) => !taken(token.trim()));
		return kept.length === 0 ? undefined : kept.join(",").trim();
	});
	return { ...changed, subprotocols: request.subprotocols.filter((token) => !taken(token)) };
}

/** Changes each header of a name, or takes it out, in the raw list and by name alike. */
function edited(request: GatewayRequest, lower: string, change: (value: string) => string | undefined): GatewayRequest {
	const rawHeaders: string[] = [];
	const values: string[] = [];
	const raw = request.rawHeaders;
	let changed = false;
	for (let i = 0; i < raw.length; i += 2) {
		const name = raw[i] as string;
		const value = raw[i + 1] as string;
		if (name.length !== lower.length || name.toLowerCase() !== lower) {
			rawHeaders.push(name, value);
			continue;
		}
		const after = change(value);
		changed ||= after !== value;
		if (after === undefined) continue;
		rawHeaders.push(name, after);
		values.push(after);
	}
	if (!changed) return request;
	const separator = lower === "cookie" ? "; " : ", ";
	const headers = { ...request.headers, [lower]: values.length === 0 ? undefined : values.join(separator) };
	return { ...request, rawHeaders, headers };
}

/** As URLSearchParams reads a name. */
function decoded(name: string): string {
	if (!name.includes("%") && !name.includes("+")) return name;
	return new URLSearchParams(`${name}=`).keys().next().value ?? "";
}
