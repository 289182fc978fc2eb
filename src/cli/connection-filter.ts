/** By what the commands choose connections. */

/** Filters of docs/admin-api.md. */
export const FILTER_KEYS = ["route", "upstream", "endpoint", "client_ip", "user", "subprotocol"] as const;

export const FILTER_HELP = `FILTER is any of ${FILTER_KEYS.map((key) => `${key}=…`).join(" ")}
All that are given have to fit; client_ip also takes a range such as 10.0.0.0/8.
`;
