// The kinds of value that a setting can have: each checks, converts and says in its fault what to write instead.
import { isIP, isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';
import { z } from 'zod';
import { formatDuration, parseDuration, parseRate, parseSize } from '../src/core/units.ts';

/** What a setting's schema says about itself, by `.meta()`. */
export interface FieldMeta {
  readonly description?: string;
  /** Never shown; of a URL only the address is. */
  readonly secret?: true;
  /** What the docs call this kind of value; `duration`, `size`, `rate` and `URL` also say how it is shown. */
  readonly kind?: string;
}

/** Names of providers and streams: they appear in URLs, metrics and Redis keys. */
export const name = () =>
  z
    .string()
    .regex(/^[a-z][a-z0-9_-]{0,62}$/, 'is no name for it: use 1 to 63 of a-z, 0-9, _ and -, beginning with a letter');

/** Text that may not be empty. */
export const text = () => z.string().min(1, 'is empty: give it a value, or leave the line out').meta({ kind: 'text' });

/** A whole number; digits in quotes will do, so that `"${PORT:-3000}"` works. Not by zod's int(): its issue silences `whenSection` checks. */
export function integer(min: number, max = 1_000_000) {
  const error = `must be a whole number from ${min} to ${max}`;
  const fromText = (value: unknown) => (typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value);
  const fits = (value: number) => Number.isInteger(value) && value >= min && value <= max;
  return z.preprocess(fromText, z.number(error).refine(fits, error)).meta({ kind: 'whole number' });
}

/** Yes or no; in quotes will do, so that `"${NAME:-false}"` works. */
export function flag() {
  const fromText = (value: unknown) => (value === 'true' ? true : value === 'false' ? false : value);
  return z.preprocess(fromText, z.boolean('must be true or false')).meta({ kind: 'true or false' });
}

/** A part of a whole, 0 to 1. */
export function share() {
  const error = 'must be a number from 0 to 1, such as 0.5';
  const fromText = (value: unknown) =>
    typeof value === 'string' && /^\d(\.\d{1,15})?$/.test(value) ? Number(value) : value;
  return z.preprocess(fromText, z.number(error).min(0, error).max(1, error)).meta({ kind: 'share' });
}

/** A score in powers of ten: 7 is "once in ten million times". */
export function decades() {
  const error = 'must be a number from 1 to 100: the power of ten of how improbable it has to be, such as 7';
  const fromText = (value: unknown) =>
    typeof value === 'string' && /^\d{1,3}(\.\d{1,3})?$/.test(value) ? Number(value) : value;
  return z.preprocess(fromText, z.number(error).min(1, error).max(100, error)).meta({ kind: 'number' });
}

/** A duration, parsed to milliseconds. `longest` is an hour unless told: a timer of more than 24 days would go off at once. */
export function duration({ shortest = '1ms', longest = '1h' }: { shortest?: string; longest?: string } = {}) {
  const [min, max] = [parseDuration(shortest) ?? 0, parseDuration(longest) ?? 0];
  return measured('duration', '30s, 15m or 2h', (bare) => `${bare}s`, parseDuration)
    .refine((ms) => ms >= min && ms <= max, `must be from ${formatDuration(min)} to ${formatDuration(max)}`)
    .meta({ kind: 'duration' });
}

/** A size, parsed to bytes. */
export function size(longest = '1GB') {
  const max = parseSize(longest) ?? 0;
  return measured('size', '512KB or 10MB', (bare) => `${bare}B, or a number of KB or MB`, parseSize)
    .refine((bytes) => bytes >= 1 && bytes <= max, `must be from 1B to ${longest}`)
    .meta({ kind: 'size' });
}

/** A rate, parsed to times per second. */
export const rate = () => measured('rate', '50/s or 100/m', (bare) => `${bare}/s`, parseRate).meta({ kind: 'rate' });

function measured(
  kind: string,
  examples: string,
  mend: (bare: number) => string,
  parse: (text: string) => number | null,
) {
  const wrong = `is no ${kind}: write a whole number and a unit, such as ${examples}`;
  return z
    .string({
      error: ({ input }) => {
        if (typeof input !== 'number') return undefined;
        return Number.isSafeInteger(input) && input >= 0 ? `needs a unit: write ${mend(input)}` : wrong;
      },
    })
    .transform((value, context) => {
      const parsed = parse(value);
      if (parsed !== null) return parsed;
      context.addIssue(wrong);
      return z.NEVER;
    });
}

/** A domain in lower case with its labels in ASCII (`münchen.example` is `xn--mnchen-3ya.example`), or null when it is none. */
export function toDomain(written: string): string | null {
  if (!/^[\p{L}\p{M}\p{N}._-]+$/u.test(written)) return null;
  const ascii = domainToASCII(written);
  const sound =
    ascii.length <= 253 && ascii.split('.').every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?$/.test(label));
  return sound && isIP(ascii) === 0 ? ascii : null;
}

/** A domain, parsed to ASCII labels in lower case. */
export const domain = () =>
  converted(toDomain, 'is no domain: write only the part after the @, such as acme.example').meta({ kind: 'domain' });

/** The name or address of a machine, without scheme or port. */
export const host = () =>
  z
    .string()
    .refine(
      (value) => isIP(value) !== 0 || toDomain(value) !== null,
      'must be a host name or an IP address alone: no scheme, no port (the port is a setting of its own)',
    )
    .meta({ kind: 'host' });

/** One IP address or a range in CIDR form. */
export const addressRange = () =>
  z
    .string()
    .refine(isAddressRange, 'must be an IP address or a range, such as 10.0.0.0/8')
    .meta({ kind: 'address or range' });

function isAddressRange(value: string): boolean {
  const [address = '', bits, ...rest] = value.split('/');
  if (isIP(address) === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (isIPv6(address) ? 128 : 32));
}

/** Text that `convert` turns into its normal form, or into null when it is at fault. */
export function converted(convert: (value: string) => string | null, fault: string) {
  return z.string().transform((value, context) => {
    const normal = convert(value);
    if (normal !== null) return normal;
    context.addIssue(fault);
    return z.NEVER;
  });
}

/**
 * When a check across several settings may run: whenever its section is one at all, even with faults elsewhere in it, so that
 * all faults are told at once. Such a check must expect each value in any shape.
 */
export const whenSection = { when: ({ value }: { value: unknown }) => isSection(value) };

/** A mapping, as opposed to a list or a single value. */
export function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An `http` or `https` address without login, query, fragment and final slash, or null when it is none: paths are added to it. */
export function toHttpUrl(written: string): string | null {
  if (!/^https?:\/\//.test(written) || !URL.canParse(written)) return null;
  const { username, password, search, hash, origin, pathname } = new URL(written);
  return [username, password, search, hash].every((part) => part === '') ? origin + pathname.replace(/\/+$/, '') : null;
}
