/** The hub's own things as messages of Centrifugo's protocol. `data` and infos are bytes here: a JSON text, or anything. */

import type { Subscribed } from "../../client.ts";
import type { ClientInfo, History, Publication } from "../../engine.ts";

/** A field that is undefined is not sent. */
export type Wire = { readonly [name: string]: WireValue };
export type WireValue = string | number | boolean | Uint8Array | Wire | readonly Wire[] | undefined;

export function wireInfo({ user, client, connectionInfo, topicInfo }: ClientInfo): Wire {
	return { user, client, conn_info: connectionInfo, chan_info: topicInfo };
}

export function wirePublication({ data, info, offset, tags }: Publication): Wire {
	return { data, info: info && wireInfo(info), offset: offset === 0 ? undefined : offset, tags };
}

export function wireSubscribed({ position, publications, recovering, recovered }: Subscribed): Wire {
	return {
		recoverable: position && true,
		positioned: position && true,
		epoch: position?.epoch,
		offset: position?.offset,
		publications: publications.length === 0 ? undefined : publications.map(wirePublication),
		was_recovering: recovering || undefined,
		recovered: recovered || undefined,
	};
}

export function wireHistory({ publications, epoch, offset }: History): Wire {
	return { publications: publications.map(wirePublication), epoch, offset };
}
