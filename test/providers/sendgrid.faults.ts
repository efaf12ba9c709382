// Every answer that SendGrid is known to give to a hand-over, and what it comes to; beside them, the faults of any HTTP.
import type { Mail } from '../../providers/provider.ts';
import type { HttpFault, HttpReply } from '../support/http-server.ts';
import type { FaultCase } from './contract.ts';
import { httpFaults } from './http.faults.ts';
import { testMail } from './mail.ts';
import { errorReply, json, sendgridKey } from './sendgrid.fake.ts';

type SendgridFaultCase = FaultCase<HttpFault>;

export const twoReaders = (): Mail =>
  testMail({ to: ['ada', 'bob'].map((name) => ({ name, address: `${name}@example.com` })) });

function said(
  reply: HttpReply,
  outcome: SendgridFaultCase['outcome'],
  reason: SendgridFaultCase['reason'],
  more: Partial<SendgridFaultCase> = {},
): SendgridFaultCase {
  const kept = more.taken ?? false;
  return {
    name: `${reply.status} ${reply.body ?? ''}`.slice(0, 100),
    fault: { reply, taken: kept },
    outcome,
    reason,
    taken: kept,
    ...more,
  };
}

const reset = (seconds: number) => `${Math.ceil(Date.now() / 1_000) + seconds}`;

export const sendgridFaults: readonly SendgridFaultCase[] = [
  // 202 has no body, so that none can be spoilt.
  ...httpFaults.filter(({ name }) => !['the answer: truncated', 'the answer: empty'].includes(name)),

  said(errorReply(401, 'Maximum credits exceeded'), 'refused', 'quota_exceeded'),
  said(
    errorReply(401, 'The provided authorization grant is invalid, expired, or revoked'),
    'refused',
    'invalid_credentials',
  ),
  said(errorReply(401, `no such key: ${sendgridKey}`), 'refused', 'invalid_credentials'),
  said(errorReply(401, 'authorization required'), 'refused', 'invalid_credentials'),
  said(errorReply(401, 'Permission denied, wrong credentials'), 'refused', 'invalid_credentials'),
  said(errorReply(401, 'Authenticated user is not authorized to send mail'), 'refused', 'account_suspended'),
  said(
    errorReply(403, 'You are not authorized to access SendGrid, please contact Support.'),
    'refused',
    'account_suspended',
  ),
  said(errorReply(403, 'Your account has been temporarily suspended'), 'refused', 'account_suspended'),
  said(errorReply(403, 'access forbidden'), 'refused', 'invalid_credentials'),
  said(
    errorReply(403, 'The from address does not match a verified Sender Identity. Mail cannot be sent until …', 'from'),
    'refused',
    'sender_not_verified',
  ),
  said(errorReply(403, 'Too many bad requests. You are temporarily blocked.'), 'failed', 'rate_limited'),
  said(errorReply(403, 'a reason nobody has heard of'), 'refused', 'unmapped'),
  said(errorReply(451, 'this key belongs to a subuser of another region'), 'refused', 'invalid_credentials'),
  said(errorReply(404, 'not found'), 'refused', 'unmapped'),
  said(errorReply(406, 'missing Accept header'), 'refused', 'unmapped'),
  said(errorReply(413, 'content too large'), 'refused', 'too_large'),
  said({ status: 413, body: '<html>too large</html>' }, 'refused', 'too_large'),
  said(errorReply(415, 'Invalid UTF8 in request'), 'refused', 'invalid_message'),
  said(
    { ...errorReply(429, 'too many requests'), headers: { 'x-ratelimit-reset': reset(30) } },
    'failed',
    'rate_limited',
  ),
  said(errorReply(500, 'internal server error'), 'unknown', 'provider_error', { taken: true }),
  said(errorReply(503, 'service unavailable'), 'unknown', 'provider_error', { taken: true }),

  said(errorReply(400, 'Bad Request'), 'refused', 'unmapped'),
  said(
    errorReply(400, 'There is a limit of 10 categories for each email that is sent.', 'categories'),
    'refused',
    'invalid_message',
  ),
  said(
    errorReply(400, "The attachment type cannot contain ';', or CRLF characters.", 'attachments.0.type'),
    'refused',
    'invalid_message',
  ),
  said(errorReply(400, 'Header can not be one of the reserved keys.', 'headers'), 'refused', 'invalid_message'),
  said(errorReply(400, 'Does not contain a valid address.', 'from.email'), 'refused', 'sender_not_verified'),
  said(
    errorReply(400, 'Does not contain a valid address.', 'personalizations.0.to.0.email'),
    'rejected',
    'recipient_invalid',
  ),
  said(
    errorReply(400, 'Does not contain a valid address: ada@example.com.', 'personalizations.0.to.0.email'),
    'failed',
    'recipient_invalid',
    { name: 'one address of two is not valid', mail: twoReaders },
  ),
  said(
    errorReply(400, 'The to array must have valid email addresses.', 'personalizations.0.to'),
    'refused',
    'recipient_invalid',
    { name: 'some address of two is not valid', mail: twoReaders },
  ),
  said(json(400, { errors: [] }), 'unknown', 'unmapped'),
  said(json(400, { message: 'not as SendGrid says it' }), 'unknown', 'unmapped'),

  said({ status: 202, body: '<html>taken by somebody else</html>' }, 'unknown', 'unreadable_response'),
  said({ status: 200, body: '' }, 'unknown', 'unreadable_response', { name: '200 without a body' }),
  said({ status: 202, body: '' }, 'accepted', null, { name: '202 without an id', taken: true }),
];
