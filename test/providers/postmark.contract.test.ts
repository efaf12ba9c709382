// The Postmark adapter against a server that misbehaves: the shared contract, and every fault with its outcome.
import { postmark } from '../../providers/postmark/index.ts';
import { testProvider } from './contract.ts';
import { httpSilence } from './http.faults.ts';
import { quietParts } from './parts.ts';
import { postmarkTestSettings, serverToken, startPostmark } from './postmark.fake.ts';
import { postmarkFaults } from './postmark.faults.ts';
import { testStrangers } from './strangers.ts';

const webhook = { webhook_user: 'hook', webhook_password: 'made-up-hook-password' };

testProvider({
  name: 'Postmark',
  async start() {
    const server = await startPostmark();
    return {
      provider: postmark.create('postmark', postmarkTestSettings(server, webhook), quietParts()),
      setFault: server.setFault,
      taken: () => server.taken.map(({ id, recipients }) => ({ id, recipients })),
      open: () => server.http.open,
      secrets: [serverToken, webhook.webhook_password],
      close: server.close,
    };
  },
  faults: postmarkFaults,
  silence: httpSilence,
});

testStrangers('Postmark', (base_url) =>
  postmark.create('postmark', postmarkTestSettings({ url: base_url }), quietParts()),
);
