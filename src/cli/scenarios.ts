// The failures that a drill can play, as data: what the provider does, and what has to come of it.

/** What a sandbox provider does for a while; `forMs` null: until the end. */
export interface Step {
  readonly mode: string;
  /** The part of its mail that it befalls. */
  readonly share: number;
  readonly forMs: number | null;
}

/** What has to come of a failure. */
export interface Expected {
  /** The state that the provider must come to; `up`: it must stay there. */
  readonly state: 'up' | 'down' | 'suspended';
  /** The cause of the incident; null where there must be none. */
  readonly cause: string | null;
  /** How long it may take until new mail avoids the provider; null: until the failure ends. */
  readonly withinMs: number | null;
  /** How the mail of the time of the failure must end. */
  readonly ends: 'delivered' | 'bounced';
}

/** One failure. */
export interface Scenario {
  readonly name: string;
  /** What the provider does, as the end of a sentence that begins with its name. */
  readonly does: string;
  /** One after the other, and from the start again. */
  readonly steps: readonly [Step, ...Step[]];
  readonly expected: Expected;
}

const whole = (mode: string): readonly [Step] => [{ mode, share: 1, forMs: null }];
const falls: Expected = { state: 'down', cause: 'failing', withinMs: null, ends: 'delivered' };

/** All of them. */
export const scenarios: readonly Scenario[] = [
  {
    name: 'blackhole',
    does: 'accepts all mail, and nothing is heard of it again',
    steps: whole('blackhole'),
    expected: { ...falls, cause: 'silence' },
  },
  {
    name: 'suspend',
    does: 'says that the account is suspended',
    steps: whole('suspend'),
    expected: { ...falls, state: 'suspended', cause: 'suspended', withinMs: 1_000 },
  },
  {
    name: 'partial',
    does: 'accepts all mail, and nothing is heard of 30 % of it again',
    steps: [{ mode: 'blackhole', share: 0.3, forMs: null }],
    expected: { ...falls, cause: 'partial' },
  },
  {
    name: 'error',
    does: 'answers every mail with an error',
    steps: whole('error'),
    expected: falls,
  },
  {
    name: 'timeout',
    does: 'takes mail and does not answer',
    steps: whole('timeout'),
    expected: falls,
  },
  {
    name: 'throttle',
    does: 'answers that it is sent too much at once',
    steps: whole('throttle'),
    // It says itself when to come again: no fault of its, and no mail waits for it.
    expected: { state: 'up', cause: null, withinMs: null, ends: 'delivered' },
  },
  {
    name: 'bounce',
    does: 'accepts all mail, and all of it bounces',
    steps: whole('bounce'),
    // A bounce is news of a mail, and the recipient's fault. Another provider would do no better.
    expected: { state: 'up', cause: null, withinMs: null, ends: 'bounced' },
  },
  {
    name: 'flapping',
    does: 'swallows mail for ten seconds, delivers for ten, and so on',
    steps: [
      { mode: 'blackhole', share: 1, forMs: 10_000 },
      { mode: 'deliver', share: 1, forMs: 10_000 },
    ],
    expected: { ...falls, cause: 'silence' },
  },
];
