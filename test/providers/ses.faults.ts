// Every documented refusal of SES, and what the hand-over comes to: for the contract suite, and for tests of the whole service.
import type { HttpFault } from '../support/http-server.ts';
import type { FaultCase } from './contract.ts';
import { testMail } from './mail.ts';
import { sesError } from './ses.fake.ts';

type SesFaultCase = FaultCase<HttpFault>;

const twoReaders = () =>
  testMail({
    to: [
      { name: '', address: 'ada@example.com' },
      { name: '', address: 'bob@example.com' },
    ],
  });

function said(
  code: string,
  message: string,
  outcome: SesFaultCase['outcome'],
  reason: SesFaultCase['reason'],
  more: { status?: number; taken?: boolean; mail?: () => ReturnType<typeof testMail> } = {},
): SesFaultCase {
  const { status = 400, taken = false, mail } = more;
  return {
    name: `${status} ${code}: ${message}${mail ? ', to two' : ''}`,
    fault: { reply: sesError(code, message, status), taken },
    outcome,
    reason,
    taken,
    ...(mail && { mail }),
  };
}

export const sesFaults: readonly SesFaultCase[] = [
  said('MessageRejected', 'Sending paused for this account. For more information, …', 'refused', 'account_suspended'),
  said('MessageRejected', 'Account is paused', 'refused', 'account_suspended'),
  said('AccountSendingPausedException', 'Email sending is disabled.', 'refused', 'account_suspended'),
  said('ConfigurationSetSendingPausedException', 'Sending is paused.', 'refused', 'account_suspended'),
  said('ConfigurationSetDoesNotExist', 'Configuration set <x> does not exist.', 'refused', 'invalid_credentials'),
  said(
    'MessageRejected',
    'Email address is not verified. The following identities failed the check in region EU-CENTRAL-1: ada@example.com, Acme <noreply@acme.example>',
    'refused',
    'sender_not_verified',
  ),
  said('MailFromDomainNotVerifiedException', 'Could not read the MX record.', 'refused', 'sender_not_verified'),
  said('FromEmailAddressNotVerified', 'not verified', 'refused', 'sender_not_verified'),
  said('ProductionAccessNotGranted', 'in the sandbox', 'refused', 'plan_required'),
  said('OptInRequired', 'The AWS Access Key Id needs a subscription for the service', 'refused', 'plan_required', {
    status: 403,
  }),

  said('InvalidClientTokenId', 'The security token is invalid.', 'refused', 'invalid_credentials', { status: 403 }),
  said(
    'SignatureDoesNotMatch',
    "The Canonical String should have been 'POST … AKIDMADEUPFORTESTS … made-up/secret+access-key-7'",
    'refused',
    'invalid_credentials',
    { status: 403 },
  ),
  said('UnrecognizedClientException', 'The security token is invalid.', 'refused', 'invalid_credentials'),
  said('AccessDenied', 'is not authorized to perform ses:SendRawEmail', 'refused', 'invalid_credentials', {
    status: 403,
  }),
  said('AccessDeniedException', 'is not authorized', 'refused', 'invalid_credentials', { status: 403 }),
  said('ExpiredToken', 'The security token is expired', 'refused', 'invalid_credentials', { status: 403 }),
  said('MissingAuthenticationToken', 'Request is missing a token', 'refused', 'invalid_credentials', { status: 403 }),
  said('IncompleteSignature', 'does not conform', 'refused', 'invalid_credentials'),
  said('RequestExpired', 'Request has expired.', 'failed', 'provider_error'),
  said(
    'SignatureDoesNotMatch',
    'Signature expired: 20261121T120000Z is now earlier than 20261121T130000Z (20261121T130500Z - 5 min.)',
    'failed',
    'provider_error',
    { status: 403 },
  ),
  said('SignatureDoesNotMatch', 'Signature not yet current: 2026', 'failed', 'provider_error', { status: 403 }),

  said('Throttling', 'Maximum sending rate exceeded.', 'failed', 'rate_limited'),
  said('ThrottlingException', 'Rate exceeded', 'failed', 'rate_limited'),
  said('TooManyRequestsException', 'Too many requests', 'failed', 'rate_limited', { status: 429 }),
  said('Throttling', 'Daily message quota exceeded.', 'refused', 'quota_exceeded'),
  said('LimitExceeded', 'limit', 'refused', 'quota_exceeded'),

  said('InvalidParameterValue', "Message length is more than 10485760 bytes long: '10609842'.", 'refused', 'too_large'),
  said('MessageRejected', 'Message is too long.', 'refused', 'too_large'),
  said('MessageRejected', 'Message contains a virus.', 'rejected', 'content_rejected'),
  said('MessageRejected', 'Address is on the suppression list', 'rejected', 'recipient_suppressed'),
  said('MessageRejected', 'for a reason nobody knows', 'refused', 'unmapped'),
  said('InvalidParameterValue', "Missing final '@domain'", 'rejected', 'recipient_invalid'),
  said('InvalidParameterValue', 'Missing local name', 'rejected', 'recipient_invalid'),
  said('InvalidParameterValue', 'Domain contains dot-dot', 'rejected', 'recipient_invalid'),
  said('InvalidParameterValue', 'Illegal address', 'rejected', 'recipient_invalid'),
  said('InvalidParameterValue', 'Illegal address', 'refused', 'recipient_invalid', { mail: twoReaders }),
  said('InvalidParameterValue', 'Recipient count exceeds 50.', 'refused', 'unsupported'),
  said('InvalidParameterValue', "Illegal filename 'setup.exe'.", 'refused', 'unsupported'),
  said('InvalidParameterValue', 'Empty header names are illegal.', 'rejected', 'invalid_message'),
  said('InvalidParameterValue', 'Header section too long.', 'rejected', 'invalid_message'),
  said('InvalidParameterValue', 'for a reason nobody knows', 'refused', 'unmapped'),
  said('MalformedQueryString', 'The query string contains a syntax error', 'refused', 'unmapped', { status: 404 }),

  said('ServiceUnavailable', 'The request has failed', 'unknown', 'provider_error', { status: 503, taken: true }),
  said('InternalFailure', 'An internal error occurred.', 'unknown', 'provider_error', { status: 500, taken: true }),
  said('SomethingNew', 'nobody has heard of it', 'unknown', 'unmapped', { status: 500, taken: true }),
];
