/** Centrifugo's client protocol, in JSON and in Protobuf: its SDKs work as they are. */
import { messageFrame } from "../../frame.ts";
import type { HubProtocol } from "../../protocol.ts";
import { type Codec, jsonCodec, protobufCodec } from "./codec.ts";
import { CentrifugeConnection, DISCONNECT } from "./connection.ts";

/** What a client offers as a subprotocol that wants Protobuf. */
export const PROTOBUF_SUBPROTOCOL = "centrifuge-protobuf";

function protocolOf(codec: Codec): HubProtocol {
	return {
		encoding: codec.encoding,
		ping: messageFrame(codec.encoding.opcode, codec.encode({})),
		noPong: { code: 3012, reason: "no pong" },
		stale: DISCONNECT.stale,
		open: (host) => new CentrifugeConnection(host, codec),
	};
}

export const centrifugeJson: HubProtocol = protocolOf(jsonCodec);
export const centrifugeProtobuf: HubProtocol = protocolOf(protobufCodec);
