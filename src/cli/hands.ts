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

/** Through the API. */
export function handsOf(client: Client): Hands {
  return {
    async failover({ stream, for: duration, ...rest }) {
      const body = { ...rest, ...(stream !== null && { stream }), ...(duration !== null && { for: duration }) };
      return (await client.post<ListAnswer<PinAnswer>>('/v1/failover', body)).data;
    },
    async failback(stream, reason) {
      const query = new URLSearchParams({ ...(stream !== null && { stream }), reason });
      return (await client.delete<ListAnswer<PinAnswer>>(`/v1/failover?${query}`)).data;
    },
    quarantine(provider, { since, ...rest }) {
      const path = `/v1/providers/${encodeURIComponent(provider)}/quarantine`;
      return client.post<QuarantineAnswer>(path, { ...rest, ...(since !== null && { since }) });
    },
    async release(provider, reason) {
      await client.post(`/v1/providers/${encodeURIComponent(provider)}/release`, { reason });
    },
    close: async () => {},
  };
}
