/** Light or dark: as the system says, unless the operator says otherwise. */
import { effect, type Signal, signal } from "@preact/signals";

export const THEMES = ["auto", "light", "dark"] as const;

export type Theme = (typeof THEMES)[number];

const KEY = "clawgate.theme";

/** Kept in `storage`, and shown as `data-theme` of the root element. */
export function createTheme(storage: Storage, root: HTMLElement): Signal<Theme> {
	const theme = signal(THEMES.find((each) => each === storage.getItem(KEY)) ?? "auto");
	effect(() => {
		root.dataset.theme = theme.value;
		if (theme.value === "auto") storage.removeItem(KEY);
		else storage.setItem(KEY, theme.value);
	});
	return theme;
}
