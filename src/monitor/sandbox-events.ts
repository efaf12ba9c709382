// The sandbox providers' webhooks: events that have come due are recorded as if they had been posted to us.

import type { SandboxStore } from '../store/sandbox.ts';
import { type RecordParts, recordEvent } from '../webhooks/record.ts';
import type { Chore } from './chore.ts';

/** Records what is due. An event whose recording fails comes again. */
export function sandboxEventsChore(sandbox: SandboxStore, parts: RecordParts): Chore {
  return {
    name: 'sandbox-events',
    everyMs: 0,
    async run() {
      for (;;) {
        const due = await sandbox.due(parts.clock(), 200);
        if (due.length === 0) return;
        await Promise.all(
          due.map(async ({ provider, event, done }) => {
            await parts.saw(provider);
            await recordEvent(parts, provider, event);
            await done();
          }),
        );
      }
    },
  };
}
