// A process that uses the embedded Redis, for tests: says on its standard output what happens to it, and closes on SIGTERM.
import { startEmbedded } from '../../src/store/embedded.ts';

const say = (text: string) => process.stdout.write(`${text}\n`);
const log = {
  info: (fields: Record<string, unknown>, text: string) => say(`info ${text} ${JSON.stringify(fields)}`),
  warn: (fields: Record<string, unknown>, text: string) => say(`warn ${text} ${JSON.stringify(fields)}`),
  error: (fields: Record<string, unknown>, text: string) => say(`error ${text} ${JSON.stringify(fields)}`),
};

try {
  const embedded = await startEmbedded({
    dataDir: process.argv[2] ?? '',
    log,
    onLost: () => say('lost'),
    onBack: () => say('back'),
    ...(process.argv[3] ? { binary: process.argv[3] } : {}),
  });
  process.once('SIGTERM', async () => {
    await embedded.close();
    say('closed');
  });
  say(`ready ${embedded.socketPath}`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
