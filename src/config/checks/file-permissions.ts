/** Files that decide who gets in, or that nobody else may know: who can write and read them. */
import { resolve } from "node:path";
import { textsAt } from "../values-at.ts";
import type { Check } from "./check.ts";

/** Whoever can write them lets in whom they like. */
const TRUSTED = [
	...["listeners.*.tls.certificates.*.key", "upstreams.*.tls.key"],
	...["listeners.*.tls.client_ca", "listeners.*.client_crl", "listeners.*.client_crl.*", "upstreams.*.tls.ca"],
	...["defaults", "routes.*"].flatMap((place) => [
		`${place}.auth.jwt.public_key`,
		`${place}.auth.api_key.keys_file`,
		`${place}.auth.basic.users_file`,
	]),
];
/** Whoever can read them can pass for the gateway. */
const SECRET = ["listeners.*.tls.certificates.*.key", "upstreams.*.tls.key"];

const OTHERS_WRITE = 0o002;
const OTHERS_READ = 0o004;

export const filePermissions: Check = ({ data, source, folder, read }) => {
	const find = (places: readonly string[], bit: number, words: string) =>
		places
			.flatMap((place) => textsAt(data, place))
			.flatMap(({ path, value }) => {
				if (value === "" || value.includes("\0")) return [];
				const content = read(resolve(folder, value));
				// One that cannot be read is reported by readable-files.ts.
				if (content.trouble !== undefined || (content.mode & bit) === 0) return [];
				return [source.problem(path, words, { severity: "warning" })];
			});
	return [
		...find(TRUSTED, OTHERS_WRITE, "every user of this machine can change this file; chmod o-w"),
		...find(SECRET, OTHERS_READ, "every user of this machine can read this private key; chmod o-r"),
	];
};
