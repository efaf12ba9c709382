// Every fault of an SMTP relay, and what the hand-over comes to: for the contract suite, and for tests of the whole service.
import type { SmtpFault } from '../support/smtp-server.ts';
import type { FaultCase } from './contract.ts';
import { bigMail, testMail } from './mail.ts';

const twoReaders = () =>
  testMail({
    to: [
      { name: '', address: 'ada@example.com' },
      { name: '', address: 'bob@example.com' },
    ],
  });

type SmtpFaultCase = FaultCase<SmtpFault | readonly SmtpFault[]>;

function said(
  at: SmtpFault['at'],
  reply: string,
  outcome: SmtpFaultCase['outcome'],
  reason: SmtpFaultCase['reason'],
): SmtpFaultCase {
  return { name: `${at}: ${reply}`, fault: { at, reply }, outcome, reason, taken: false };
}

function done(
  at: SmtpFault['at'],
  act: NonNullable<SmtpFault['act']>,
  outcome: SmtpFaultCase['outcome'],
  reason: SmtpFaultCase['reason'],
  more: Partial<SmtpFaultCase> = {},
): SmtpFaultCase {
  return {
    name: `${at}: ${act}`,
    fault: { at, act },
    outcome,
    reason,
    taken: at === 'dot',
    timeoutMs: at === 'body' ? 1_500 : 400,
    ...more,
  };
}

export const smtpFaults: readonly SmtpFaultCase[] = [
  said('greeting', '421 4.3.2 too busy', 'failed', 'rate_limited'),
  said('greeting', '450 4.3.2 not now', 'failed', 'provider_error'),
  said('greeting', '554 5.7.1 your address is blocked', 'refused', 'account_suspended'),
  said('greeting', '250 hello?', 'failed', 'unreadable_response'),
  done('greeting', 'close', 'failed', 'connection_lost'),
  done('greeting', 'reset', 'failed', 'connection_lost'),
  done('greeting', 'silence', 'failed', 'timeout'),
  done('greeting', 'half', 'failed', 'connection_lost'),
  done('greeting', 'drip', 'failed', 'timeout'),
  done('greeting', 'garbage', 'failed', 'unreadable_response'),
  done('greeting', 'flood', 'failed', 'unreadable_response'),

  said('ehlo', '421 4.3.2 shutting down', 'failed', 'rate_limited'),
  done('ehlo', 'silence', 'failed', 'timeout'),
  done('ehlo', 'close', 'failed', 'connection_lost'),

  said('auth', '535 5.7.8 no such user or password', 'refused', 'invalid_credentials'),
  said('auth', '535 5.7.8 {auth} is wrong', 'refused', 'invalid_credentials'),
  said('auth', '534 5.7.9 use an app password', 'refused', 'invalid_credentials'),
  said('auth', '535 5.7.0 account suspended', 'refused', 'account_suspended'),
  said('auth', '451 Authentication failed: Maximum credits exceeded', 'refused', 'quota_exceeded'),
  said('auth', '454 4.7.0 temporary authentication failure', 'failed', 'provider_error'),
  said('auth', '454 4.7.0 too many login attempts', 'failed', 'rate_limited'),
  said('auth', '421 4.7.0 goodbye', 'failed', 'rate_limited'),
  done('auth', 'silence', 'failed', 'timeout'),
  done('auth', 'close', 'failed', 'connection_lost'),
  done('auth', 'garbage', 'failed', 'unreadable_response'),

  said('mail', '451 4.3.0 try again', 'failed', 'provider_error'),
  said('mail', '452 4.5.3 one at a time', 'failed', 'rate_limited'),
  said('mail', '421 4.3.2 shutting down', 'failed', 'rate_limited'),
  said('mail', '530 5.7.0 authentication required', 'refused', 'invalid_credentials'),
  said('mail', '550 5.7.1 sender not permitted', 'refused', 'sender_not_verified'),
  said('mail', '550 5.7.60 Client does not have permissions to send as this sender', 'refused', 'sender_not_verified'),
  said('mail', '553 5.1.8 no such sender', 'refused', 'sender_not_verified'),
  said('mail', '554 5.7.1 your account has been suspended', 'refused', 'account_suspended'),
  said('mail', '552 5.3.4 too large', 'refused', 'too_large'),
  said('mail', '501 5.1.7 bad sender address syntax', 'refused', 'unsupported'),
  said('mail', '554 no', 'refused', 'unmapped'),
  done('mail', 'close', 'failed', 'connection_lost'),
  done('mail', 'reset', 'failed', 'connection_lost'),
  done('mail', 'silence', 'failed', 'timeout'),
  done('mail', 'drip', 'failed', 'timeout'),
  done('mail', 'garbage', 'failed', 'unreadable_response'),
  done('mail', 'flood', 'failed', 'unreadable_response'),

  said('rcpt', '550 5.1.1 <ada@example.com> no such user', 'rejected', 'recipient_invalid'),
  said('rcpt', '550 no such user here', 'rejected', 'recipient_invalid'),
  said('rcpt', '554 delivery error: this user does not have an account', 'rejected', 'recipient_invalid'),
  said('rcpt', '501 5.1.3 bad address syntax', 'refused', 'unsupported'),
  said('rcpt', '554 no', 'refused', 'unmapped'),
  said('rcpt', '550 5.2.1 this account is disabled', 'rejected', 'recipient_invalid'),
  said('rcpt', '550 5.1.1 on our suppression list', 'rejected', 'recipient_suppressed'),
  said('rcpt', '450 4.2.1 greylisted', 'failed', 'recipient_deferred'),
  said('rcpt', '452 4.5.3 too many recipients', 'failed', 'recipient_deferred'),
  said('rcpt', '554 5.7.1 relay access denied', 'refused', 'provider_error'),
  said('rcpt', '553 5.7.1 sender address rejected: not owned by user', 'refused', 'sender_not_verified'),
  said('rcpt', '421 4.7.0 too many of them', 'failed', 'rate_limited'),
  {
    name: 'rcpt: 450 to one, 550 to the other',
    fault: [
      { at: 'rcpt', to: 'ada@example.com', reply: '550 5.1.1 no such user' },
      { at: 'rcpt', to: 'bob@example.com', reply: '450 4.2.1 greylisted' },
    ],
    outcome: 'failed',
    reason: 'recipient_deferred',
    taken: false,
    mail: twoReaders,
  },
  {
    name: 'rcpt: 550 to one, taken for the other',
    fault: { at: 'rcpt', to: 'ada@example.com', reply: '550 5.1.1 no such user' },
    outcome: 'accepted',
    reason: null,
    taken: true,
    mail: twoReaders,
  },
  done('rcpt', 'close', 'failed', 'connection_lost'),
  done('rcpt', 'silence', 'failed', 'timeout'),

  said('data', '421 4.3.0 temporary system problem', 'failed', 'provider_error'),
  said('data', '451 4.3.0 try again', 'failed', 'provider_error'),
  said('data', '554 5.7.1 sending suspended', 'refused', 'account_suspended'),
  said('data', '503 5.5.1 what?', 'refused', 'unmapped'),
  done('data', 'close', 'failed', 'connection_lost'),
  done('data', 'reset', 'failed', 'connection_lost'),
  done('data', 'silence', 'failed', 'timeout'),

  done('body', 'reset', 'failed', 'connection_lost', { mail: bigMail }),
  done('body', 'close', 'failed', 'connection_lost', { mail: bigMail }),
  done('body', 'silence', 'failed', 'timeout', { mail: bigMail }),
  { ...said('body', '552 5.3.4 too large', 'refused', 'too_large'), mail: bigMail },
  { ...said('body', '421 4.3.2 shutting down', 'failed', 'provider_error'), mail: bigMail },

  { ...said('body', '250 OK', 'unknown', 'unreadable_response'), mail: bigMail },

  said('dot', '451 4.3.0 try again', 'failed', 'provider_error'),
  said('dot', '454 Throttling failure: Maximum sending rate exceeded', 'failed', 'rate_limited'),
  said('dot', '454 Throttling failure: Daily message quota exceeded', 'refused', 'quota_exceeded'),
  said('dot', '550 5.4.5 Daily user sending limit exceeded', 'refused', 'quota_exceeded'),
  said('dot', '421 4.3.2 shutting down', 'failed', 'provider_error'),
  said('dot', '421 Domain mg.acme.example is not allowed to send: account disabled', 'refused', 'account_suspended'),
  said('dot', '554 5.7.1 sending suspended', 'refused', 'account_suspended'),
  said('dot', '554 Sending paused for this account.', 'refused', 'account_suspended'),
  said(
    'dot',
    '554 Message rejected: Email address is not verified. The following failed the check: noreply@acme.example',
    'refused',
    'sender_not_verified',
  ),
  said(
    'dot',
    '554 Access denied: User x is not authorized to perform ses:SendRawEmail',
    'refused',
    'invalid_credentials',
  ),
  said('dot', '552 5.3.4 too large', 'refused', 'too_large'),
  said('dot', '552 Message is too long.', 'refused', 'too_large'),
  said('dot', '554 5.6.0 bad content', 'rejected', 'content_rejected'),
  said('dot', '550 5.7.1 this looks like spam', 'rejected', 'content_rejected'),
  said('dot', '550 5.1.1 no such user', 'rejected', 'recipient_invalid'),
  said('dot', '554 no', 'refused', 'unmapped'),
  done('dot', 'close', 'unknown', 'connection_lost'),
  done('dot', 'reset', 'unknown', 'connection_lost'),
  done('dot', 'silence', 'unknown', 'timeout'),
  done('dot', 'half', 'unknown', 'connection_lost'),
  done('dot', 'drip', 'unknown', 'timeout'),
  done('dot', 'garbage', 'unknown', 'unreadable_response'),
  done('dot', 'flood', 'unknown', 'unreadable_response'),
  { ...said('dot', '354 go on', 'unknown', 'unreadable_response') },
  { ...said('dot', '200 well', 'accepted', null), taken: true },
];
