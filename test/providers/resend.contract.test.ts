// The Resend adapter against a server that misbehaves: the shared contract, and every fault with its outcome.
import { resend } from '../../providers/resend/index.ts';
import { testProvider } from './contract.ts';
import { httpSilence } from './http.faults.ts';
import { quietParts } from './parts.ts';
import { resendKey, resendTestSettings, startResend, webhookSecret } from './resend.fake.ts';
import { resendFaults } from './resend.faults.ts';
import { testStrangers } from './strangers.ts';

testProvider({
  name: 'Resend',
  async start() {
    const server = await startResend();
    return {
      provider: resend.create('resend', resendTestSettings(server, { webhook_secret: webhookSecret }), quietParts()),
      setFault: server.setFault,
      taken: () => server.taken.map(({ id, recipients }) => ({ id, recipients })),
      open: () => server.http.open,
      secrets: [resendKey, webhookSecret],
      close: server.close,
    };
  },
  faults: resendFaults,
  silence: httpSilence,
});

testStrangers('Resend', (url) => resend.create('resend', resendTestSettings({ url }), quietParts()));
