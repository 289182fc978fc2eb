/** The format `nginx`: nginx's predefined `combined` line, for what reads access logs already. */
import type { LogFormatter } from "./format.ts";
import { templateFormatter } from "./template.ts";

const COMBINED =
	'$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"';

export function nginxFormatter(): LogFormatter {
	return templateFormatter(COMBINED);
}
