// What the settings say about a send: the numbers that `toDraft` holds it against. Types only.

/** What the settings say about one send. Durations in ms, `maxBytes` counted after decoding. */
export interface SendRules {
  /** The time, epoch ms. */
  readonly now: number;
  readonly limits: SendLimits;
  readonly maxBytes: number;
  readonly streams: Readonly<Record<string, StreamRules>>;
}

/** `subject` in characters; `schedule_ahead` and `expires_max` in ms. */
export interface SendLimits {
  readonly recipients: number;
  readonly attachments: number;
  readonly headers: number;
  readonly subject: number;
  readonly schedule_ahead: number;
  readonly expires_max: number;
}

/** What a stream decides for a send that does not say so itself. `expires_in` in ms. */
export interface StreamRules {
  readonly expires_in: number;
  readonly on_unknown: 'resend' | 'hold';
}
