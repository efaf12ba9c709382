// A provider is asked once a turn whether it can carry a mail, and again when fewer recipients are left.
import { expect, test } from 'vitest';
import type { Mail, Provider, Unsupported } from '../../providers/provider.ts';
import { createFitness } from '../../src/delivery/fitness.ts';
import { testMail } from '../providers/mail.ts';

function asked(name: string, answer: Unsupported | null) {
  const mails: Mail[] = [];
  const unsupported = (mail: Mail) => {
    mails.push(mail);
    return answer;
  };
  return { mails, provider: { name, unsupported } as unknown as Provider };
}

test('each provider is asked once for the same recipients, and its own answer is given', () => {
  const fits = createFitness();
  const [able, unable] = [asked('able', null), asked('unable', { reason: 'too_large', detail: 'over 10 MB' })];
  const both = testMail({ recipients: ['ada@example.com', 'bob@example.com'] });
  for (let turn = 0; turn < 3; turn++) {
    expect(fits(able.provider, both)).toBeNull();
    expect(fits(unable.provider, both)).toEqual({ reason: 'too_large', detail: 'over 10 MB' });
  }
  expect([able.mails.length, unable.mails.length]).toEqual([1, 1]);

  const rest = testMail({ recipients: ['bob@example.com'] });
  fits(able.provider, rest);
  expect(able.mails).toEqual([both, rest]);
});
