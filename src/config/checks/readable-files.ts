/** Every file that is named is there and can be read. */
import { resolve } from "node:path";
import { filesIn } from "../files.ts";
import type { Check } from "./check.ts";

export const readableFiles: Check = ({ data, source, folder, read }) =>
	filesIn(data).flatMap(({ path, value }) => {
		const absolute = resolve(folder, value);
		const { trouble } = read(absolute);
		if (trouble === undefined) return [];
		return [source.problem(path, `cannot read ${absolute}: ${trouble}`)];
	});
