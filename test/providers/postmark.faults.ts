// Every answer that Postmark is known to give to a hand-over, and what it comes to; beside them, the faults of any HTTP.
import type { Mail } from '../../providers/provider.ts';
import type { HttpFault, HttpReply } from '../support/http-server.ts';
import type { FaultCase } from './contract.ts';
import { httpFaults } from './http.faults.ts';
import { testMail } from './mail.ts';
import { refusal, serverToken } from './postmark.fake.ts';

type PostmarkFaultCase = FaultCase<HttpFault>;

function said(
  reply: HttpReply,
  outcome: PostmarkFaultCase['outcome'],
  reason: PostmarkFaultCase['reason'],
  more: Partial<PostmarkFaultCase> & { readonly kept?: true } = {},
): PostmarkFaultCase {
  const { kept = false, ...rest } = more;
  return {
    name: `${reply.status} ${reply.body}`.slice(0, 90),
    fault: { reply, taken: kept },
    outcome,
    reason,
    taken: kept,
    ...rest,
  };
}

function ok(fields: Record<string, unknown>): HttpReply {
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      To: 'ada@example.com',
      SubmittedAt: '2024-08-05T02:03:37.0951168Z',
      MessageID: '38360f97-ff7f-44b2-bcd1-5ea94ff2af00',
      ...fields,
    }),
  };
}

/** To Ada and Bob of example.com. */
export function twoReaders(): Mail {
  const to = ['ada', 'bob'].map((name) => ({ name: '', address: `${name}@example.com` }));
  return testMail({ to });
}

const inactive = (who: string) =>
  refusal(
    422,
    406,
    `You tried to send to a recipient that has been marked as inactive.\nFound inactive addresses: ${who}.\nInactive recipients are ones that have generated a hard bounce or a spam complaint. `,
  );
const delayed = 'Message accepted, but delivery may be delayed.';

export const postmarkFaults: readonly PostmarkFaultCase[] = [
  ...httpFaults,

  said(refusal(401, 10, 'Request does not contain a valid Server token.'), 'refused', 'invalid_credentials'),
  said(refusal(401, 10, `No server has the token ${serverToken}.`), 'refused', 'invalid_credentials'),
  said(
    refusal(422, 400, "The 'From' address you supplied is not a Sender Signature."),
    'refused',
    'sender_not_verified',
  ),
  said(refusal(422, 401, 'The sender signature is not confirmed.'), 'refused', 'sender_not_verified'),
  said(refusal(422, 402, 'Received invalid JSON input.'), 'refused', 'invalid_message'),
  said(refusal(422, 403, 'Invalid request field(s): $.Metadata'), 'refused', 'invalid_message'),
  said(refusal(422, 405, 'You are not allowed to send: out of credits.'), 'refused', 'quota_exceeded'),
  said(refusal(422, 409, 'JSON is required.'), 'refused', 'invalid_message'),
  said(refusal(422, 411, 'Forbidden attachment type: setup.exe'), 'refused', 'unsupported'),
  said(
    refusal(
      422,
      412,
      "While your account is pending approval, all recipient addresses must share the same domain as the 'From' address.",
    ),
    'refused',
    'account_suspended',
  ),
  said(refusal(422, 413, 'Your account may not send.'), 'refused', 'account_suspended'),
  said(refusal(422, 422, 'The server is not valid.'), 'refused', 'account_suspended'),
  said(
    refusal(422, 1235, "The 'MessageStream' provided does not exist on this server."),
    'refused',
    'invalid_credentials',
  ),
  said(
    refusal(422, 1236, "Sending is not supported on the supplied 'MessageStream'."),
    'refused',
    'invalid_credentials',
  ),
  said(refusal(403, 1480, 'This IP address is not allowed.'), 'refused', 'invalid_credentials'),
  said(refusal(429, 429, 'Rate limit exceeded.'), 'failed', 'rate_limited'),
  said(refusal(422, 429, 'Rate limit exceeded.'), 'failed', 'rate_limited'),
  said({ status: 413 }, 'refused', 'too_large'),
  said({ status: 413, body: '<html>Request Entity Too Large</html>' }, 'refused', 'too_large'),
  said({ status: 415 }, 'unknown', 'unmapped'),

  said(refusal(500, 101, 'Internal server error.'), 'unknown', 'provider_error', { kept: true }),
  said(refusal(503, 100, 'The API is offline for maintenance.'), 'failed', 'provider_error'),
  said(refusal(503, 4711, 'Something else.'), 'unknown', 'provider_error', { kept: true }),

  said(refusal(422, 300, "Invalid 'To' address: 'ada@example.com'."), 'rejected', 'recipient_invalid'),
  said(refusal(422, 300, "Invalid 'To' address: 'BOB@example.com'."), 'failed', 'recipient_invalid', {
    mail: twoReaders,
  }),
  said(refusal(422, 300, "Error parsing 'Cc': Illegal email domain '+'."), 'refused', 'recipient_invalid', {
    mail: twoReaders,
  }),
  said(refusal(422, 300, "Invalid 'From' address: 'noreply@acme.example'."), 'refused', 'invalid_message'),
  said(refusal(422, 300, "Error parsing 'Reply-To': Illegal email domain '+'."), 'refused', 'invalid_message'),
  said(refusal(422, 300, "Header 'Date' not allowed."), 'refused', 'unsupported'),
  said(refusal(422, 300, 'Invalid metadata content. Field names are limited to…'), 'refused', 'unsupported'),
  said(refusal(422, 300, 'Something about the mail.'), 'refused', 'invalid_message'),

  said(inactive('ada@example.com'), 'rejected', 'recipient_suppressed'),
  said(inactive('ada@example.com, bob@example.com'), 'rejected', 'recipient_suppressed', { mail: twoReaders }),
  said(inactive('bob@example.com'), 'failed', 'recipient_suppressed', { mail: twoReaders }),
  said(inactive('carl@example.com'), 'refused', 'recipient_suppressed', { mail: twoReaders }),

  said(ok({ ErrorCode: 0, Message: 'OK' }), 'accepted', null, { kept: true }),
  said(ok({ Message: 'OK' }), 'accepted', null, { kept: true }),
  said(ok({ ErrorCode: 0, Message: 'Test job accepted' }), 'accepted', null, { kept: true }),
  said(ok({ Message: delayed }), 'parked', 'backlogged', { kept: true }),
  said(ok({ ErrorCode: 0, Message: delayed }), 'parked', 'backlogged', { kept: true }),
  said(ok({ Message: 'Message accepted, but sending is paused.' }), 'parked', 'account_suspended', { kept: true }),
  said(ok({ Message: 'Message accepted. Sort of.' }), 'unknown', 'unmapped', { kept: true }),
  said(
    ok({
      ErrorCode: 0,
      Message:
        'Message OK, but will not deliver to these inactive addresses: bob@example.com. Inactive recipients are ones that have generated a hard bounce.',
    }),
    'accepted',
    null,
    { kept: true, mail: twoReaders },
  ),
  said(
    ok({ ErrorCode: 0, Message: 'Message OK, but will not deliver to these inactive addresses: ada@example.com.' }),
    'rejected',
    'recipient_suppressed',
  ),
  said(ok({ ErrorCode: 0, Message: 'OK', MessageID: null }), 'unknown', 'unreadable_response', { kept: true }),
  said(refusal(200, 406, 'Found inactive addresses: ada@example.com.'), 'rejected', 'recipient_suppressed'),
  said(refusal(200, 451, 'Helpful explanation.'), 'unknown', 'unmapped', { kept: true }),
  said(refusal(422, 4711, 'Something new.'), 'refused', 'unmapped'),
  said({ status: 200, body: '[]' }, 'unknown', 'unreadable_response', { kept: true }),
];
