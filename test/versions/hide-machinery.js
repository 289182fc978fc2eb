/** For `node --import`: a Node whose sockets do not have what src/tunnel/reader.ts and src/sockets/direct-write.ts look for. */
const { getOwnPropertySymbols } = Object;
Object.getOwnPropertySymbols = (object) =>
	getOwnPropertySymbols(object).filter(({ description }) => !description?.startsWith("kBuffer"));
// The only way to the class of a socket's handle before there is a socket.
Object.defineProperty(process.binding("tcp_wrap").TCP.prototype, "fd", { value: undefined });
