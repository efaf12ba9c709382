// What every provider must do, whatever its wire: one suite for all of them. A provider brings a far side that misbehaves on demand.
import { afterEach, describe, expect, test } from 'vitest';
import type { Mail, Outcome, Provider, Reason, Result } from '../../providers/provider.ts';
import { until } from '../support/until.ts';
import { testContext, testMail } from './mail.ts';

/** One provider and its far side, both new. `Fault` is whatever the far side understands. */
export interface Subject<Fault> {
  readonly provider: Provider;
  setFault(fault: Fault | null): void;
  /** What the far side took, one entry a mail: our message id, and whom it was told to reach. */
  taken(): readonly { readonly id: string | null; readonly recipients: readonly string[] }[];
  /** How many connections the far side has open; absent where there are none to count. */
  open?(): number;
  /** What must never be seen in a result. */
  readonly secrets: readonly string[];
  /** Takes the far side away. */
  close(): Promise<void>;
}

/** One row of the table: this fault, this result. */
export interface FaultCase<Fault> {
  readonly name: string;
  readonly fault: Fault;
  readonly outcome: Outcome;
  readonly reason: Reason | null;
  /** Did the far side keep the mail? */
  readonly taken: boolean;
  readonly mail?: () => Mail;
  /** For faults that are only noticed by the clock. */
  readonly timeoutMs?: number;
}

/** Declares the suite. `silence` is a fault that never gets an answer. */
export function testProvider<Fault>(suite: {
  readonly name: string;
  start(): Promise<Subject<Fault>>;
  readonly faults: readonly FaultCase<Fault>[];
  readonly silence: Fault;
  /** False where nothing far away is needed to send. */
  readonly remote?: boolean;
}): void {
  describe(`${suite.name} keeps the contract`, () => {
    const started: Subject<Fault>[] = [];
    const start = async () => {
      const subject = await suite.start();
      started.push(subject);
      return subject;
    };
    afterEach(async () => {
      for (const subject of started.splice(0)) {
        await subject.provider.close();
        await subject.close();
      }
    });

    test('hands a mail over', async () => {
      const { provider, taken } = await start();
      const mail = testMail();
      const result = await provider.send(mail, testContext());
      expect(result).toMatchObject({ outcome: 'accepted', reason: null });
      expect(result.recipients ?? []).toEqual([]);
      expect(taken()).toEqual([{ id: mail.id, recipients: ['ada@example.com'] }]);
    });

    test.each(suite.faults)('$name: $outcome, $reason', async ({ fault, outcome, reason, taken, mail, timeoutMs }) => {
      const subject = await start();
      const { provider, setFault } = subject;
      setFault(fault);
      const context = testContext(timeoutMs);
      const begun = performance.now();
      const sent = mail?.() ?? testMail();
      const result = await provider.send(sent, context);
      expect(performance.now() - begun).toBeLessThan(context.timeoutMs + 1_000);
      expect([result.outcome, result.reason, result.detail]).toEqual([outcome, reason, expect.any(String)]);
      expect(result.detail.length).toBeGreaterThan(0);
      expect(result.detail.length).toBeLessThanOrEqual(500);
      for (const secret of subject.secrets) expect(JSON.stringify(result)).not.toContain(secret);
      for (const address of sent.recipients) expect(result.detail).not.toContain(address);
      expect(subject.taken().some(({ id }) => id === sent.id)).toBe(taken);
      // The table itself may not lie: what the far side kept was never certainly not sent.
      expect(taken && certainlyNotSent(result)).toBe(false);

      setFault(null);
      expect(await provider.send(testMail(), testContext())).toMatchObject({ outcome: 'accepted' });
    });

    test('settles when its time is up', async () => {
      const { provider, setFault, taken } = await start();
      setFault(suite.silence);
      const begun = performance.now();
      const result = await provider.send(testMail(), testContext(250));
      expect(performance.now() - begun).toBeLessThan(1_250);
      expect(result.reason).toBe('timeout');
      expect(taken().length > 0 ? ['unknown'] : ['unknown', 'failed']).toContain(result.outcome);
    });

    test('settles when it is told to stop, long before its time is up', async () => {
      const { provider, setFault } = await start();
      setFault(suite.silence);
      const stop = new AbortController();
      const sending = provider.send(testMail(), testContext(60_000, stop.signal));
      const begun = performance.now();
      stop.abort();
      expect(await sending).toMatchObject({ reason: 'timeout' });
      expect(performance.now() - begun).toBeLessThan(1_000);
    });

    test('sends nothing when it is told to stop before it begins', async () => {
      const { provider, taken } = await start();
      const result = await provider.send(testMail(), testContext(5_000, AbortSignal.abort()));
      expect(result).toMatchObject({ outcome: 'failed', reason: 'timeout' });
      expect(taken()).toEqual([]);
    });

    test('keeps many hand-overs apart', async () => {
      const { provider, taken } = await start();
      const mails = Array.from({ length: 20 }, (_, i) =>
        testMail({ to: [{ name: '', address: `reader${i}@example.com` }], subject: `Number ${i}` }),
      );
      const results = await Promise.all(mails.map((mail) => provider.send(mail, testContext())));
      expect(results.map(({ outcome }) => outcome)).toEqual(mails.map(() => 'accepted'));
      const ids = results.map((result) => (result.outcome === 'accepted' ? result.providerMessageId : null));
      expect(new Set(ids).size).toBe(20);
      const byId = new Map(taken().map(({ id, recipients }) => [id, recipients]));
      expect(byId).toEqual(new Map(mails.map(({ id, recipients }) => [id, recipients])));
    });

    test('reaches the recipients of this hand-over, and nobody else', async () => {
      const { provider, taken } = await start();
      const mail = testMail({
        to: [
          { name: '', address: 'to@example.com' },
          { name: '', address: 'done@example.com' },
        ],
        cc: [{ name: '', address: 'cc@example.com' }],
        bcc: [{ name: '', address: 'bcc@example.com' }],
        recipients: ['to@example.com', 'bcc@example.com'],
      });
      expect(await provider.send(mail, testContext())).toMatchObject({ outcome: 'accepted' });
      expect(taken().flatMap(({ recipients }) => recipients)).toEqual(['to@example.com', 'bcc@example.com']);
    });

    test('says before the wire that it can carry a plain mail', async () => {
      const { provider } = await start();
      expect(provider.unsupported(testMail())).toBeNull();
    });

    const gone = async () => {
      const { provider, close } = await start();
      await close();
      expect(await provider.send(testMail(), testContext())).toMatchObject({ outcome: 'failed' });
      if (provider.account)
        expect(await provider.account(new AbortController().signal)).toMatchObject({ status: 'unknown' });
    };
    if (suite.remote !== false) test('does not throw when the far side is gone', gone);

    test('lets go of every connection when it closes', async () => {
      const { provider, open } = await start();
      await Promise.all(Array.from({ length: 8 }, () => provider.send(testMail(), testContext())));
      await provider.close();
      await until(() => (open?.() ?? 0) === 0, { within: 3_000, what: 'the connections to be closed' });
    });
  });
}

function certainlyNotSent({ outcome }: Result): boolean {
  return outcome === 'failed' || outcome === 'refused' || outcome === 'rejected';
}
