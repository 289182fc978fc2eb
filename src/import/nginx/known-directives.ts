/** What is left out, and what to do instead. Directives that other files here read are not in these lists. */

import type { Directive } from "./directive.ts";
import type { Effect } from "./notes.ts";

/** Read by other files, or of no meaning for what a gateway does with a request. */
const SILENT = new Set([
	// The process, its sockets and its tables.
	..."user pid daemon master_process worker_processes worker_connections worker_rlimit_nofile worker_cpu_affinity worker_priority".split(
		" ",
	),
	..."worker_aio_requests load_module pcre_jit events use multi_accept accept_mutex error_log types types_hash_max_size".split(
		" ",
	),
	..."types_hash_bucket_size server_names_hash_bucket_size server_names_hash_max_size variables_hash_max_size map_hash_max_size".split(
		" ",
	),
	..."variables_hash_bucket_size map_hash_bucket_size proxy_headers_hash_max_size proxy_headers_hash_bucket_size zone env".split(
		" ",
	),
	..."sendfile sendfile_max_chunk tcp_nopush tcp_nodelay keepalive keepalive_timeout keepalive_requests keepalive_disable".split(
		" ",
	),
	..."keepalive_time reset_timedout_connection lingering_close lingering_time lingering_timeout aio directio output_buffers".split(
		" ",
	),
	..."default_type charset charset_types server_tokens log_not_found log_subrequest server_name_in_redirect port_in_redirect".split(
		" ",
	),
	..."absolute_redirect underscores_in_headers ignore_invalid_headers connection_pool_size request_pool_size".split(
		" ",
	),
	..."client_header_buffer_size proxy_socket_keepalive resolver_timeout internal index open_file_cache etag if_modified_since".split(
		" ",
	),
	// Carried over.
	..."http server listen server_name location upstream map geo split_clients set if return rewrite break proxy_pass".split(
		" ",
	),
	..."proxy_http_version proxy_set_header proxy_hide_header add_header proxy_connect_timeout proxy_read_timeout proxy_send_timeout".split(
		" ",
	),
	..."proxy_next_upstream proxy_next_upstream_tries proxy_ssl_verify proxy_ssl_name proxy_ssl_server_name proxy_ssl_certificate".split(
		" ",
	),
	..."proxy_ssl_certificate_key proxy_ssl_trusted_certificate ssl ssl_certificate ssl_certificate_key ssl_protocols".split(
		" ",
	),
	..."ssl_client_certificate ssl_verify_client client_header_timeout large_client_header_buffers allow deny auth_request".split(
		" ",
	),
	..."auth_request_set auth_basic auth_basic_user_file satisfy limit_conn limit_conn_zone limit_req limit_req_zone".split(
		" ",
	),
	..."limit_conn_log_level limit_req_log_level set_real_ip_from real_ip_header real_ip_recursive try_files".split(" "),
	..."auth_jwt auth_oidc secure_link auth_digest auth_pam access_by_lua_block access_by_lua_file access_by_lua js_access".split(
		" ",
	),
	..."limit_except proxy_redirect proxy_cookie_path ssl_crl".split(" "),
]);

const SERVED = "Clawgate serves no files: keep nginx, or a file server as a backend, for them";
const OTHER_PROTOCOL = "Clawgate speaks HTTP and WebSocket to backends only: keep nginx for it";
const CACHE = "Clawgate keeps no answers: a cache in front of it or in the backend does";
const LOGS = "Clawgate writes one line for each connection on stdout; see log.level and log.format";
const COMPRESSION =
	"plain HTTP answers are passed on as they are, let the backend compress them; permessage-deflate of WebSockets passes";
const TLS = "left to the system's defaults, which are today's recommendations; tls.min_version can be set";
const BUFFERS = "not needed: bytes are passed on as they come, with backpressure";
const CODE = "scripts of nginx do not run here: do it in the backend, or keep nginx for it";

const WORDS: Readonly<Record<string, string>> = {
	...words("access_log log_format", LOGS),
	...words(
		"gzip gzip_types gzip_vary gzip_proxied gzip_comp_level gzip_min_length gzip_http_version gzip_disable gzip_buffers gzip_static gunzip brotli brotli_types",
		COMPRESSION,
	),
	...words(
		"root alias autoindex open_file_cache_valid open_file_cache_min_uses open_file_cache_errors add_before_body add_after_body",
		SERVED,
	),
	...words("fastcgi_pass uwsgi_pass scgi_pass grpc_pass memcached_pass", OTHER_PROTOCOL),
	...words(
		"proxy_buffering proxy_buffers proxy_buffer_size proxy_busy_buffers_size proxy_request_buffering proxy_max_temp_file_size proxy_temp_path proxy_temp_file_write_size proxy_ignore_client_abort client_body_buffer_size client_body_temp_path postpone_output",
		BUFFERS,
	),
	...words(
		"ssl_ciphers ssl_prefer_server_ciphers ssl_dhparam ssl_ecdh_curve ssl_conf_command proxy_ssl_ciphers proxy_ssl_protocols",
		TLS,
	),
	...words(
		"ssl_session_cache ssl_session_timeout ssl_session_tickets ssl_session_ticket_key ssl_buffer_size ssl_early_data proxy_ssl_session_reuse",
		"not needed: sessions are resumed without it",
	),
	...words(
		"lua_package_path js_import js_content content_by_lua_block content_by_lua_file rewrite_by_lua_block perl",
		CODE,
	),
	error_page:
		"pages of nginx are not carried over: clients get one line that says what to do, and a backend's own error pages pass as they are; requests that it sent to another location are refused",
	merge_slashes: "several slashes in a row always count as one when routes are chosen",
	expires: "let the backend send Cache-Control, or write it into response_headers.set",
	client_max_body_size:
		"it limits plain HTTP bodies, which are not limited here; limits.max_message_size limits WebSocket messages",
	client_body_timeout: "bodies of plain HTTP have the times of their route; see timeouts",
	send_timeout: "a client that does not read ends by ping.timeout or timeouts.idle; see limits.max_buffered",
	ssl_stapling: "certificates are not stapled: browsers have stopped asking for it",
	ssl_stapling_verify: "certificates are not stapled: browsers have stopped asking for it",
	ssl_trusted_certificate:
		"it is used for stapling only, which is not done; listeners.tls.client_ca names authorities of clients",
	ssl_verify_depth: "the system's default is used",
	proxy_ssl_verify_depth: "the system's default is used",
	ssl_password_file: "keys have to be without a passphrase: take it off with openssl pkey",
	ssl_reject_handshake: "a name without a certificate gets the listener's first one; the request is refused then",
	http2: "left out: WebSocket clients, and browsers then, use HTTP/1.1",
	http3: "left out: WebSocket clients, and browsers then, use HTTP/1.1",
	resolver:
		"names are looked up as the system does and kept for address_cache (30s); discovery: { type: dns } makes each address an endpoint",
	proxy_cookie_domain: "cookies pass unchanged: let the backend set the right domain",
	proxy_cookie_flags: "cookies pass unchanged: let the backend set the flags",
	proxy_intercept_errors: "answers of the backend pass unchanged, error pages too",
	proxy_pass_header: "all headers of the backend pass, except those of one connection",
	proxy_pass_request_headers: "request headers always pass; request_headers.remove takes single ones out",
	proxy_pass_request_body: "bodies of plain HTTP always pass",
	proxy_method: "the client's method is passed on",
	proxy_set_body: "bodies of plain HTTP pass unchanged",
	proxy_bind: "the system chooses the address that connections come from",
	proxy_next_upstream_timeout: "timeouts.handshake limits each try",
	proxy_limit_rate: "see limits.bytes",
	limit_rate: "see limits.bytes, which limits what clients send",
	limit_rate_after: "see limits.bytes, which limits what clients send",
	limit_req_status: "it is 429 here",
	limit_conn_status: "it is 429 here",
	limit_req_dry_run: "there is no dry run of limits",
	limit_conn_dry_run: "there is no dry run of limits",
	worker_shutdown_timeout: "see shutdown.drain: open connections are told to come back, spread over time",
	mirror: "requests are not copied",
	sub_filter: "contents are not changed",
	sub_filter_once: "contents are not changed",
	sub_filter_types: "contents are not changed",
	stub_status: "see /metrics of the admin port",
	health_check: "write upstreams.health_check: { type: websocket, path: … } by hand",
	match: "write upstreams.health_check by hand",
	valid_referers: "see allowed_origins, which browsers cannot get around",
	userid: "sticky: { cookie: … } gives out cookies for balancing",
	stream: "this is not HTTP: keep nginx or another TCP proxy for it",
	mail: "this is not HTTP: keep nginx for it",
};

function words(names: string, text: string): Record<string, string> {
	return Object.fromEntries(names.split(" ").map((name) => [name, text]));
}

/** What concerns clients, although nothing is refused. */
const DIFFERENT = new Set(
	"error_page proxy_cookie_domain proxy_cookie_flags proxy_intercept_errors proxy_method proxy_pass_request_headers proxy_pass_request_body proxy_set_body proxy_limit_rate limit_rate ssl_reject_handshake merge_slashes limit_req_status limit_conn_status limit_req_dry_run limit_conn_dry_run sub_filter".split(
		" ",
	),
);

/** Why a directive is not in the result, and what to do; undefined when there is nothing to say. */
export function leftOut(directive: Directive): { words: string; effect: Effect } | undefined {
	const { name, args } = directive;
	const words = whyLeftOut(name);
	if (words === undefined || (SWITCHES.has(name) && args[0] === SWITCHES.get(name))) return undefined;
	if (name === "root" || name === "alias") return { words, effect: "refused" };
	if (words.startsWith("not needed")) return { words, effect: "unneeded" };
	return { words, effect: DIFFERENT.has(name) ? "answer" : "dropped" };
}

/** What these say is so anyway. */
const SWITCHES = new Map([
	["merge_slashes", "on"],
	["ssl_reject_handshake", "off"],
	["proxy_pass_request_headers", "on"],
	["proxy_pass_request_body", "on"],
	["proxy_intercept_errors", "off"],
]);

function whyLeftOut(name: string): string | undefined {
	if (SILENT.has(name)) return undefined;
	const known = Object.hasOwn(WORDS, name) ? WORDS[name] : undefined;
	if (known !== undefined) return known;
	if (/^(?:proxy_cache|proxy_no_cache|proxy_store|fastcgi_cache)/.test(name)) return CACHE;
	if (/^(?:fastcgi|uwsgi|scgi|grpc|memcached)_/.test(name)) return OTHER_PROTOCOL;
	if (/lua|^js_|^perl/.test(name)) return CODE;
	return "Clawgate has nothing like it: see whether the backend needs it";
}
