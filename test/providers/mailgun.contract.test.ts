// The Mailgun adapter against a server that misbehaves: the shared contract, and every fault with its outcome.
import { mailgun } from '../../providers/mailgun/index.ts';
import { testProvider } from './contract.ts';
import { httpSilence } from './http.faults.ts';
import { mailgunKey, mailgunTestSettings, startMailgun } from './mailgun.fake.ts';
import { mailgunFaults } from './mailgun.faults.ts';
import { quietParts } from './parts.ts';
import { testStrangers } from './strangers.ts';

const webhook_signing_key = 'made-up-signing-key';

testProvider({
  name: 'Mailgun',
  async start() {
    const server = await startMailgun();
    return {
      provider: mailgun.create('mailgun', mailgunTestSettings(server, { webhook_signing_key }), quietParts()),
      setFault: server.setFault,
      taken: () => server.mails.map(({ id, envelope }) => ({ id, recipients: envelope })),
      open: () => server.http.open,
      secrets: [mailgunKey, Buffer.from(`api:${mailgunKey}`).toString('base64'), webhook_signing_key],
      close: server.close,
    };
  },
  faults: mailgunFaults,
  silence: httpSilence,
});

testStrangers('Mailgun', (url) => mailgun.create('mailgun', mailgunTestSettings({ url }), quietParts()));
