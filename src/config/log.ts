/** The `log` section. */
import { z } from "zod";

export const logOptions = z.strictObject({
	level: z
		.enum(["debug", "info", "warn", "error"])
		.prefault("info")
		.meta({ description: "The least serious line that is written." }),
	format: z
		.enum(["json", "text"])
		.prefault("json")
		.meta({ description: "`json`: one object a line; `text`: for reading in a terminal." }),
});
