/** How good a state is; parts/status.tsx has a shape and a colour for each. */
export type Tone = "good" | "warn" | "bad" | "off" | "busy" | "none";
