/** `clawgate completion`: what a shell needs to complete commands, options and filters. */
import { type CommandIo, EXIT_USAGE } from "./command.ts";

/** What can be completed of a command. */
export interface Completable {
	readonly summary: string;
	/** `--long` options. */
	readonly options: readonly string[];
	/** Words that are not options: `route=`, `bash`. */
	readonly words?: readonly string[];
}

type Commands = Readonly<Record<string, Completable>>;

const HELP = `Usage: clawgate completion bash|zsh|fish

Prints a script that completes clawgate's commands and options. Once, for the shell in use:
  bash   source <(clawgate completion bash)            always: in ~/.bashrc
  zsh    source <(clawgate completion zsh)             always: in ~/.zshrc, after compinit
  fish   clawgate completion fish | source             always: > ~/.config/fish/completions/clawgate.fish
`;

/** Options whose value is a file. */
const FILE_OPTIONS = ["--config", "-c"];

const SHELLS: Readonly<Record<string, (commands: Commands) => string>> = { bash, zsh, fish };

/**
 * Prints the script.
 * @returns the exit code: 0, or 2 for wrong arguments
 */
export async function completion(argv: readonly string[], io: CommandIo, commands: Commands): Promise<number> {
	const [name, surplus] = argv;
	if (name === "--help" || name === "-h") {
		io.stdout(HELP);
		return 0;
	}
	const shell = name !== undefined && Object.hasOwn(SHELLS, name) ? SHELLS[name] : undefined;
	if (!shell || surplus !== undefined) {
		io.stderr(`clawgate completion: name one shell: ${Object.keys(SHELLS).join(", ")}\n`);
		return EXIT_USAGE;
	}
	io.stdout(shell(commands));
	return 0;
}

function wordsOf({ options, words = [] }: Completable): string {
	return [...words, ...options].join(" ");
}

function bash(commands: Commands): string {
	const cases = Object.entries(commands).map(([name, each]) => `\t\t${name}) words="${wordsOf(each)}" ;;`);
	return `# bash completion for clawgate
_clawgate() {
	local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words=""
	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		COMPREPLY=($(compgen -W "${Object.keys(commands).join(" ")} help" -- "$current"))
		return
	fi
	case "$previous" in
		${FILE_OPTIONS.join("|")}) COMPREPLY=($(compgen -f -- "$current")); return ;;
	esac
	case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
	esac
	COMPREPLY=($(compgen -W "$words" -- "$current"))
	case "\${COMPREPLY[0]}" in
		*=) compopt -o nospace ;;
	esac
}
complete -o default -F _clawgate clawgate
`;
}

function zsh(commands: Commands): string {
	const list = Object.entries(commands).map(([name, { summary }]) => `\t\t\t${quoted(`${name}:${summary}`)}`);
	const cases = Object.entries(commands).map(([name, each]) => `\t\t${name}) compadd -S '' -- ${wordsOf(each)} ;;`);
	return `#compdef clawgate
_clawgate() {
	if (( CURRENT == 2 )); then
		local -a commands=(
${list.join("\n")}
		)
		_describe command commands
		return
	fi
	case "\${words[CURRENT-1]}" in
		${FILE_OPTIONS.join("|")}) _files; return ;;
	esac
	case "\${words[2]}" in
${cases.join("\n")}
	esac
	_files
}
compdef _clawgate clawgate
`;
}

function fish(commands: Commands): string {
	const lines = Object.entries(commands).flatMap(([name, { summary, options, words = [] }]) => {
		const here = `complete -c clawgate -n ${quoted(`__fish_seen_subcommand_from ${name}`)}`;
		return [
			`complete -c clawgate -n __fish_use_subcommand -f -a ${name} -d ${quoted(summary)}`,
			...(words.length > 0 ? [`${here} -f -a ${quoted(words.join(" "))}`] : []),
			...options.map((option) =>
				option === "--config" ? `${here} -s c -l config -r -F` : `${here} -l ${option.slice(2)}`,
			),
		];
	});
	return `# fish completion for clawgate\n${lines.join("\n")}\n`;
}

/** For a POSIX shell, in single quotes. */
function quoted(text: string): string {
	return `'${text.replaceAll("'", "'\\''")}'`;
}
