/** The hub's own things as messages of Centrifugo's protocol. `data` and infos are bytes here: a JSON text, or anything. */

import type { Subscribed } from "../../client.ts";
import type { ClientInfo, History, Publication } from "../../engine.ts";

/** A field that is undefined is not sent. */
export type Wire = { readonly [name: string]: WireValue };
export type WireValue = string | number | boolean | Uint8Array | Wire | readonly Wire[] | undefined;

export function wireInfo({ user, client, connectionInfo, topicInfo }: ClientInfo): Wire {
	return { user, client, conn_info: connectionInfo, chan_info: topicInfo };
}

/** `toJson`: for clients of the JSON format, whom bytes that are not JSON reach as base64 in a text. */
export function wirePublication({ data, json, info, offset, tags }: Publication, toJson: boolean): Wire {
	const payload = toJson && !json ? Buffer.from(`"${Buffer.from(data).toString("base64")}"`) : data;
	return { data: payload, info: info && wireInfo(info), offset: offset === 0 ? undefined : offset, tags };
}

export function wireSubscribed(subscribed: Subscribed, toJson: boolean): Wire {
	const { position, publications, recovering, recovered } = subscribed;
	return {
		recoverable: position && true,
		positioned: position && true,
		epoch: position?.epoch,
		offset: position?.offset,
		publications: publications.length === 0 ? undefined : publications.map((each) => wirePublication(each, toJson)),
		was_recovering: recovering || undefined,
		recovered: recovered || undefined,
	};
}

export function wireHistory({ publications, epoch, offset }: History, toJson: boolean): Wire {
	return { publications: publications.map((each) => wirePublication(each, toJson)), epoch, offset };
}
