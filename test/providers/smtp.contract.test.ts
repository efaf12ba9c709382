// The SMTP adapter against a relay that misbehaves: the shared contract, and every fault with its outcome.
import { smtp } from '../../providers/smtp/index.ts';
import { startSmtpServer } from '../support/smtp-server.ts';
import { testProvider } from './contract.ts';
import { quietParts, smtpTestSettings } from './parts.ts';
import { smtpFaults } from './smtp.faults.ts';

const auth = { user: 'acme', password: 'made-up-password-7' };

for (const extensions of [undefined, []]) {
  testProvider({
    name: extensions ? 'SMTP, a command at a time,' : 'SMTP',
    async start() {
      const server = await startSmtpServer({ auth, ...(extensions ? { extensions } : {}) });
      return {
        provider: smtp.create('relay', smtpTestSettings(server, auth), quietParts()),
        setFault: server.setFault,
        taken: () => server.received.map(({ id, to }) => ({ id, recipients: to })),
        open: () => server.open,
        secrets: [auth.password, Buffer.from(`\0${auth.user}\0${auth.password}`).toString('base64')],
        close: server.close,
      };
    },
    faults: smtpFaults,
    silence: { at: 'dot', act: 'silence' },
  });
}
