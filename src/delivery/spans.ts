// An attempt as a span: beneath the request that brought the message, above the call of the provider.
import type { Provider, Result } from '../../providers/provider.ts';
import type { Attempt } from '../core/message.ts';
import type { Message } from '../store/messages.ts';
import type { Traces } from '../tracing/traces.ts';

/** The span of one attempt. */
export interface AttemptSpan {
  /** Makes the call in a span of its own. */
  call(work: () => Promise<Result>): Promise<Result>;
  /** The attempt is recorded. */
  end(result: Result): void;
}

/** Begins it. */
export function attemptSpan(traces: Traces, message: Message, attempt: Attempt, provider: Provider): AttemptSpan {
  const common = { 'mailover.message': message.id, 'mailover.provider': provider.name };
  const span = traces.start({
    name: 'attempt',
    kind: 'consumer',
    parent: message.trace,
    attributes: {
      ...common,
      'mailover.stream': message.stream,
      'mailover.lane': message.lane,
      'mailover.attempt': attempt.number,
      'mailover.round': attempt.round,
      'mailover.probe': attempt.probe,
    },
  });
  return {
    async call(work) {
      const call = traces.start({
        name: `send ${provider.type}`,
        kind: 'client',
        parent: span.traceparent,
        attributes: { ...common, 'mailover.provider_type': provider.type },
      });
      const result = await work();
      call.end(fault(result), outcomeOf(result));
      return result;
    },
    end(result) {
      span.event('outcome', outcomeOf(result));
      span.end(fault(result), outcomeOf(result));
    },
  };
}

const fault = ({ outcome }: Result) => (outcome === 'accepted' ? null : outcome);

const outcomeOf = ({ outcome, reason }: Result) => ({
  'mailover.outcome': outcome,
  ...(reason !== null && { 'mailover.reason': reason }),
});
