/** For `node --import`: at the end of the process it says on stderr how the built gateway has read its sockets. */
import { writeSync } from "node:fs";
import { Reader } from "../../dist/tunnel/reader.js";

const counts = { reused: 0, events: 0 };
const { read, data } = Reader.prototype;
Reader.prototype.read = function (...args) {
	counts.reused++;
	return read.apply(this, args);
};
Reader.prototype.data = function (...args) {
	counts.events++;
	return data.apply(this, args);
};
process.on("exit", () => writeSync(2, `reads ${JSON.stringify(counts)}\n`));
