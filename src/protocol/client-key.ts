/** What counts as one client address: an IPv6 client has a whole /64 to choose addresses from. */

/** An IPv4 address as it is, an IPv6 address (as `normaliseIp` gives it) as its /64. */
export function clientKey(ip: string): string {
	if (!ip.includes(":")) return ip;
	const [head = "", tail] = ip.split("::");
	const left = groups(head);
	const right = tail === undefined ? [] : groups(tail);
	const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
	const all = [...left, ...new Array<string>(zeros).fill("0"), ...right];
	return `${all
		.slice(0, 4)
		.map((group) => Number.parseInt(group, 16).toString(16))
		.join(":")}::/64`;
}

function groups(text: string): string[] {
	if (text === "") return [];
	// A dotted end stands for two groups, which are never among the first four of a real address.
	return text.split(":").flatMap((group) => (group.includes(".") ? ["0", "0"] : [group]));
}
