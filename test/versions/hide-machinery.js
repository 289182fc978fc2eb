/** For `node --import`: a Node whose sockets do not have what src/tunnel/reader.ts looks for. */
const { getOwnPropertySymbols } = Object;
Object.getOwnPropertySymbols = (object) =>
	getOwnPropertySymbols(object).filter(({ description }) => !description?.startsWith("kBuffer"));
