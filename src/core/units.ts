// Durations, sizes and rates as people write them, and back: `250ms`, `30s`, `15m`, `2h`, `3d`; `10MB`; `50/s`, `100/m`.

const durationUnits = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const;
const sizeUnits = { GB: 1024 ** 3, MB: 1024 ** 2, KB: 1024, B: 1 } as const;

/** Milliseconds of a duration such as `250ms`, `30s`, `15m`, `2h` or `3d`; null when it is none. Whole numbers only: `1.5h` is `90m`. */
export function parseDuration(text: string): number | null {
  return measure(text, /^(\d+)(ms|s|m|h|d)$/, durationUnits);
}

/** A duration in the largest unit that holds it exactly: 90000 is `90s`, 7200000 is `2h`. `ms` is a whole number of milliseconds. */
export function formatDuration(ms: number): string {
  return written(ms, durationUnits, 'ms');
}

/** Bytes of a size such as `512KB` or `10MB`, in powers of 1024; null when it is none. */
export function parseSize(text: string): number | null {
  return measure(text, /^(\d+)(B|KB|MB|GB)$/, sizeUnits);
}

/** A size in the largest unit that holds it exactly: 10485760 is `10MB`. */
export function formatSize(bytes: number): string {
  return written(bytes, sizeUnits, 'B');
}

/** Times per second of a rate such as `50/s` or `100/m`; null when it is none, or nought. Whole numbers only: half a second's worth is `30/m`. */
export function parseRate(text: string): number | null {
  const match = /^(\d{1,9})\/([sm])$/.exec(text);
  const times = Number(match?.[1] ?? 0);
  if (match === null || times === 0) return null;
  return match[2] === 'm' ? times / 60 : times;
}

/** A rate as it was written: 50 is `50/s`, 1.6666666666666667 is `100/m`. `perSecond` is what `parseRate` gave. */
export function formatRate(perSecond: number): string {
  return Number.isInteger(perSecond) ? `${perSecond}/s` : `${Math.round(perSecond * 60)}/m`;
}

function measure(text: string, pattern: RegExp, units: Readonly<Record<string, number>>): number | null {
  const match = pattern.exec(text);
  const unit = units[match?.[2] ?? ''];
  if (match === null || unit === undefined) return null;
  const value = Number(match[1]) * unit;
  return Number.isSafeInteger(value) ? value : null;
}

function written(value: number, units: Readonly<Record<string, number>>, smallest: string): string {
  const fit = Object.entries(units).find(([, unit]) => value >= unit && value % unit === 0);
  return fit === undefined ? `${value}${smallest}` : `${value / fit[1]}${fit[0]}`;
}
