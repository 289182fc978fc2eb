/** Whether this page may use the API: the token, and whether one is needed. */
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";

const KEY = "clawgate.token";

export interface Session {
	readonly token: ReadonlySignal<string | undefined>;
	/** Nothing can be asked before the token was given. */
	readonly needsLogin: ReadonlySignal<boolean>;
	/** The token that was given last was wrong. */
	readonly wrong: Signal<boolean>;
	/** Tries a token; a wrong one comes back through {@link refused}. */
	use(token: string): void;
	/** The gateway did not take this token, or asks for one where there was none. */
	refused(used: string | undefined): void;
	signOut(): void;
}

/**
 * @param storage of the tab: the token is forgotten when the tab is closed
 * @param required whether the gateway asks for a token
 */
export function createSession(storage: Storage, required: boolean): Session {
	const token = signal(storage.getItem(KEY) ?? undefined);
	const needsLogin = signal(required && token.value === undefined);
	const wrong = signal(false);
	const forget = (): void => {
		storage.removeItem(KEY);
		token.value = undefined;
		needsLogin.value = true;
	};
	return {
		token,
		needsLogin,
		wrong,
		use: (given) => {
			storage.setItem(KEY, given);
			wrong.value = false;
			token.value = given;
			needsLogin.value = false;
		},
		refused: (used) => {
			// Several questions may have been under way with it, and another may have been given since.
			if (used !== token.value || needsLogin.value) return;
			wrong.value = used !== undefined;
			forget();
		},
		signOut: () => {
			wrong.value = false;
			forget();
		},
	};
}

/** Whether the gateway asks for a token, as it wrote into the page. */
export function tokenRequired(document: Document): boolean {
	return document.querySelector('meta[name="clawgate-token"]')?.getAttribute("content") === "required";
}
