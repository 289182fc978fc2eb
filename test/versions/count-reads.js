/** For `node --import`: at the end of the process it says on stderr how the built gateway has read its sockets. */
import { writeSync } from "node:fs";
import { Reader } from "../../dist/tunnel/reader.js";

const counts = { reused: 0, events: 0 };
const { get } = Object.getOwnPropertyDescriptor(Reader.prototype, "reusesBuffer");
// A leg asks for every read.
Object.defineProperty(Reader.prototype, "reusesBuffer", {
	get() {
		const reused = get.call(this);
		counts[reused ? "reused" : "events"]++;
		return reused;
	},
});
process.on("exit", () => writeSync(2, `reads ${JSON.stringify(counts)}\n`));
