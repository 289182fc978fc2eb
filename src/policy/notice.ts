/** Something an operator should know, as a log line. */
export type Notice = (level: "info" | "warn", event: string, fields: Record<string, unknown>) => void;
