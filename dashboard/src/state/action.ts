/** Something that the operator asked for: under way, done, or refused. */
import { useState } from "preact/hooks";

export interface Action {
	readonly busy: boolean;
	/** Why it was refused, in the gateway's words. */
	readonly error: string | undefined;
	run(work: () => Promise<void>): void;
}

export function useAction(): Action {
	const [busy, setBusy] = useState(false);
	const [error, setError] = useState<string | undefined>(undefined);
	const run = (work: () => Promise<void>): void => {
		setBusy(true);
		setError(undefined);
		work().then(
			() => setBusy(false),
			(failure: Error) => {
				setBusy(false);
				setError(failure.message);
			},
		);
	};
	return { busy, error, run };
}
