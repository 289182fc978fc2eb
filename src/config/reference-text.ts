/** The hand-written parts of docs/configuration.md. */

/** What stands before the tables. */
export const INTRODUCTION = `# Configuration

<!-- Made from the schema by \`npm run docs\`. Change the descriptions in src/, or the text in src/config/reference-text.ts. -->

A gateway is configured by one YAML file, \`routes.yaml\` unless \`-c\` names another. The smallest one:

\`\`\`yaml
listeners: [{ address: ":8080" }]
upstreams: { chat: { endpoints: ["ws://127.0.0.1:7001"] } }
routes: [{ match: { path_prefix: / }, upstream: chat }]
\`\`\`

Nothing in the file is ignored. An unknown key, a value of the wrong type, the name of an upstream that does not exist or
a file that cannot be read is an error, and \`clawgate check\` prints each with its place:

\`\`\`text
routes.yaml:3:49: routes[0].upstream: there is no upstream "chta", did you mean "chat"?
\`\`\`

Its exit code is 0 when there are warnings at most, and 1 when there is an error. \`clawgate schema\` prints a JSON Schema,
with which editors complete and check the file while it is written.

## Values

| kind | examples | meaning |
|---|---|---|
| duration | \`250ms\`, \`5s\`, \`2m\`, \`1h\`, \`1.5s\`, \`off\` | A number needs its unit; only \`0\` does without. \`off\` is possible where something can go on for ever. At most 596h. |
| size | \`512\`, \`64KiB\`, \`1MiB\`, \`2GiB\` | Bytes, in powers of 1024. |
| rate | \`50/s\`, \`100/m\`, \`10/h\`; for bytes \`64KiB/s\`, \`1MiB/s\` | On average; how much may come at once is the \`burst\`. |
| percentage | \`50%\`, \`50\` | |
| address range | \`10.0.0.0/8\`, \`::1\` | IPv4 or IPv6; without \`/\` one address. |
| close code | \`1001\`, \`4401\` | One that may be sent: 1000, 1001, 1003, 1007 to 1014, 3000 to 4999 (RFC 6455 section 7.4). |
| file | \`certs/chat.pem\` | A relative path starts at the folder of the configuration file. |

Anchors, aliases and merge keys (\`<<\`) of YAML work everywhere.

## Environment variables

\`\${NAME}\` in a value is replaced from the environment, and it is an error when the variable is not set.
\`\${NAME:-default}\` has a default for a variable that is not set or is empty. \`$\${\` is a literal \`\${\`.

- The file is read as YAML first, so a variable can never add keys; it stays inside the value it stands in.
- A value that is nothing but one \`\${NAME}\` without quotes may become a number or \`true\`/\`false\`: \`max_connections: \${MAX}\`.
  With quotes it stays text: \`token: "\${ADMIN_TOKEN}"\`.
- Inside \`{ }\` and \`[ ]\` YAML needs quotes around it: \`{ token: "\${ADMIN_TOKEN:-}" }\`.
- Keys are not replaced.

## Defaults

\`defaults\` holds values for all routes: any key of a route except \`name\`, \`match\`, \`upstream\` and \`split\`. A route's own
value wins key by key, also inside maps; a list is replaced as a whole.

\`\`\`yaml
listeners: [{ address: ":8080" }]
upstreams: { chat: { endpoints: ["ws://127.0.0.1:7001"] } }
defaults:
  timeouts: { connect: 2s, idle: 10m }
  ping: { interval: 30s }
routes:
  - match: { path_prefix: /live }
    upstream: chat
    timeouts: { idle: off }       # connect is still 2s
  - match: { path_prefix: / }
    upstream: chat
    ping: off
\`\`\`
`;

/** What stands after the tables. */
export const FULL_EXAMPLE = `## An example with most keys

\`\`\`yaml
trusted_proxies: [10.0.0.0/8]
shutdown: { delay: 0s, drain: { timeout: 30s, spread: 20s, close_code: 1001, reason: "service restart" } }
log: { level: info, format: json }
admin: { address: "127.0.0.1:9090", token: "\${ADMIN_TOKEN:-}" }

listeners:
  - name: public
    address: ":8443"
    tls:
      certificates: [{ cert: certs/chat.pem, key: certs/chat.key }]
      min_version: "1.2"
      client_ca: certs/clients.pem
      client_auth: require
    proxy_protocol: { trusted: [10.0.0.0/8] }
    timeouts: { request_headers: 10s, tls_handshake: 10s }
    max_header_size: 16KiB
    max_connections: 100000

defaults:
  timeouts: { connect: 5s, handshake: 10s, idle: 1h, lifetime: off, close: 5s }
  ping: { interval: 20s, timeout: 20s, sides: [client, backend] }

upstreams:
  chat:
    endpoints:
      - { url: "wss://10.0.1.10:8080", weight: 2, state: ready, backup: false }
      - wss://10.0.1.11:8080
    load_balancing:
      policy: consistent_hash
      hash_on: [{ cookie: session }, { query: room }, { header: X-User }, client_ip]
      hash_balance_factor: 150
    sticky: { cookie: { name: clawgate, ttl: 1h, path: /, secure: auto, http_only: true, same_site: lax } }
    health_check: { type: websocket, path: /health, interval: 5s, timeout: 2s, healthy_threshold: 2, unhealthy_threshold: 3 }
    on_unhealthy: keep
    tls: { ca: certs/internal.pem, cert: certs/gw.pem, key: certs/gw.key, server_name: chat.internal, verify: true }
    proxy_protocol: v2
  chat-canary:
    discovery: { type: dns, name: chat.internal, port: 8080, record: a, interval: 10s }

routes:
  - name: chat
    match:
      host: [chat.example.com, "*.chat.example.com"]
      path_prefix: /ws
      subprotocol: [chat.v2, graphql-transport-ws]
      headers: { X-Tenant: acme }
      query: { v: "2" }
      client_ip: [10.0.0.0/8]
    split: [{ upstream: chat, weight: 95 }, { upstream: chat-canary, weight: 5 }]
    rewrite: { strip_prefix: /ws, host: preserve }
    request_headers: { set: { X-Gateway: clawgate }, remove: [Cookie] }
    response_headers: { set: {}, remove: [Server] }
    http: forward
    limits:
      messages: { rate: 50/s, burst: 100, on_exceed: close }
      bytes: { rate: 1MiB/s, burst: 4MiB, on_exceed: delay }
      max_message_size: 1MiB
      max_frame_size: 1MiB
      max_buffered: 1MiB
    retries: { attempts: 3, on: [connect_failure, handshake_timeout, bad_handshake, "502", "503", "504"] }
    drain: { timeout: 5m, spread: 5m, close_code: 1001, reason: "service restart" }
    close_codes: { backend_lost: pass, client_lost: pass, overload: 1013, auth_expired: 4401 }
\`\`\`
`;
