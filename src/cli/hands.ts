// An operator's acts, by whichever way they are done: through the API, or on the host while that is down.
import type { ListAnswer, PinAnswer, QuarantineAnswer } from './answers.ts';
import type { Client } from './client.ts';

/** The acts. All reject with words for a person where they are refused. `since` is ISO 8601, `for` a duration. */
export interface Hands {
  failover(request: {
    to: string;
    stream: string | null;
    reason: string;
    for: string | null;
    force: boolean;
  }): Promise<readonly PinAnswer[]>;
  failback(stream: string | null, reason: string): Promise<readonly PinAnswer[]>;
  quarantine(
    provider: string,
    request: { reason: string; since: string | null; force: boolean },
  ): Promise<QuarantineAnswer>;
  release(provider: string, reason: string): Promise<void>;
  close(): Promise<void>;
}

type Told = { readonly untold_shards?: readonly number[] };

/** Through the API. @param untold called with the shards that could not be told of an act, where there are any. */
export function handsOf(client: Client, untold: (shards: readonly number[]) => void): Hands {
  function noting<Answer extends Told>(answer: Answer): Answer {
    if (answer.untold_shards) untold(answer.untold_shards);
    return answer;
  }
  return {
    async failover({ stream, for: duration, ...rest }) {
      const body = { ...rest, ...(stream !== null && { stream }), ...(duration !== null && { for: duration }) };
      return noting(await client.post<ListAnswer<PinAnswer> & Told>('/v1/failover', body)).data;
    },
    async failback(stream, reason) {
      const query = new URLSearchParams({ ...(stream !== null && { stream }), reason });
      return noting(await client.delete<ListAnswer<PinAnswer> & Told>(`/v1/failover?${query}`)).data;
    },
    async quarantine(provider, { since, ...rest }) {
      const path = `/v1/providers/${encodeURIComponent(provider)}/quarantine`;
      return noting(await client.post<QuarantineAnswer & Told>(path, { ...rest, ...(since !== null && { since }) }));
    },
    async release(provider, reason) {
      noting(await client.post<Told>(`/v1/providers/${encodeURIComponent(provider)}/release`, { reason }));
    },
    close: async () => {},
  };
}
