/**
 * Milliseconds for which a connection is kept that no request needs. Shorter than servers wait by default, where they do not
 * announce it: a reused connection should not be a dying one, and those of a busy moment do not stay for ever.
 */
export const KEPT_MS = 4_000;
