/** `clawgate/client`: for browsers and Node, without dependencies. */
export { type BackoffOptions, pauseBefore, type Retry, retryAfter } from "./backoff.ts";
export {
	HubConnection,
	type HubEvents,
	type HubOptions,
	type Namespace,
	type Publication,
	type Refused,
	type Subscribed,
} from "./hub-connection.ts";
export {
	type Disconnected,
	ReconnectingSocket,
	type SocketEvents,
	type SocketOptions,
	type SocketState,
	type WebSocketConstructor,
	type WebSocketLike,
} from "./reconnecting-socket.ts";
