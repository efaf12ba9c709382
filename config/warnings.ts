// What is allowed but worth a word at start-up.
import type { Config } from './schema.ts';

/** Settings that work and may still not be what an operator wants, one sentence each, with the mend. */
export function warningsAbout(config: Config): string[] {
  const warnings: string[] = [];
  if (config.senders.allow.length === 0) {
    warnings.push('senders.allow is empty: any From is accepted. List your own domains, such as "*@acme.example".');
  }
  if (config.redis.durability === 'relaxed') {
    warnings.push('redis.durability is relaxed: a crash of Redis may lose accepted mail. Set it to strict.');
  }
  for (const [name, stream] of Object.entries(config.streams)) {
    if (stream.providers.length === 1) {
      warnings.push(`streams.${name}.providers has one provider: there is none to fail over to. Add a second one.`);
    }
  }
  const used = new Set(Object.values(config.streams).flatMap((stream) => stream.providers));
  for (const [name, provider] of Object.entries(config.providers)) {
    if (!used.has(name))
      warnings.push(`providers.${name} is in no stream: it gets no mail. Add it to a stream, or remove it.`);
    if (provider.type === 'smtp' && provider.tls === 'none' && !isLocal(provider.host)) {
      warnings.push(
        `providers.${name}.tls is none: mail and password cross the network in the clear. Use starttls or implicit.`,
      );
    }
  }
  return warnings;
}

const isLocal = (host: string) => host === 'localhost' || host === '::1' || host.startsWith('127.');
