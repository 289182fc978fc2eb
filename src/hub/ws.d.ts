/** What `ws` exports and its types leave out: its parser and its extension, without its sockets. */
import "ws";

declare module "ws" {
	type ExtensionParameters = Record<string, unknown>;

	class PerMessageDeflate {
		static readonly extensionName: string;
		constructor(options: {
			isServer: boolean;
			maxPayload: number;
			serverNoContextTakeover: boolean;
			clientNoContextTakeover: boolean;
			serverMaxWindowBits: boolean;
		});
		/** @throws Error when no offer can be accepted */
		accept(offers: ExtensionParameters[]): ExtensionParameters;
		cleanup(): void;
	}

	const extension: {
		/** @throws SyntaxError */
		parse(header: string): Record<string, ExtensionParameters[] | undefined>;
		format(extensions: Record<string, ExtensionParameters[]>): string;
	};

	/** Reads frames. */
	class Receiver {
		constructor(options: {
			isServer: boolean;
			maxPayload: number;
			maxFragments: number;
			maxBufferedChunks: number;
			extensions?: Readonly<Record<string, PerMessageDeflate>> | undefined;
		});
		write(chunk: Buffer): boolean;
		on(event: "message", listener: (data: Buffer, isBinary: boolean) => void): this;
		on(event: "ping" | "pong", listener: (data: Buffer) => void): this;
		on(event: "conclude", listener: (code: number, reason: Buffer) => void): this;
		on(event: "error", listener: (error: NodeJS.ErrnoException) => void): this;
		removeAllListeners(): this;
	}
}
