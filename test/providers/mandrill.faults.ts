// Every fault of Mandrill's own, and what the hand-over comes to: for the contract suite, and for tests of the whole service.
import type { HttpFault, HttpReply } from '../support/http-server.ts';
import type { FaultCase } from './contract.ts';
import { httpFaults } from './http.faults.ts';
import { apiKey, mandrillError } from './mandrill.fake.ts';

type MandrillFault = FaultCase<HttpFault>;

function said(
  name: string,
  reply: HttpReply,
  outcome: MandrillFault['outcome'],
  reason: MandrillFault['reason'],
  taken = false,
): MandrillFault {
  return { name, fault: { reply, taken }, outcome, reason, taken };
}

function error(
  name: string,
  message: string,
  outcome: MandrillFault['outcome'],
  reason: MandrillFault['reason'],
  status = 500,
): MandrillFault {
  return said(`${status} ${name}: ${message}`, mandrillError(name, message, -1, status), outcome, reason);
}

function answer(
  entry: Record<string, unknown>,
  outcome: MandrillFault['outcome'],
  reason: MandrillFault['reason'],
): MandrillFault {
  const body = JSON.stringify([{ email: 'ada@example.com', _id: 'abc123', reject_reason: null, ...entry }]);
  // What Mandrill says that it has sent or queued, it has kept.
  const taken = entry.status !== 'rejected' && entry.status !== 'invalid';
  return said(Object.values(entry).join(': '), { status: 200, body }, outcome, reason, taken);
}

const queued = (queued_reason: string | null) => ({ status: 'queued', queued_reason });
const rejected = (reject_reason: string | null) => ({ status: 'rejected', reject_reason });

const answers: readonly MandrillFault[] = [
  answer({ status: 'sent' }, 'accepted', null),
  answer({ status: 'scheduled' }, 'accepted', null),
  answer({ status: 'queued' }, 'accepted', null),
  answer(queued(null), 'accepted', null),
  answer(queued('attachments'), 'accepted', null),
  answer(queued('multiple-recipients'), 'accepted', null),
  answer(queued('sending-paused'), 'parked', 'account_suspended'),
  answer(queued('sending-suspended'), 'parked', 'account_suspended'),
  answer(queued('account-suspended'), 'parked', 'account_suspended'),
  answer(queued('free-trial-sends-exhausted'), 'parked', 'quota_exceeded'),
  answer(queued('hourly-quota-exhausted'), 'parked', 'quota_exceeded'),
  answer(queued('monthly-limit-reached'), 'parked', 'quota_exceeded'),
  answer(queued('sending-backlogged'), 'parked', 'backlogged'),
  answer(queued('a-reason-to-come'), 'accepted', null),
  answer(rejected('hard-bounce'), 'rejected', 'recipient_suppressed'),
  answer(rejected('soft-bounce'), 'rejected', 'recipient_suppressed'),
  answer(rejected('spam'), 'rejected', 'recipient_suppressed'),
  answer(rejected('unsub'), 'rejected', 'recipient_suppressed'),
  answer(rejected('custom'), 'rejected', 'recipient_suppressed'),
  answer(rejected('invalid'), 'rejected', 'recipient_invalid'),
  answer(rejected('rule'), 'rejected', 'content_rejected'),
  answer(rejected('invalid-sender'), 'refused', 'sender_not_verified'),
  answer(rejected('unsigned'), 'refused', 'sender_not_verified'),
  answer(rejected('test-mode-limit'), 'refused', 'quota_exceeded'),
  answer(rejected('a-reason-to-come'), 'refused', 'unmapped'),
  answer(rejected(null), 'refused', 'unmapped'),
  answer({ status: 'invalid' }, 'rejected', 'recipient_invalid'),
  answer({ status: 'a-status-to-come' }, 'unknown', 'unmapped'),
  said('an empty list', { status: 200, body: '[]' }, 'unknown', 'unreadable_response', true),
  said('a list of nothing', { status: 200, body: '[null]' }, 'unknown', 'unmapped', true),
  said('an object', { status: 200, body: '{}' }, 'unknown', 'unreadable_response', true),
];

const errors: readonly MandrillFault[] = [
  error('Invalid_Key', 'Invalid API key', 'refused', 'invalid_credentials'),
  error('Invalid_Key', `Invalid API key ${apiKey}`, 'refused', 'invalid_credentials', 401),
  error('Invalid_Key', 'Invalid API key', 'refused', 'invalid_credentials', 200),
  error('PaymentRequired', 'The requested feature requires payment.', 'refused', 'plan_required'),
  error('PaymentRequired', 'The requested feature requires payment.', 'refused', 'plan_required', 402),
  error('PoorReputation', 'Your reputation is too low', 'refused', 'account_suspended'),
  error('Unknown_Subaccount', "No subaccount exists with the id 'acme'", 'refused', 'invalid_credentials'),
  error('Invalid_Tag_Name', 'The tag name is not valid', 'refused', 'unsupported'),
  error('ValidationError', 'You must specify a key value', 'refused', 'invalid_message'),
  error(
    'ValidationError',
    'Validation error: {"message":{"html":"Please enter a value"}}',
    'refused',
    'invalid_message',
  ),
  error(
    'ValidationError',
    'Validation error: {"message":{"from_email":"An email address must contain a single @"}}',
    'refused',
    'sender_not_verified',
  ),
  error(
    'ValidationError',
    'Validation error: {"message":{"to":[{"email":"The domain portion of ada@example.com is invalid"}]}}',
    'rejected',
    'recipient_invalid',
    400,
  ),
  error('GeneralError', 'An unexpected error occurred', 'unknown', 'provider_error'),
  error('ServiceUnavailable', 'The subsystem is down for maintenance', 'unknown', 'provider_error', 503),
  error('GeneralError', 'This account has been suspended', 'refused', 'account_suspended'),
  error('ErrorToCome', 'Something new', 'unknown', 'unmapped'),
  error('ErrorToCome', 'Something new', 'refused', 'unmapped', 403),
  error('GeneralError', 'Too many requests', 'failed', 'rate_limited', 429),
  said('413 from a proxy', { status: 413, body: '<h1>Request Entity Too Large</h1>' }, 'refused', 'too_large'),
];

export const mandrillFaults: readonly MandrillFault[] = [...httpFaults, ...answers, ...errors];
