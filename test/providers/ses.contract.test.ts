// The SES adapter against an SES that misbehaves: the shared contract, and every fault with its outcome.
import { createSes } from '../../providers/ses/index.ts';
import { testProvider } from './contract.ts';
import { httpFaults, httpSilence } from './http.faults.ts';
import { quietParts } from './parts.ts';
import { startSesServer } from './ses.fake.ts';
import { sesFaults } from './ses.faults.ts';
import { sesKeys, sesTestSettings } from './ses.parts.ts';
import { testStrangers } from './strangers.ts';

testProvider({
  name: 'SES',
  async start() {
    const server = await startSesServer(sesKeys);
    return {
      provider: createSes('ses', sesTestSettings(server), quietParts()),
      setFault: server.setFault,
      taken: () =>
        server.taken.map(({ tags, destinations }) => ({ id: tags.mailover_id ?? null, recipients: destinations })),
      open: () => server.open,
      secrets: [sesKeys.secretAccessKey, sesKeys.accessKeyId],
      close: server.close,
    };
  },
  faults: [...httpFaults, ...sesFaults],
  silence: httpSilence,
});

testStrangers('SES', (endpoint) => createSes('ses', sesTestSettings({ url: endpoint }), quietParts()));
