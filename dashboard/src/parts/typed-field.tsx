/** A field whose text is a question: it is told when the typing has paused. */
import { useEffect, useState } from "preact/hooks";
import { TextField } from "./field.tsx";

/** From the last key to the question. */
const TYPING_MS = 350;

interface TypedFieldProps {
	readonly label: string;
	readonly placeholder?: string;
	readonly value: string | undefined;
	readonly onValue: (value: string) => void;
}

/** Tells what was typed when the typing has paused. */
export function TypedField({ label, placeholder = "", value = "", onValue }: TypedFieldProps) {
	const [text, setText] = useState(value);
	// What comes from elsewhere (a link, "Clear filters") wins over what was typed.
	useEffect(() => setText(value), [value]);
	// Only typing starts the clock.
	useEffect(() => {
		if (text.trim() === value) return;
		const timer = setTimeout(() => onValue(text), TYPING_MS);
		return () => clearTimeout(timer);
	}, [text]);
	return <TextField label={label} placeholder={placeholder} value={text} onValue={setText} />;
}
