// What adapters are made of in tests: parts without a service around them, settings that differ from the defaults only where they must.
import type { ProviderParts, SandboxState } from '../../providers/provider.ts';
import { type SmtpSettings, smtpSettings } from '../../providers/smtp/settings.ts';
import type { SmtpServer } from '../support/smtp-server.ts';

/** Parts whose log is kept in `warnings`, if that is given. */
export function quietParts(sandbox: SandboxState = noSandbox, warnings: unknown[] = []): ProviderParts {
  return { clock: Date.now, log: { warn: (fields, text) => warnings.push({ ...fields, text }) }, sandbox };
}

const noSandbox: SandboxState = {
  behaviour: async () => null,
  deliver: async () => {},
  announce: async () => {},
};

/** Settings that reach `server`, in the clear unless `more` says otherwise. */
export function smtpTestSettings(
  server: Pick<SmtpServer, 'host' | 'port'>,
  more: Partial<Record<keyof SmtpSettings, unknown>> = {},
): SmtpSettings {
  const { host, port } = server;
  return smtpSettings.parse({ type: 'smtp', host, port, tls: 'none', connect_timeout: '1s', ...more });
}
