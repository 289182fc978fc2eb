/** Form fields with their labels and hints. */
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

interface Labelled {
	readonly label: string;
	readonly hint?: ComponentChildren;
}

export interface TextFieldProps extends Labelled {
	readonly value: string;
	readonly onValue: (value: string) => void;
	readonly type?: "text" | "password" | "number" | "search";
	readonly placeholder?: string;
	readonly invalid?: boolean;
	readonly required?: boolean;
	readonly min?: number;
	readonly max?: number;
	readonly autoFocus?: boolean;
	readonly autoComplete?: "off" | "current-password";
}

export function TextField({ label, hint, value, onValue, type = "text", invalid = false, ...rest }: TextFieldProps) {
	const id = useId();
	const { autoComplete = "off", ...input } = rest;
	return (
		<div class="field">
			<label for={id}>{label}</label>
			<input
				id={id}
				// The JSX types take one of these words at a time, not a choice of them.
				type={type as "text"}
				value={value}
				spellcheck={false}
				autoComplete={autoComplete}
				aria-invalid={invalid}
				aria-describedby={hint === undefined ? undefined : `${id}-hint`}
				onInput={(event) => onValue(event.currentTarget.value)}
				{...input}
			/>
			<Hint id={id}>{hint}</Hint>
		</div>
	);
}

export interface Option {
	readonly value: string;
	readonly label: string;
}

export interface SelectFieldProps extends Labelled {
	readonly value: string;
	readonly options: readonly Option[];
	readonly onValue: (value: string) => void;
}

export function SelectField({ label, hint, value, options, onValue }: SelectFieldProps) {
	const id = useId();
	return (
		<div class="field">
			<label for={id}>{label}</label>
			<select
				id={id}
				value={value}
				aria-describedby={hint === undefined ? undefined : `${id}-hint`}
				onChange={(event) => onValue(event.currentTarget.value)}
			>
				{options.map((option) => (
					<option key={option.value} value={option.value} selected={option.value === value}>
						{option.label}
					</option>
				))}
			</select>
			<Hint id={id}>{hint}</Hint>
		</div>
	);
}

function Hint({ id, children }: { id: string; children: ComponentChildren }) {
	if (children === undefined) return null;
	return (
		<p class="hint" id={`${id}-hint`}>
			{children}
		</p>
	);
}

/** Options for a choice among names, with one for all of them. */
export function nameOptions(names: readonly string[], all: string, chosen: string): Option[] {
	const known = chosen === "" || names.includes(chosen) ? names : [...names, chosen];
	return [{ value: "", label: all }, ...known.map((name) => ({ value: name, label: name }))];
}
