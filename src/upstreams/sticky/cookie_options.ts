/** The option `sticky.cookie`, without what it does: see cookie.ts. */
import { z } from "zod";
import { duration } from "../../options.ts";

/** RFC 6265 §4.1.1: a cookie's name is a token. */
const cookieName = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, {
	error: "a cookie's name may have letters, digits and !#$%&'*+.^_`|~- only",
});

/** RFC 6265 §4.1.1: path-value is any character but control characters and ";". */
const cookiePath = z.string().regex(/^\/[\x20-\x3a\x3c-\x7e]*$/, { error: "expected a path that starts with /" });

const cookieDomain = z.string().regex(/^\.?[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/, {
	error: "expected a host name such as example.com",
});

/** The option of a cookie that binds a client, by default with this name. */
const bindingCookie = (name: string) =>
	z
		.strictObject({
			name: cookieName.default(name).meta({ description: "The cookie's name." }),
			ttl: duration
				.refine((value) => value >= 1000, { error: "must be at least 1s" })
				.optional()
				.meta({
					description: "Max-Age, counted from the answer that set it; without it, or `off`, a session cookie.",
				}),
			path: cookiePath.default("/").meta({ description: "The cookie's Path." }),
			domain: cookieDomain
				.optional()
				.meta({ description: "The cookie's Domain; without it only the host that was asked." }),
			secure: z
				.union([z.literal("auto"), z.boolean()], { error: "expected auto, true or false" })
				.default("auto")
				.meta({
					description:
						"The Secure attribute; `auto` sets it when the client's connection is encrypted, and always with `same_site: none` and `partitioned`: browsers refuse such a cookie without it.",
				}),
			http_only: z
				.boolean()
				.default(true)
				.meta({ description: "The HttpOnly attribute: scripts cannot read the cookie." }),
			same_site: z.enum(["lax", "strict", "none"]).default("lax").meta({ description: "The SameSite attribute." }),
			partitioned: z.boolean().default(false).meta({
				description:
					"The Partitioned attribute: in a frame of another site the cookie is kept for that site alone (CHIPS).",
			}),
			secret: z.string().min(16, { error: "must have at least 16 characters" }).optional().meta({
				description:
					"Key of the cookie's value. Give every gateway that serves this upstream the same one, or none: without it a fixed one is used.",
			}),
		})
		.superRefine((cookie, context) => {
			if (cookie.same_site === "none" && cookie.secure === false) {
				context.addIssue({
					code: "custom",
					path: ["secure"],
					message: "browsers refuse a cookie with same_site: none that is not secure; use secure: true",
				});
			}
			if (cookie.partitioned && cookie.secure === false) {
				context.addIssue({
					code: "custom",
					path: ["secure"],
					message: "browsers refuse a partitioned cookie that is not secure; use secure: true",
				});
			}
			if (/^__(?:host|secure)-/i.test(cookie.name) && cookie.secure !== true) {
				context.addIssue({
					code: "custom",
					path: ["secure"],
					message: "browsers refuse a __Host- or __Secure- cookie that is not secure; use secure: true",
				});
			}
			if (/^__host-/i.test(cookie.name) && (cookie.path !== "/" || cookie.domain !== undefined)) {
				context.addIssue({
					code: "custom",
					path: ["name"],
					message: "browsers refuse a __Host- cookie that has a domain or a path other than /",
				});
			}
		});

export const stickyCookieOptions = bindingCookie("clawgate");

/** The option `split_cookie` of a route. Another name: clients have both. */
export const splitCookieOptions = bindingCookie("clawgate_split");

export type StickyCookieConfig = z.output<typeof stickyCookieOptions>;
