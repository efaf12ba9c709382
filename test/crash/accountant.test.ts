// The accountant finds every kind of lie: books that are right, and each way in which they may be wrong.
import { expect, test } from 'vitest';
import { account, type Books, type Shown } from './accountant.ts';

const address = 'ada@example.com';
const message: Shown = {
  id: 'em_1',
  status: 'sent',
  reason: null,
  possible_duplicate: false,
  to: [address],
  attempts: [{ provider: 'first', outcome: 'accepted' }],
};
const copy = { provider: 'first', id: 'em_1', recipient: address };
const right: Books = {
  tries: [{ address, answer: 'accepted', id: 'em_1' }],
  copies: [copy],
  messages: [message],
  listedAs: new Map([['em_1', ['sent']]]),
  rescued: 0,
  idempotent: ['second'],
};
const outcomes = (...list: (readonly [string, string | null])[]) =>
  list.map(([provider, outcome]) => ({ provider, outcome }));
const twice = { ...copy, provider: 'second' };
const unsure = { ...message, attempts: outcomes(['first', 'unknown'], ['second', 'accepted']) };
const saidSo = { ...unsure, possible_duplicate: true };

test('books that are right', () => {
  expect(account(right)).toEqual({
    ...{ faults: [], accepted: 1, unsure: 0, sent: 1, otherEnds: {}, lost: 0, extraCopies: 0, unknown: 0, rescued: 0 },
  });
});

const fine: readonly (readonly [string, Partial<Books>])[] = [
  ['a second copy that is on record', { messages: [saidSo], copies: [copy, twice] }],
  ['an uncertain attempt that sent nothing', { messages: [saidSo], copies: [twice] }],
  [
    'a rescue',
    {
      messages: [{ ...saidSo, attempts: outcomes(['first', 'accepted'], ['second', 'accepted']) }],
      copies: [copy, twice],
      rescued: 1,
    },
  ],
  [
    'no answer, and nothing done',
    { tries: [...right.tries, { address: 'b@example.com', answer: 'unsure', id: null }] },
  ],
  ['no answer, and yet taken', { tries: [{ address, answer: 'unsure', id: null }] }],
  [
    'held, for a reason',
    {
      messages: [{ ...message, status: 'held', reason: 'on_unknown', attempts: outcomes(['first', 'unknown']) }],
      listedAs: new Map([['em_1', ['held']]]),
    },
  ],
  [
    'the same key twice at a provider that keeps keys',
    {
      messages: [{ ...saidSo, attempts: outcomes(['second', 'unknown'], ['second', 'accepted']) }],
      copies: [twice],
    },
  ],
];
test.each(fine)('%s is no fault', (_, books) => {
  expect(account({ ...right, ...books }).faults).toEqual([]);
});

const status = (to: string, more: Partial<Shown> = {}): Partial<Books> => ({
  messages: [{ ...message, status: to, ...more }],
  listedAs: new Map([['em_1', [to]]]),
});
const wrong: readonly (readonly [string, Partial<Books>, RegExp])[] = [
  ['accepted and gone', { messages: [], copies: [], listedAs: new Map() }, /accepted, and gone/],
  ['sent to nobody', { copies: [] }, /no provider has it/],
  ['still under way', status('queued'), /has not ended/],
  ['ended without a reason', status('failed'), /gives no reason/],
  ['in two lists', { listedAs: new Map([['em_1', ['queued', 'sent']]]) }, /listed as queued and sent/],
  ['in no list', { listedAs: new Map() }, /listed as nothing/],
  ['an attempt left open', { messages: [{ ...message, attempts: outcomes(['first', null]) }] }, /still open/],
  ['twice without a word', { messages: [unsure], copies: [copy, twice] }, /went out 2 times and does not say so/],
  ['a copy without a cause', { copies: [copy, copy] }, /first has 2 copies, of which 1 are on record/],
  ['a copy after a certain no', { copies: [copy, twice] }, /second has 1 copies, of which 0/],
  [
    'taken twice without a rescue',
    {
      messages: [{ ...saidSo, attempts: outcomes(['first', 'accepted'], ['second', 'accepted']) }],
      copies: [copy, twice],
    },
    /1 messages were taken twice, and only 0/,
  ],
  [
    'said to be taken by another one',
    { messages: [{ ...message, attempts: outcomes(['second', 'accepted']) }] },
    /second is said to have taken 1 and has 0/,
  ],
  ['sent though refused', { tries: [{ address, answer: 'refused', id: null }] }, /it was refused/],
  ['sent though nobody asked', { tries: [] }, /nobody asked/],
  ['taken in twice', { tries: [{ address, answer: 'accepted', id: 'em_2' }] }, /it was accepted as em_2/],
  ['sent and not known', { copies: [copy, { ...copy, id: 'em_9' }] }, /em_9 .* the service does not know it/],
];
test.each(wrong)('%s', (_, books, fault) => {
  expect(account({ ...right, ...books }).faults.join('\n')).toMatch(fault);
});
