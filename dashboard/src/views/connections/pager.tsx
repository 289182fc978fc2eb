/** Which page of the connections is shown. */
import { useApp } from "../../state/app.ts";
import { formatCount } from "../../text/format.ts";
import { PAGE_SIZES, pageCount, type TableQuery } from "./query.ts";

export function Pager({ total, query: { page, size } }: { total: number; query: TableQuery }) {
	const { location } = useApp();
	const pages = pageCount(total, size);
	const first = (page - 1) * size + 1;
	const go = (to: number): void => location.set({ page: to <= 1 ? undefined : String(to) });
	const button = (label: string, mark: string, to: number, disabled: boolean) => (
		<button type="button" aria-label={label} disabled={disabled} onClick={() => go(to)}>
			{mark}
		</button>
	);
	return (
		<nav class="pager" aria-label="Pages">
			{button("First page", "«", 1, page <= 1)}
			{button("Previous page", "‹", Math.min(page - 1, pages), page <= 1)}
			<span>
				{total === 0 || first > total
					? `page ${formatCount(page)} of ${formatCount(pages)}`
					: `${formatCount(first)}–${formatCount(Math.min(total, page * size))} of ${formatCount(total)}`}
			</span>
			{button("Next page", "›", page + 1, page >= pages)}
			{button("Last page", "»", pages, page >= pages)}
			<label>
				Rows{" "}
				<select
					value={String(size)}
					onChange={(event) => location.set({ size: event.currentTarget.value, page: undefined })}
				>
					{PAGE_SIZES.map((each) => (
						<option key={each} value={String(each)} selected={each === size}>
							{each}
						</option>
					))}
				</select>
			</label>
		</nav>
	);
}
