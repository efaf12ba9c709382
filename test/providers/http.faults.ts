// The faults that befall any provider behind HTTP, and what a hand-over comes to: every HTTP adapter crosses this table.
import type { HttpFault } from '../support/http-server.ts';
import type { FaultCase } from './contract.ts';
import { bigMail } from './mail.ts';

type HttpFaultCase = FaultCase<HttpFault>;

// Too long for the buffers between two sockets, short enough for providers that take 10 MB.
const longMail = () => bigMail(6 * 1024 * 1024);
const shortly = 400;
const page = (status: number) => `<html><head><title>${status}</title></head><body><h1>${status}</h1></body></html>`;

/** A page in HTML as proxies show it, in place of the provider's answer. */
export function htmlReply(status: number): { status: number; headers: Record<string, string>; body: string } {
  return { status, headers: { 'content-type': 'text/html' }, body: page(status) };
}

/** Faults that leave no doubt: nothing was sent. */
const beforeTheRequest: readonly HttpFaultCase[] = [
  {
    name: 'nobody listens',
    fault: { act: 'refuse' },
    outcome: 'failed',
    reason: 'connection_failed',
    taken: false,
  },
  ...(['close', 'reset'] as const).map(
    (act): HttpFaultCase => ({
      name: `amid the request: ${act}`,
      fault: { at: 'head', act },
      outcome: 'failed',
      reason: 'connection_lost',
      taken: false,
      mail: longMail,
    }),
  ),
  {
    name: 'amid the request: silence',
    fault: { at: 'head', act: 'silence' },
    outcome: 'failed',
    reason: 'timeout',
    taken: false,
    mail: longMail,
    timeoutMs: 800,
  },
];

/** The request was written, and may have arrived: nobody can tell from here. */
const withoutAnswer: readonly HttpFaultCase[] = (['connect', 'request'] as const).flatMap((at) =>
  (
    [
      ['close', 'connection_lost'],
      ['reset', 'connection_lost'],
      ['silence', 'timeout'],
      ['garbage', 'unreadable_response'],
    ] as const
  ).map(
    ([act, reason]): HttpFaultCase => ({
      name: `${at === 'connect' ? 'before reading a byte' : 'after the request'}: ${act}`,
      fault: { at, act },
      outcome: 'unknown',
      reason,
      taken: at === 'request',
      ...(act === 'silence' && { timeoutMs: shortly }),
    }),
  ),
);

/** Taken, and answered in a way that cannot be read. For a provider that answers without a body, leave out those named there. */
const spoiltAnswers: readonly HttpFaultCase[] = (
  [
    ['truncated', 'unreadable_response'],
    ['cut', 'unreadable_response'],
    ['empty', 'unreadable_response'],
    ['flood', 'unreadable_response'],
    ['drip', 'timeout'],
  ] as const
).map(
  ([answer, reason]): HttpFaultCase => ({
    name: `the answer: ${answer}`,
    fault: { answer },
    outcome: 'unknown',
    reason,
    taken: true,
    ...(answer === 'drip' && { timeoutMs: shortly }),
  }),
);

/** Answers that are not the provider's own: of proxies, of other sites. */
const foreignAnswers: readonly HttpFaultCase[] = [
  ...[500, 502, 503, 504].map(
    (status): HttpFaultCase => ({
      name: `a page in HTML: ${status}`,
      fault: { reply: htmlReply(status), taken: true },
      outcome: 'unknown',
      reason: 'provider_error',
      taken: true,
    }),
  ),
  ...[400, 403, 404].map(
    (status): HttpFaultCase => ({
      name: `a page in HTML: ${status}`,
      fault: { reply: htmlReply(status) },
      outcome: 'unknown',
      reason: 'unmapped',
      taken: false,
    }),
  ),
  {
    name: 'a page in HTML: 200',
    fault: { reply: htmlReply(200) },
    outcome: 'unknown',
    reason: 'unreadable_response',
    taken: false,
  },
  ...[301, 302, 307, 308].map(
    (status): HttpFaultCase => ({
      name: `sent elsewhere: ${status}`,
      fault: { reply: { status, headers: { location: 'http://127.0.0.1:9/elsewhere' } } },
      outcome: 'failed',
      reason: 'provider_error',
      taken: false,
    }),
  ),
  {
    name: 'too many requests: 429',
    fault: { reply: { status: 429, headers: { 'retry-after': '7' }, body: '{"message":"Too many requests"}' } },
    outcome: 'failed',
    reason: 'rate_limited',
    taken: false,
  },
];

/**
 * All of them. An adapter whose provider answers success without a body (SendGrid) leaves out `the answer: truncated` and
 * `the answer: empty`: `httpFaults.filter(({ name }) => …)`.
 */
export const httpFaults: readonly HttpFaultCase[] = [
  ...beforeTheRequest,
  ...withoutAnswer,
  ...spoiltAnswers,
  ...foreignAnswers,
];

/** For the suite's `silence`: takes the mail and never answers. */
export const httpSilence: HttpFault = { at: 'request', act: 'silence' };
