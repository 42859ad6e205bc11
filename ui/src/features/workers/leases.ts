import type { Schema } from "../../api/client";

/**
 * After how many milliseconds to read the instances again: before a lease as it was read is
 * over, however short leases are, so that who renews it is not shown as silent.
 */
export function nextRead(instances: readonly Pick<Schema<"Instance">, "lease_until">[], now: number): number {
  return Math.max(1000, Math.min(10_000, ...instances.map((i) => (Date.parse(i.lease_until) - now) / 2)));
}
