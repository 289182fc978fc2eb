/** Addresses of listeners, the admin port and the hub API: none twice, and the last two not in the open. */
import { addressesClash, isLoopback, type ListenAddress, parseListenAddress } from "../address.ts";
import { formatPath } from "../problem.ts";
import { type Found, isMap, textsAt } from "../values-at.ts";
import type { Check } from "./check.ts";

export const addresses: Check = ({ data, source }) => {
	const problems = [];
	const open: Found<ListenAddress>[] = [];
	const places = ["listeners.*.address", "admin.address", "hub_api.address"];
	for (const { path, value } of places.flatMap((place) => textsAt(data, place))) {
		const address = parseListenAddress(value);
		if (!address) continue;
		const taken = open.find((other) => addressesClash(other.value, address));
		if (taken) problems.push(source.problem(path, `${formatPath(taken.path)} listens there already`));
		open.push({ path, value: address });
		if (path[0] === "admin" && !isLoopback(address) && !hasToken(data)) {
			problems.push(
				source.problem(
					["admin", "token"],
					"a token is required unless admin.address is on loopback, such as 127.0.0.1:9090",
				),
			);
		}
		if (path[0] === "hub_api" && !isLoopback(address) && textsAt(data, "hub_api.keys_file").length === 0) {
			const message = "keys are required unless hub_api.address is on loopback, such as 127.0.0.1:9091";
			problems.push(source.problem(["hub_api", "keys_file"], message));
		}
	}
	return problems;
};

/** A token of another type is the schema's business. */
function hasToken(data: unknown): boolean {
	if (!isMap(data) || !isMap(data.admin)) return false;
	return data.admin.token !== undefined && data.admin.token !== "";
}
