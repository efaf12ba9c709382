// Every answer that Mailgun is known to give to a hand-over, and what it comes to; beside them, the faults of any HTTP.
import type { Mail } from '../../providers/provider.ts';
import type { HttpFault, HttpReply } from '../support/http-server.ts';
import type { FaultCase } from './contract.ts';
import { httpFaults } from './http.faults.ts';
import { testMail } from './mail.ts';
import { json, mailgunKey, refusal } from './mailgun.fake.ts';

type MailgunFaultCase = FaultCase<HttpFault>;

export const twoReaders = (): Mail =>
  testMail({ to: ['ada', 'bob'].map((name) => ({ name, address: `${name}@example.com` })) });

function said(
  reply: HttpReply,
  outcome: MailgunFaultCase['outcome'],
  reason: MailgunFaultCase['reason'],
  more: Partial<MailgunFaultCase> = {},
): MailgunFaultCase {
  const kept = more.taken ?? false;
  return {
    name: `${reply.status} ${reply.body ?? ''}`.slice(0, 120),
    fault: { reply, taken: kept },
    outcome,
    reason,
    taken: kept,
    ...more,
  };
}

const notAllowed = (status: number, why: string) =>
  refusal(status, `Domain mg.acme.example is not allowed to send: ${why}`);
const sandboxOnly =
  'Sandbox subdomains are for test purposes only. Please add your own domain or add the address to authorized recipients in Account Settings.';
const probation =
  'You are sending too fast. Your account is on probation and the account has been temporarily disabled.';
const notValid = "'to' parameter is not a valid address. please check documentation";

export const mailgunFaults: readonly MailgunFaultCase[] = [
  ...httpFaults,

  said({ status: 401, headers: { 'content-type': 'text/plain' }, body: 'Forbidden' }, 'refused', 'invalid_credentials'),
  said(refusal(401, 'Invalid private key'), 'refused', 'invalid_credentials'),
  said(refusal(401, `no such key: ${mailgunKey}`), 'refused', 'invalid_credentials'),
  said(refusal(402, 'Payment Required'), 'refused', 'plan_required'),
  said(refusal(404, 'Domain not found: mg.acme.example'), 'refused', 'invalid_credentials'),
  said({ status: 404, headers: { 'content-type': 'text/plain' }, body: '404 page not found' }, 'unknown', 'unmapped'),
  ...[400, 403, 421, 429].map((status) => said(notAllowed(status, 'Account disabled'), 'refused', 'account_suspended')),
  said(notAllowed(403, 'Account Inactivity'), 'refused', 'account_suspended'),
  said(notAllowed(403, 'Domain is disabled'), 'refused', 'account_suspended'),
  said(notAllowed(400, 'The account is not activated. Please check your inbox'), 'refused', 'account_suspended'),
  said(notAllowed(400, probation), 'refused', 'account_suspended'),
  said(notAllowed(500, 'Account disabled'), 'refused', 'account_suspended'),
  said(notAllowed(403, sandboxOnly), 'refused', 'plan_required'),
  said(notAllowed(400, 'Free accounts are for test purposes only. Please upgrade'), 'refused', 'plan_required'),
  said(notAllowed(400, 'The domain is unverified and requires DNS configuration.'), 'refused', 'sender_not_verified'),
  said(notAllowed(400, 'recipient limit exceeded'), 'refused', 'quota_exceeded'),
  said(notAllowed(429, 'recipient limit exceeded, try again after 2026-11-22'), 'refused', 'quota_exceeded'),
  said(notAllowed(429, 'request limit exceeded'), 'refused', 'quota_exceeded'),
  said(refusal(403, 'Your account has been suspended.'), 'refused', 'account_suspended'),
  said(refusal(403, 'a reason nobody has heard of'), 'refused', 'unmapped'),
  said(refusal(413, 'request body too large'), 'refused', 'too_large'),
  said({ status: 413, body: '<html>too large</html>' }, 'refused', 'too_large'),
  said(refusal(429, 'rate limit exceeded'), 'failed', 'rate_limited'),
  said(refusal(500, 'Internal Server Error'), 'unknown', 'provider_error', { taken: true }),
  said(refusal(503, 'Service Unavailable'), 'unknown', 'provider_error', { taken: true }),

  said(refusal(400, notValid), 'rejected', 'recipient_invalid'),
  said(refusal(400, notValid), 'refused', 'recipient_invalid', {
    name: 'some address of two is not valid',
    mail: twoReaders,
  }),
  said(refusal(400, `to parameter is not a valid address: ada@example.com`), 'failed', 'recipient_invalid', {
    name: 'one address of two is not valid',
    mail: twoReaders,
  }),
  said(refusal(400, 'from parameter is not a valid address'), 'refused', 'invalid_message'),
  said(refusal(400, "Need at least one of 'text' or 'html' parameters specified"), 'refused', 'invalid_message'),
  said(refusal(400, 'Send options are limited to 16 kB total'), 'refused', 'invalid_message'),
  said(refusal(400, 'a fault nobody has heard of'), 'refused', 'unmapped'),
  said(json(400, ['not as Mailgun says it']), 'unknown', 'unmapped'),

  said({ status: 200, body: 'Mailgun Magnificent API' }, 'refused', 'provider_error'),
  said(json(200, { message: 'Queued. Thank you.' }), 'unknown', 'unreadable_response', { taken: true }),
  said(json(200, { id: '<1@mg.acme.example>', message: 'Set aside for now.' }), 'unknown', 'unmapped', { taken: true }),
];
