/** Milliseconds of the system's monotonic clock, which is the same in every process of the machine. */
export function machineClock(): number {
	return Number(process.hrtime.bigint()) / 1e6;
}
