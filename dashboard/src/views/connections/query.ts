/** What the connection table shows, as the page's address has it. */
import type { ConnectionFilter, PageQuery } from "../../api/gateway.ts";

export const FILTER_KEYS = ["route", "upstream", "endpoint", "client_ip", "user", "subprotocol"] as const;

export type FilterKey = (typeof FILTER_KEYS)[number];

export const SORT_KEYS = ["opened", "messages_in", "messages_out", "bytes_in", "bytes_out", "rtt"] as const;

export type SortKey = (typeof SORT_KEYS)[number];

export const PAGE_SIZES = [50, 100, 250] as const;

export interface TableQuery {
	readonly filter: ConnectionFilter;
	readonly sort: SortKey;
	readonly order: "asc" | "desc";
	/** From 1. */
	readonly page: number;
	readonly size: number;
}

/** What is not possible is the default. */
export function tableQuery(params: URLSearchParams): TableQuery {
	const filter: Partial<Record<FilterKey, string>> = {};
	for (const key of FILTER_KEYS) {
		const value = params.get(key);
		if (value) filter[key] = value;
	}
	const page = Number(params.get("page"));
	return {
		filter,
		sort: SORT_KEYS.find((key) => key === params.get("sort")) ?? "opened",
		order: params.get("order") === "asc" ? "asc" : "desc",
		page: Number.isInteger(page) && page > 0 ? page : 1,
		size: PAGE_SIZES.find((size) => String(size) === params.get("size")) ?? 50,
	};
}

export function pageQuery({ filter, sort, order, page, size }: TableQuery): PageQuery {
	return { ...filter, sort, order, limit: size, offset: (page - 1) * size };
}

/** How many pages there are; at least one. */
export function pageCount(total: number, size: number): number {
	return Math.max(1, Math.ceil(total / size));
}

/** `route chat, user alice` */
export function filterText(filter: ConnectionFilter): string {
	return FILTER_KEYS.flatMap((key) => (filter[key] ? [`${key.replace("_ip", "")} ${filter[key]}`] : [])).join(", ");
}
