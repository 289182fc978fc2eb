/** Plain HTTP on a route (Socket.IO and SockJS polling, health pages): forwarded by httpxy, with the gateway's own headers. */
import { type ClientRequest, type IncomingMessage, STATUS_CODES, type ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { createProxyServer } from "httpxy";
import { asGatewayError, GatewayError } from "../errors.ts";
import { applyHeaderRules, type HeaderRules } from "../protocol/header-rules.ts";
import { type BackendRequest, backendHeaders, checkTarget, stripHopByHop } from "../protocol/headers.ts";
import { endpointId } from "../upstreams/endpoint.ts";
import { badHandshake, socketErrorWords } from "../upstreams/failure.ts";
import { type SocketOptions, startTimer } from "../upstreams/socket.ts";
import { BackendAgent, type Dialling } from "./backend-agent.ts";
