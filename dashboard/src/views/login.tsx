/** Asks for the admin token. */
import { useState } from "preact/hooks";
import { TextField } from "../parts/field.tsx";
import { useApp } from "../state/app.ts";

export function Login() {
	const { session } = useApp();
	const [token, setToken] = useState("");
	return (
		<main class="login" aria-labelledby="login-title">
			<form
				onSubmit={(event) => {
					event.preventDefault();
					if (token.trim() !== "") session.use(token.trim());
				}}
			>
				<h1 id="login-title">Clawgate</h1>
				<p>
					This admin port asks for its token: <code>admin.token</code> in <code>routes.yaml</code>.
				</p>
				<TextField
					label="Admin token"
					type="password"
					autoComplete="current-password"
					autoFocus
					required
					value={token}
					onValue={setToken}
					invalid={session.wrong.value}
					hint="Kept in this tab only, until it is closed or you sign out."
				/>
				<p class="form-error" role="alert">
					{session.wrong.value ? "The gateway did not take this token." : ""}
				</p>
				<button type="submit" class="primary">
					Sign in
				</button>
			</form>
		</main>
	);
}
