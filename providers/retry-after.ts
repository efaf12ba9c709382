// When a provider wants to be asked again.

/** The pause that a `Retry-After` header asks for, in ms; null when there is none that can be read (RFC 9110, 10.2.3: seconds or a date). */
export function retryAfterMs(value: string | undefined, now: number): number | null {
  if (value === undefined) return null;
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : null;
}
