/** Aligned columns for people. */
import type { CommandIo } from "./command.ts";
import { type Colour, painter } from "./style.ts";

export interface Column<Row> {
	readonly title: string;
	readonly value: (row: Row) => string;
	/** Numbers stand at the right. */
	readonly right?: boolean;
	readonly colour?: (row: Row) => Colour | undefined;
}

/** Lines with a head; a column that has nothing to say in any row is left out. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], io: CommandIo): string {
	const paint = painter(io);
	const filled = columns
		.map((column) => ({ column, cells: rows.map((row) => printable(column.value(row))) }))
		.filter(({ cells }) => cells.some((cell) => cell !== ""))
		.map(({ column, cells }) => ({
			column,
			cells,
			width: Math.max(column.title.length, ...cells.map((cell) => cell.length)),
		}));
	const pad = (text: string, width: number, right = false) => (right ? text.padStart(width) : text.padEnd(width));
	const head = filled.map(({ column, width }) => pad(column.title, width, column.right)).join("  ");
	const lines = rows.map((row, index) =>
		filled
			.map(({ column, cells, width }, place) => {
				const last = place === filled.length - 1 && !column.right;
				const text = pad(cells[index] as string, last ? 0 : width, column.right);
				return paint(column.colour?.(row), text);
			})
			.join("  ")
			.trimEnd(),
	);
	return `${[paint("bold", head.trimEnd()), ...lines].join("\n")}\n`;
}

/** Without control characters: a client chose some of this, and a terminal would obey it. */
export function printable(text: string): string {
	return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "?");
}

/** `45s`, `3m20s`, `2h05m`, `4d03h`. */
export function age(milliseconds: number): string {
	const seconds = Math.floor(milliseconds / 1000);
	const two = (number: number) => String(number).padStart(2, "0");
	if (seconds < 60) return `${seconds}s`;
	if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
	if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h${two(Math.floor(seconds / 60) % 60)}m`;
	return `${Math.floor(seconds / 86_400)}d${two(Math.floor(seconds / 3600) % 24)}h`;
}

/** `512`, `1.5K`, `20M`: bytes in powers of 1024. */
export function bytes(number: number): string {
	let value = number;
	for (const unit of ["", "K", "M", "G", "T"]) {
		if (value < 1024 || unit === "T") {
			return `${unit === "" || value >= 10 ? Math.round(value) : value.toFixed(1)}${unit}`;
		}
		value /= 1024;
	}
	return String(number);
}

/** `1 connection`, `2 connections`. */
export function counted(number: number, word: string): string {
	return `${number} ${word}${number === 1 ? "" : "s"}`;
}
