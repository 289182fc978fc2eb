/** A place in the text of an expression that is read from left to right. */

/** There is no way to go on reading; the message is for the operator. */
export class Unreadable extends Error {
	override readonly name = "Unreadable";
}

export class Cursor {
	readonly text: string;
	at = 0;

	constructor(text: string) {
		this.text = text;
	}

	/** The character here; undefined at the end. */
	get next(): string | undefined {
		return this.text[this.at];
	}

	/** Takes what a sticky expression finds here; undefined when that is nothing. */
	take(expression: RegExp): RegExpExecArray | undefined {
		expression.lastIndex = this.at;
		const match = expression.exec(this.text);
		if (match) this.at += match[0].length;
		return match ?? undefined;
	}

	/** The text of `\Q…\E`, of which the `\` was taken. */
	takeQuoted(): string {
		const end = this.text.indexOf("\\E", this.at);
		const quoted = this.text.slice(this.at + 1, end < 0 ? undefined : end);
		this.at = end < 0 ? this.text.length : end + 2;
		return quoted;
	}
}
