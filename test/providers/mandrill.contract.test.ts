// The Mandrill adapter against a server that misbehaves: the shared contract, and every fault with its outcome.
import { mandrill } from '../../providers/mandrill/index.ts';
import { testProvider } from './contract.ts';
import { httpSilence } from './http.faults.ts';
import { apiKey, mandrillTestSettings, startMandrill, webhookKey, webhookUrl } from './mandrill.fake.ts';
import { mandrillFaults } from './mandrill.faults.ts';
import { quietParts } from './parts.ts';
import { testStrangers } from './strangers.ts';

const webhook = { webhook_key: webhookKey, webhook_url: webhookUrl };

testProvider({
  name: 'Mandrill',
  async start() {
    const server = await startMandrill();
    return {
      provider: mandrill.create('mailchimp', mandrillTestSettings(server, webhook), quietParts()),
      setFault: server.setFault,
      taken: () => server.taken.map(({ id, recipients }) => ({ id, recipients })),
      open: () => server.http.open,
      secrets: [apiKey, webhookKey],
      close: server.close,
    };
  },
  faults: mandrillFaults,
  silence: httpSilence,
});

testStrangers('Mandrill', (url) => mandrill.create('mailchimp', mandrillTestSettings({ url }), quietParts()));
