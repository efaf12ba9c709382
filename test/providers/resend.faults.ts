// Every answer that Resend is known to give to a hand-over, and what it comes to; beside them, the faults of any HTTP.
import type { HttpFault, HttpReply } from '../support/http-server.ts';
import type { FaultCase } from './contract.ts';
import { httpFaults } from './http.faults.ts';
import { testMail } from './mail.ts';
import { errorReply, json, resendKey } from './resend.fake.ts';

type ResendFaultCase = FaultCase<HttpFault>;

function said(
  reply: HttpReply,
  outcome: ResendFaultCase['outcome'],
  reason: ResendFaultCase['reason'],
  more: Partial<ResendFaultCase> = {},
): ResendFaultCase {
  const kept = more.taken ?? false;
  return {
    name: `${reply.status} ${reply.body ?? ''}`.slice(0, 110),
    fault: { reply, taken: kept },
    outcome,
    reason,
    taken: kept,
    ...more,
  };
}

const twoReaders = () => testMail({ to: ['ada', 'bob'].map((name) => ({ name, address: `${name}@example.com` })) });
const invalidTo = 'Invalid `to` field. The email address needs to follow the `email@example.com` format.';

export const resendFaults: readonly ResendFaultCase[] = [
  ...httpFaults,

  said(errorReply(403, 'suspended_api_key', 'This API key is suspended'), 'refused', 'account_suspended'),
  said(errorReply(403, 'suspended_api_key', 'Contact us.'), 'refused', 'account_suspended'),
  said(errorReply(403, 'validation_error', 'Your account has been suspended.'), 'refused', 'account_suspended'),
  said(errorReply(401, 'missing_api_key', 'Missing API key in the header.'), 'refused', 'invalid_credentials'),
  said(errorReply(403, 'invalid_api_key', 'API key is invalid.'), 'refused', 'invalid_credentials'),
  said(errorReply(400, 'validation_error', 'API key is invalid'), 'refused', 'invalid_credentials'),
  said(errorReply(401, 'validation_error', `API key is invalid: ${resendKey}`), 'refused', 'invalid_credentials'),
  said(errorReply(401, 'restricted_api_key', 'This API key is restricted.'), 'refused', 'invalid_credentials'),
  said(errorReply(403, 'restricted_api_key', 'API key is not active'), 'refused', 'invalid_credentials'),
  said(errorReply(403, 'invalid_permission', 'Access token is missing scopes.'), 'refused', 'invalid_credentials'),
  said(errorReply(422, 'invalid_access', 'Access must be "full_access".'), 'refused', 'invalid_credentials'),

  said(
    errorReply(403, 'validation_error', 'The acme.example domain is not verified. Please, add and verify your domain.'),
    'refused',
    'sender_not_verified',
  ),
  said(
    errorReply(
      403,
      'validation_error',
      'You can only send testing emails to your own email address (me@example.net). To send emails to other recipients, please verify a domain.',
    ),
    'refused',
    'sender_not_verified',
  ),
  said(
    errorReply(403, 'restricted_api_key', 'This API key is not authorized to send emails from acme.example'),
    'refused',
    'sender_not_verified',
  ),
  said(errorReply(422, 'invalid_from_address', 'The sender is not well formed.'), 'refused', 'sender_not_verified'),
  said(errorReply(422, 'validation_error', 'Invalid `from` field.'), 'refused', 'sender_not_verified'),

  said(errorReply(429, 'daily_quota_exceeded', 'You have exceeded your daily quota.'), 'refused', 'quota_exceeded'),
  said(errorReply(429, 'monthly_quota_exceeded', 'You have exceeded your quota.'), 'refused', 'quota_exceeded'),
  said(errorReply(429, 'rate_limit_exceeded', 'Too many requests.'), 'failed', 'rate_limited'),
  said(errorReply(429, 'something_new', 'Slowly, please.'), 'failed', 'rate_limited'),

  // An earlier request with the same key was taken: the far side has the mail, whatever it says to this one.
  said(errorReply(409, 'invalid_idempotent_request', 'Another payload.'), 'unknown', 'provider_error', { taken: true }),
  said(errorReply(409, 'concurrent_idempotent_requests', 'In progress.'), 'unknown', 'provider_error', { taken: true }),
  said(errorReply(409, 'resource_locked', 'Another request is updating it.'), 'unknown', 'provider_error', {
    taken: true,
  }),
  said(errorReply(409, 'something_new', 'Conflict.'), 'unknown', 'unmapped', { taken: true }),
  said(errorReply(400, 'invalid_idempotency_key', 'The key must be 1-256 chars.'), 'refused', 'invalid_message'),

  said(errorReply(422, 'validation_error', invalidTo), 'refused', 'recipient_invalid'),
  said(errorReply(422, 'validation_error', invalidTo), 'refused', 'recipient_invalid', { mail: twoReaders }),
  said(errorReply(422, 'invalid_parameter', 'Invalid `bcc` field.'), 'refused', 'recipient_invalid'),
  said(errorReply(422, 'validation_error', 'The email exceeds the maximum size of 40MB.'), 'refused', 'too_large'),
  said({ status: 413, body: '<html>Request Entity Too Large</html>' }, 'refused', 'too_large'),
  said(errorReply(400, 'validation_error', 'An error was found in a field.'), 'refused', 'invalid_message'),
  said(errorReply(422, 'missing_required_field', 'Missing `subject` field.'), 'refused', 'invalid_message'),
  said(errorReply(422, 'missing_required_parameter', 'Missing parameter.'), 'refused', 'invalid_message'),
  said(errorReply(422, 'invalid_parameter', 'The parameter must be a UUID.'), 'refused', 'invalid_message'),
  said(errorReply(422, 'invalid_attachment', 'Attachment must have a content.'), 'refused', 'invalid_message'),
  said(errorReply(422, 'invalid_region', 'Region must be one of ours.'), 'refused', 'invalid_message'),
  said(
    errorReply(451, 'security_error', 'The email payload contain invalid characters'),
    'refused',
    'content_rejected',
  ),

  said(errorReply(503, 'service_unavailable', 'API is temporarily unavailable'), 'failed', 'provider_error'),
  said(errorReply(404, 'not_found', 'The requested endpoint does not exist.'), 'failed', 'provider_error'),
  said(errorReply(405, 'method_not_allowed', 'Method is not allowed.'), 'failed', 'provider_error'),
  said({ status: 403, body: 'error code: 1010' }, 'failed', 'provider_error'),
  said({ status: 403, body: 'no error code: 1010' }, 'unknown', 'unmapped'),
  said(errorReply(500, 'application_error', 'An unexpected error occurred.'), 'unknown', 'provider_error', {
    taken: true,
  }),
  said(errorReply(500, 'internal_server_error', 'Unexpected.'), 'unknown', 'provider_error', { taken: true }),
  said(errorReply(503, 'something_new', 'Not now.'), 'unknown', 'provider_error', { taken: true }),
  said(errorReply(422, 'something_new', 'Nobody has heard of it.'), 'refused', 'unmapped'),
  said(json(403, { error: 'no' }), 'unknown', 'unmapped'),
  said(json(400, ['validation_error']), 'unknown', 'unmapped'),

  said(json(200, { id: '' }), 'unknown', 'unreadable_response', { taken: true }),
  said(json(200, { id: 7 }), 'unknown', 'unreadable_response', { taken: true }),
  said(json(200, []), 'unknown', 'unreadable_response', { taken: true }),
  said(json(200, { name: 'suspended_api_key', message: 'no' }), 'unknown', 'unreadable_response', { taken: true }),
  said(json(202, { id: '38360f97-ff7f-44b2-bcd1-5ea94ff2af00' }), 'accepted', null, { taken: true }),
];
