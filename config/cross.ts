// What one setting has to do with another. Looks at settings of which some may be at fault, so it trusts no type.
import type { Problem } from './faults.ts';
import { isSection } from './fields.ts';

/** Every contradiction between settings. `config` may be parsed in part: what has no sound value is passed over. */
export function crossCheck(config: unknown): Problem[] {
  return [...streamFaults(config), ...orderFaults(config), ...storeFaults(config), ...namedStreamFaults(config)];
}

function* streamFaults(config: unknown): Generator<Problem> {
  const providers = get(config, 'providers');
  const streams = get(config, 'streams');
  const longest = get(config, 'limits', 'expires_max');
  if (isSection(providers) && Object.keys(providers).length === 0) {
    yield { path: ['providers'], message: 'is empty: configure at least one provider' };
  }
  if (!isSection(streams)) return;
  if (!Object.hasOwn(streams, 'default')) {
    yield { path: ['streams', 'default'], message: 'is missing: it takes the mail that names no stream' };
  }
  for (const [name, stream] of Object.entries(streams)) {
    yield* choiceFaults(['streams', name, 'providers'], get(stream, 'providers'), providers);
    const expires = get(stream, 'expires_in');
    if (isNumber(expires) && isNumber(longest) && expires > longest) {
      yield {
        path: ['streams', name, 'expires_in'],
        message: 'is longer than limits.expires_max: shorten it, or raise the limit',
      };
    }
  }
}

function* choiceFaults(path: string[], chosen: unknown, providers: unknown): Generator<Problem> {
  if (!Array.isArray(chosen) || !isSection(providers)) return;
  for (const [index, name] of chosen.entries()) {
    if (typeof name !== 'string') continue;
    if (!Object.hasOwn(providers, name)) {
      const known = Object.keys(providers).join(', ') || 'none';
      yield { path: [...path, index], message: `names no provider of this file; configured are: ${known}` };
    } else if (chosen.indexOf(name) < index) {
      yield { path: [...path, index], message: 'is in this list already: name each provider once' };
    }
  }
}

function* orderFaults(config: unknown): Generator<Problem> {
  const pairs = [
    ['health', 'rest', 'max_rest'],
    ['retention', 'bodies', 'messages'],
  ] as const;
  for (const [section, less, more] of pairs) {
    const [low, high] = [get(config, section, less), get(config, section, more)];
    if (isNumber(low) && isNumber(high) && low > high) {
      yield { path: [section, less], message: `is longer than ${section}.${more}: shorten it, or raise that one` };
    }
  }
}

// A key made by the service lies in the data folder; with an external Redis other machines would not have it.
function* storeFaults(config: unknown): Generator<Problem> {
  const [url, keys] = [get(config, 'redis', 'url'), get(config, 'encryption', 'keys')];
  if (typeof url === 'string' && url !== '' && Array.isArray(keys) && keys.length === 0) {
    yield {
      path: ['encryption', 'keys'],
      message: 'has no key, and an external Redis needs one: openssl rand -base64 32',
    };
  }
}

function* namedStreamFaults(config: unknown): Generator<Problem> {
  const streams = get(config, 'streams');
  if (!isSection(streams)) return;
  const message = `names no stream of this file; configured are: ${Object.keys(streams).join(', ') || 'none'}`;
  const isStrange = (stream: unknown) => typeof stream === 'string' && !Object.hasOwn(streams, stream);
  for (const name of keysOf(get(config, 'alerts', 'sinks')))
    if (isStrange(get(config, 'alerts', 'sinks', name, 'stream')))
      yield { path: ['alerts', 'sinks', name, 'stream'], message };
  for (const name of keysOf(get(config, 'webhooks'))) {
    const wanted = get(config, 'webhooks', name, 'streams');
    for (const [index, stream] of (Array.isArray(wanted) ? wanted : []).entries())
      if (isStrange(stream)) yield { path: ['webhooks', name, 'streams', index], message };
  }
}

const keysOf = (value: unknown) => (isSection(value) ? Object.keys(value) : []);

function get(value: unknown, ...path: string[]): unknown {
  return path.reduce<unknown>((at, key) => (isSection(at) && Object.hasOwn(at, key) ? at[key] : undefined), value);
}

const isNumber = (value: unknown): value is number => typeof value === 'number';
