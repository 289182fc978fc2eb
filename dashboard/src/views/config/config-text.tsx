/** The running configuration as YAML, section by section, with a search. */
import { useMemo, useState } from "preact/hooks";
import { TextField } from "../../parts/field.tsx";
import { Panel } from "../../parts/panel.tsx";
import { useApp } from "../../state/app.ts";
import { plural } from "../../text/format.ts";
import { toYaml } from "../../text/yaml.ts";

/** Long lists are open too: what the operator wrote is what is looked for. */
const CLOSED_AT_FIRST = new Set(["defaults", "log", "admin", "shutdown"]);

export function ConfigText({ config }: { config: Readonly<Record<string, unknown>> }) {
	const { notices } = useApp();
	const [search, setSearch] = useState("");
	const sections = useMemo(
		() => Object.entries(config).map(([name, value]) => ({ name, lines: toYaml({ [name]: value }).split("\n") })),
		[config],
	);
	const wanted = search.trim().toLowerCase();
	const found = wanted === "" ? 0 : sections.flatMap(({ lines }) => lines.filter((line) => has(line, wanted))).length;
	const copy = async (): Promise<void> => {
		try {
			await navigator.clipboard.writeText(`${toYaml(config)}\n`);
			notices.done("The configuration is in the clipboard.");
		} catch {
			notices.error("The browser does not allow to copy here; mark the text and copy it.");
		}
	};
	return (
		<Panel
			title="Running configuration"
			actions={
				<button type="button" onClick={() => void copy()}>
					Copy
				</button>
			}
		>
			<p class="secondary">
				With every default written out. Durations are in milliseconds, sizes in bytes; secrets are <code>***</code>.
			</p>
			<TextField
				label="Search"
				type="search"
				value={search}
				onValue={setSearch}
				hint={wanted === "" ? "Marks the lines that have it." : plural(found, "line")}
			/>
			<div class="config-sections">
				{sections.map(({ name, lines }) => (
					<details
						key={name}
						open={wanted === "" ? !CLOSED_AT_FIRST.has(name) : lines.some((line) => has(line, wanted))}
					>
						<summary>{name}</summary>
						{/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable without a mouse */}
						<section tabIndex={0} aria-label={`Configuration of ${name}`}>
							<pre>
								{lines.map((line, index) => (
									<span key={index} class={wanted !== "" && has(line, wanted) ? "found" : undefined}>
										{line}
										{"\n"}
									</span>
								))}
							</pre>
						</section>
					</details>
				))}
			</div>
		</Panel>
	);
}

function has(line: string, wanted: string): boolean {
	return line.toLowerCase().includes(wanted);
}
