// The SendGrid adapter against a server that misbehaves: the shared contract, and every fault with its outcome.
import { sendgrid } from '../../providers/sendgrid/index.ts';
import { testProvider } from './contract.ts';
import { httpSilence } from './http.faults.ts';
import { quietParts } from './parts.ts';
import { everybody, sendgridKey, sendgridTestSettings, startSendgrid } from './sendgrid.fake.ts';
import { sendgridFaults } from './sendgrid.faults.ts';
import { testStrangers } from './strangers.ts';

testProvider({
  name: 'SendGrid',
  async start() {
    const server = await startSendgrid();
    return {
      provider: sendgrid.create('sendgrid', sendgridTestSettings(server), quietParts()),
      setFault: server.setFault,
      taken: () =>
        server.mails.map((mail) => ({ id: mail.custom_args?.mailover_id ?? null, recipients: everybody(mail) })),
      open: () => server.http.open,
      secrets: [sendgridKey],
      close: server.close,
    };
  },
  faults: sendgridFaults,
  silence: httpSilence,
});

testStrangers('SendGrid', (url) => sendgrid.create('sendgrid', sendgridTestSettings({ url }), quietParts()));
