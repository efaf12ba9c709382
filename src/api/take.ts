// Taking a request in: who may send it, whether there is room for it now, and the same answer for its repeats.
import type { FastifyRequest } from 'fastify';
import { breath, startsSlice } from '../breath.ts';
import type { Lane, Status } from '../core/message.ts';
import type { Accepted, Intake } from '../intake/accept.ts';
import { type Draft, toDraft } from '../intake/draft.ts';
import type { SendRules } from '../intake/rules.ts';
import { senderAllowed } from '../intake/senders.ts';
import type { Refusal } from '../intake/shards.ts';
import type { Turnstile } from '../intake/turnstile.ts';
import type { Principal } from '../store/api-keys.ts';
import { isAway, isUntouched } from '../store/away.ts';
import { callerOf } from './auth.ts';
import { ApiError, type FaultView } from './errors.ts';
import { traceOf } from './tracing.ts';

/** What taking in is made of. */
export interface TakeParts {
  readonly intake: Intake;
  readonly turnstile: Turnstile;
  readonly rules: () => SendRules;
  readonly senders: readonly string[];
  readonly closing: () => boolean;
  /** The lane of a stream; null where there is no such stream. */
  readonly laneOf: (stream: string) => Lane | null;
  /** Why no mail of these streams can be taken in now from this API key, with this idempotency key, and when to ask again; null when it can. */
  readonly refusing: (streams: readonly string[], sentBy: string, idempotencyKey: string | null) => Refusal | null;
  readonly accepted: (stream: string, status: Status) => void;
}

/** What goes into a 202. */
export interface TakenView {
  readonly data: readonly { readonly id: string; readonly object: 'email'; readonly status: Status }[];
  readonly replayed: boolean;
}

/** Takes in the mails of one request, all or none; `pathOf` names one of them in faults. */
export type Take = (
  request: FastifyRequest,
  inputs: readonly unknown[],
  pathOf: (index: number) => string,
) => Promise<TakenView>;

/** Makes it. */
export function createTake(parts: TakeParts): Take {
  const { intake } = parts;

  async function readAll(
    inputs: readonly unknown[],
    caller: Principal,
    pathOf: (index: number) => string,
  ): Promise<Draft[]> {
    const drafts = await readDrafts(inputs, parts.rules(), pathOf);
    for (const [index, draft] of drafts.entries()) checkSender(draft, caller, parts.senders, pathOf(index));
    return drafts;
  }

  return async (request, inputs, pathOf) => {
    const caller = callerOf(request);
    const asked = {
      input: request.body,
      sentBy: caller.id,
      idempotencyKey: readIdempotencyKey(request),
      trace: traceOf(request),
    };
    const replay = async () => {
      const repeated = await intake.repeat(asked);
      return repeated && answerOf(repeated);
    };
    /** A repeat of what was accepted gets its answer, whatever stands in the way of new mail. */
    async function refused({ why, retryAfterSeconds, blind }: Refusal, type: 'store_unavailable' | 'shutting_down') {
      const earlier = asked.idempotencyKey === null || blind ? null : await replay();
      if (earlier) return earlier;
      throw new ApiError(type, `${why} ${nothing(blind ? asked.idempotencyKey : null)}`, { retryAfterSeconds });
    }

    const streams = inputs.map(streamOf);
    const lanes = streams.map(parts.laneOf);
    // Bulk mail stands in a row, where there is room for it at all; critical mail has those in the row leave it time.
    const bulk = lanes.includes('bulk');
    const full = bulk ? parts.refusing(streams, caller.id, asked.idempotencyKey) : null;
    if (full) return refused(full, 'store_unavailable');
    if (lanes.includes('critical')) parts.turnstile.hurried();
    const leave = bulk ? await parts.turnstile.enter(inputs.length) : () => {};
    if (leave === null) {
      const why = 'Bulk mail comes in faster than it can be stored.';
      return refused({ why, retryAfterSeconds: 5, blind: false }, 'store_unavailable');
    }
    try {
      let drafts: Draft[];
      try {
        drafts = await readAll(inputs, caller, pathOf);
      } catch (fault) {
        const earlier = await replay();
        if (!earlier) throw fault;
        return earlier;
      }
      if (parts.closing()) {
        const why = 'The service is shutting down.';
        return await refused({ why, retryAfterSeconds: 5, blind: false }, 'shutting_down');
      }
      const refusal = parts.refusing(
        drafts.map(({ stream }) => stream),
        caller.id,
        asked.idempotencyKey,
      );
      if (refusal) return await refused(refusal, 'store_unavailable');
      const accepted = await intake.accept({ drafts, ...asked }).catch((error: unknown) => {
        throw isAway(error) ? notConfirmed(error, asked.idempotencyKey) : error;
      });
      if (accepted.kind === 'accepted')
        for (const [index, { stream }] of drafts.entries()) parts.accepted(stream, accepted.statuses[index]!);
      return answerOf(accepted);
    } finally {
      leave();
    }
  };
}

// What it says before anybody has looked whether it may.
function streamOf(input: unknown): string {
  const { stream } = (input ?? {}) as { stream?: unknown };
  return typeof stream === 'string' ? stream : 'default';
}

// Of an earlier request with the same key nobody knows who cannot look.
function nothing(key: string | null): string {
  return `Nothing was accepted${key === null ? '' : ' just now'}; try again.`;
}

// Only what never reached the store, or was turned away by it, is known not to be accepted.
function notConfirmed(error: unknown, key: string | null): ApiError {
  const detail = isUntouched(error)
    ? `The store cannot be reached or written. ${nothing(key)}`
    : key === null
      ? 'The store has not confirmed the mail: it may have been accepted or not. A repeat could be a second mail; with an Idempotency-Key it never is.'
      : 'The store has not confirmed the mail: it may have been accepted or not. Try again with the same Idempotency-Key: that tells, and never makes a second mail.';
  return new ApiError('store_unavailable', detail, { retryAfterSeconds: 2 });
}

function answerOf(accepted: Accepted): TakenView {
  if (accepted.kind === 'conflict') {
    throw new ApiError(
      'invalid_idempotent_request',
      'This Idempotency-Key was used for a request with another body; use a new key for a new mail.',
    );
  }
  const data = accepted.ids.map((id, index) => ({ id, object: 'email' as const, status: accepted.statuses[index]! }));
  return { data, replayed: accepted.kind === 'replayed' };
}

async function readDrafts(
  inputs: readonly unknown[],
  rules: SendRules,
  pathOf: (index: number) => string,
): Promise<Draft[]> {
  const faults: FaultView[] = [];
  const drafts: Draft[] = [];
  let bytes = 0;
  for (const [index, input] of inputs.entries()) {
    if (startsSlice(index)) await breath();
    const result = toDraft(input, rules);
    if (result.ok) {
      drafts.push(result.draft);
      bytes += result.draft.bytes;
      continue;
    }
    const at = pathOf(index);
    if (result.tooLarge)
      throw new ApiError(
        'payload_too_large',
        `${at || 'The mail'} is larger than server.body_limit allows (${rules.maxBytes} bytes).`,
      );
    for (const { path, message } of result.faults)
      faults.push({ path: at && path ? `${at}.${path}` : at || path, message });
  }
  if (bytes > rules.maxBytes)
    throw new ApiError(
      'payload_too_large',
      `The mails together are larger than server.body_limit allows (${rules.maxBytes} bytes).`,
    );
  if (faults.length > 0) throw new ApiError('validation_error', summary(faults), { faults: faults.slice(0, 100) });
  return drafts;
}

/** One sentence for `detail`: the first fault, and how many more there are. `faults` is not empty. */
export function summary(faults: readonly FaultView[]): string {
  const first = faults[0]!;
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more, see errors)` : '';
  return `${first.path || 'The body'} ${first.message}${more}`;
}

function checkSender(draft: Draft, caller: Principal, senders: readonly string[], at: string): void {
  const { address: from } = draft.from;
  const path = at ? `${at}.from` : 'from';
  if (!senderAllowed(from, senders)) {
    throw new ApiError(
      'sender_not_allowed',
      `${path}: this sender is not on the list of senders.allow; add it there, or use one that is.`,
      { faults: [{ path, message: 'is not an allowed sender' }] },
    );
  }
  // For `senderAllowed` an empty list is no list; a key that is narrowed to nobody sends as nobody.
  if (caller.senders && (caller.senders.length === 0 || !senderAllowed(from, caller.senders))) {
    throw new ApiError('sender_not_allowed', `${path}: the key “${caller.name}” may not send from this address.`, {
      faults: [{ path, message: 'is not allowed for this key' }],
    });
  }
  if (caller.streams && !caller.streams.includes(draft.stream)) {
    throw new ApiError('stream_not_allowed', `The key “${caller.name}” may send to ${caller.streams.join(', ')} only.`);
  }
}

// Both the bare form that most services take and the quoted one of the IETF draft.
function readIdempotencyKey(request: FastifyRequest): string | null {
  const header = request.headers['idempotency-key'];
  if (header === undefined) return null;
  const text = String(header);
  const key = /^"(.*)"$/.exec(text)?.[1] ?? text;
  if (!/^[\x21-\x7e]{1,256}$/.test(key)) {
    throw new ApiError('validation_error', 'Idempotency-Key must have 1 to 256 visible ASCII characters.', {
      faults: [{ path: 'Idempotency-Key', message: 'must have 1 to 256 visible ASCII characters' }],
    });
  }
  return key;
}
