// The settings in effect as YAML, defaults and all, secrets hidden: what `check-config` prints.
import { stringify } from 'yaml';
import { formatDuration, formatRate, formatSize } from '../src/core/units.ts';
import { below, type Place, place } from './inspect.ts';
import { maskUrl } from './redis-url.ts';
import { type Config, configSchema } from './schema.ts';

/** The settings as a YAML file would have them. Each secret is `••••`; of the address of Redis the login is. */
export function describeConfig(config: Config): string {
  return stringify(shown(place(configSchema), config), { lineWidth: 0 });
}

function shown(at: Place | null, value: unknown): unknown {
  if (value === undefined) return undefined;
  if (at === null) return '••••';
  const { kind, secret } = at.meta;
  if (Array.isArray(value)) return value.map((item, index) => shown(below(at, index, value), item));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shown(below(at, key, value), item)]));
  }
  if (kind === 'URL' && typeof value === 'string') return maskUrl(value);
  if (secret === true) return '••••';
  if (typeof value !== 'number') return value;
  if (kind === 'duration') return formatDuration(value);
  if (kind === 'size') return formatSize(value);
  return kind === 'rate' ? formatRate(value) : value;
}
