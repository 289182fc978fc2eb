/** Asks again and again, only as long as the page is seen. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

export interface Polled<T> {
	/** The last good answer; it stays while later ones fail. */
	readonly data: T | undefined;
	readonly error: Error | undefined;
	/** Asks now. */
	refresh(): void;
}

/**
 * @param load what is asked
 * @param everyMs from an answer to the next question; 0 = once
 * @param key asks at once when it changes
 */
export function usePoll<T>(load: (abort: AbortSignal) => Promise<T>, everyMs: number, key = ""): Polled<T> {
	const [data, setData] = useState<T | undefined>(undefined);
	const [error, setError] = useState<Error | undefined>(undefined);
	const [wish, setWish] = useState(0);
	const latest = useRef(load);
	latest.current = load;

	// The key and the wish are what starts it anew.
	useEffect(() => {
		const abort = new AbortController();
		let timer: ReturnType<typeof setTimeout> | undefined;
		let asking = false;
		const ask = async (): Promise<void> => {
			if (document.hidden || asking) return;
			asking = true;
			try {
				const answer = await latest.current(abort.signal);
				if (abort.signal.aborted) return;
				setData(() => answer);
				setError(undefined);
			} catch (failure) {
				if (abort.signal.aborted) return;
				setError(failure as Error);
			}
			asking = false;
			if (everyMs > 0) timer = setTimeout(() => void ask(), everyMs);
		};
		const seen = (): void => {
			clearTimeout(timer);
			void ask();
		};
		document.addEventListener("visibilitychange", seen);
		void ask();
		return () => {
			abort.abort();
			clearTimeout(timer);
			document.removeEventListener("visibilitychange", seen);
		};
	}, [everyMs, key, wish]);

	const refresh = useCallback(() => setWish((count) => count + 1), []);
	return { data, error, refresh };
}
