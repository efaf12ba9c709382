// What an answer of SES means: a table of codes and texts with its sources. The first row that fits decides.
import type { Reason } from '../provider.ts';
import { retryAfterMs } from '../retry-after.ts';

/** An answer, taken apart. `code` is null when the answer is not of SES's own form. Header names are in lower case. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly code: string | null;
  readonly text: string;
}

/** What follows from an answer that is no acceptance. */
export type Verdict =
  | { readonly outcome: 'rejected'; readonly reason: Reason }
  | { readonly outcome: 'refused'; readonly reason: Reason }
  | { readonly outcome: 'failed'; readonly reason: Reason; readonly retryAfterMs?: number }
  | { readonly outcome: 'unknown'; readonly reason: Reason };

interface Row {
  readonly code: RegExp;
  readonly text?: RegExp;
  readonly is: Verdict;
  readonly source: string;
}

const rejected = (reason: Reason): Verdict => ({ outcome: 'rejected', reason });
const refused = (reason: Reason): Verdict => ({ outcome: 'refused', reason });
const failed = (reason: Reason, afterMs?: number): Verdict => ({
  outcome: 'failed',
  reason,
  ...(afterMs !== undefined && { retryAfterMs: afterMs }),
});
const unknown = (reason: Reason): Verdict => ({ outcome: 'unknown', reason });

const errors = 'https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-error-messages.html (2026-11)';
const codes = 'https://docs.aws.amazon.com/ses/latest/DeveloperGuide/api-error-codes.html (2026-11)';
const quotas = 'https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html (2026-11)';
const sdk = '@aws-sdk/client-ses 3.1169.0, schemas of its exceptions';
const sdkV2 = '@aws-sdk/client-sesv2 3.1169.0, schemas of its exceptions';
const invalid = /^(InvalidParameterValue|InvalidParameterCombination|ValidationError|BadRequest)$/;

// Codes stand here without the `Exception` that some of them end with: SES is not consistent in that.
const rows: readonly Row[] = [
  // Our clock, not our key. The SDK sets its own by the Date of this very answer, so the next request is right.
  {
    code: /^(SignatureDoesNotMatch|InvalidSignature|AuthFailure)$/,
    text: /signature expired|not yet (current|valid)|skew|is now (earlier|later) than/i,
    is: failed('provider_error'),
    source: `${errors}; texts of AWS Signature Version 4, as smithy's clock-skew codes have them`,
  },
  {
    code: /^(RequestExpired|RequestTimeTooSkewed|RequestInTheFuture)$/,
    is: failed('provider_error'),
    source: codes,
  },

  // The account.
  { code: /^AccountSendingPaused$/, is: refused('account_suspended'), source: sdk },
  { code: /^(AccountSuspended|SendingPaused)$/, is: refused('account_suspended'), source: sdkV2 },
  {
    code: /^ConfigurationSetSendingPaused$/,
    is: refused('account_suspended'),
    source: `${sdk}; all mail of this provider goes by the one set`,
  },
  // A wrong setting stops all mail as a wrong key does, and is mended at the same place.
  {
    code: /^(ConfigurationSetDoesNotExist|InvalidConfigurationSet)$/,
    is: refused('invalid_credentials'),
    source: sdk,
  },
  {
    code: /^(ProductionAccessNotGranted|OptInRequired)$/,
    is: refused('plan_required'),
    source: `${sdk}; ${codes}`,
  },
  {
    code: /^(InvalidClientTokenId|SignatureDoesNotMatch|InvalidSignature|UnrecognizedClient|AccessDenied|NotAuthorized|UnauthorizedOperation|ExpiredToken|MissingAuthenticationToken|IncompleteSignature|InvalidAccessKeyId|AuthFailure)$/,
    is: refused('invalid_credentials'),
    source: `${codes}; https://docs.aws.amazon.com/ses/latest/APIReference-V2/CommonErrors.html (2026-11)`,
  },
  {
    code: /^MessageRejected$/,
    text: /\b(paused|suspended|disabled|shut ?down|under review|blocked)\b/i,
    is: refused('account_suspended'),
    source: `github.com GoodServer #419: "Sending paused for this account"; ${errors}: "Account is paused"`,
  },

  // The sender; a recipient, too, as long as the account is in the sandbox.
  { code: /^MessageRejected$/, text: /not verified/i, is: refused('sender_not_verified'), source: errors },
  {
    code: /^(MailFromDomainNotVerified|FromEmailAddressNotVerified)$/,
    is: refused('sender_not_verified'),
    source: sdk,
  },

  // Quotas and rates. The rate is per second, the quota per 24 hours.
  {
    code: /^(Throttling|LimitExceeded)$/,
    text: /\b(daily|quota|24.hour)\b/i,
    is: refused('quota_exceeded'),
    source: quotas,
  },
  { code: /^LimitExceeded$/, is: refused('quota_exceeded'), source: `${sdk}; ${sdkV2}` },
  {
    code: /^(Throttling|ThrottledRequest|TooManyRequests|RequestThrottled|RequestLimitExceeded|SlowDown)$/,
    is: failed('rate_limited', 1_000),
    source: `${quotas}: "Maximum sending rate exceeded"; ${sdkV2}`,
  },

  // Size: another provider may take more than the 10 MB of this API.
  {
    code: /^(MessageRejected|InvalidParameterValue|BadRequest)$/,
    text: /message length|message (is )?too (long|large)|size/i,
    is: refused('too_large'),
    source: 'SES: "Message length is more than 10485760 bytes long"',
  },
  { code: /^(RequestEntityTooLarge|RequestTooLarge)$/, is: refused('too_large'), source: codes },

  // The message. What only SES does not take goes to another provider; what no mail may be ends here.
  {
    code: /^MessageRejected$/,
    text: /\b(virus|malware|infected|spam|phish\w*|content)\b/i,
    is: rejected('content_rejected'),
    source: errors,
  },
  {
    code: /^MessageRejected$/,
    text: /suppress/i,
    is: rejected('recipient_suppressed'),
    source: 'SES in its own words',
  },
  {
    code: invalid,
    text: /recipient count|too many recipients|illegal filename|attachment|\btags?\b|configuration ?set/i,
    is: refused('unsupported'),
    source:
      'github.com doubleunion/arooo #243: "Recipient count exceeds 50."; attachment types that SES does not carry',
  },
  {
    code: invalid,
    text: /@domain|local (name|address|part)|illegal address|\baddress(es)?\b|^domain\b|user name is missing|mailbox/i,
    is: rejected('recipient_invalid'),
    source: `github.com anymail/django-anymail #281: "Missing final '@domain'"; arithmetic/aws-lambda-ses-forwarder #103: "Missing local name"`,
  },
  {
    code: invalid,
    text: /header|mime|boundary|encoding|charset|\bbody\b|\blines?\b|pars(e|ing)|nested group|expected/i,
    is: rejected('invalid_message'),
    source: `github.com aws/aws-sdk-php #981: "Header section too long."; aws/aws-sdk-js #4121: "Empty header names are illegal."`,
  },

  // Documented as failures, but nowhere as failures before the mail was taken.
  {
    code: /^(ServiceUnavailable|InternalFailure|InternalError|InternalServiceError|RequestTimeout)$/,
    is: unknown('provider_error'),
    source: codes,
  },
];

/**
 * What an answer other than an acceptance means.
 *
 * A 4xx of SES's own form that no row knows is `refused` with `unmapped`: certainly not taken, and another provider may well take it;
 * `rejected` would end the message on words we do not understand. What is not of that form was said by somebody on the way.
 * One bad address fails the whole call, and SES does not say which: among several `recipients` the others must not pay for it, so
 * the next provider gets them all.
 */
export function judgeAnswer({ status, headers, code, text }: Answer, recipients: number, now: number): Verdict {
  const name = code?.replace(/Exception$/, '');
  const row = rows.find((one) => name !== undefined && one.code.test(name) && (one.text?.test(text) ?? true));
  if (row) return row.is.reason === 'recipient_invalid' && recipients > 1 ? refused('recipient_invalid') : row.is;
  if (status === 429) return failed('rate_limited', retryAfterMs(headers['retry-after'], now) ?? 1_000);
  if (status < 300) return unknown('unreadable_response');
  // A redirect takes nothing, and a signed request must not follow one.
  if (status < 400) return failed('provider_error');
  if (name === undefined) return unknown(status < 500 ? 'unmapped' : 'provider_error');
  return status < 500 ? refused('unmapped') : unknown('unmapped');
}
