/** What clients are told at a close: the code and the reason. */
import { byteLength } from "../text/format.ts";
import { OPERATOR_CLOSE_CODES } from "../text/words.ts";
import { SelectField, TextField } from "./field.tsx";

/** A control frame holds 125 bytes, two of them are the code (RFC 6455 §5.5). */
const MAX_REASON_BYTES = 123;

export interface CloseWords {
	/** As typed; "" = what the configuration says, where that is possible. */
	readonly code: string;
	readonly reason: string;
}

export interface CloseFieldsProps {
	readonly words: CloseWords;
	readonly onWords: (words: CloseWords) => void;
	/** Offered as "", with this label. */
	readonly byDefault?: string;
	readonly reasonPlaceholder?: string;
}

const OWN = "own";

export function CloseFields({
	words,
	onWords,
	byDefault,
	reasonPlaceholder = "closed by the operator",
}: CloseFieldsProps) {
	const { code, reason } = words;
	const known = code === "" || OPERATOR_CLOSE_CODES.some((each) => String(each.code) === code);
	const options = [
		...(byDefault === undefined ? [] : [{ value: "", label: byDefault }]),
		...OPERATOR_CLOSE_CODES.map((each) => ({ value: String(each.code), label: `${each.code} – ${each.hint}` })),
		{ value: OWN, label: "another code…" },
	];
	const left = MAX_REASON_BYTES - byteLength(reason);
	return (
		<>
			<SelectField
				label="Close code"
				value={known ? code : OWN}
				options={options}
				onValue={(value) => onWords({ ...words, code: value === OWN ? "4000" : value })}
			/>
			{!known && (
				<TextField
					label="Code"
					type="number"
					min={1000}
					max={4999}
					required
					value={code}
					onValue={(value) => onWords({ ...words, code: value || "0" })}
					hint="1000, 1001, 1003, 1007 to 1014, or 3000 to 4999"
				/>
			)}
			<TextField
				label="Reason for the clients"
				value={reason}
				placeholder={reasonPlaceholder}
				onValue={(value) => onWords({ ...words, reason: value })}
				invalid={left < 0}
				hint={left < 0 ? `${-left} bytes too long` : `${left} bytes left; clients may show it`}
			/>
		</>
	);
}
