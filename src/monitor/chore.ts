// What the leading monitor does again and again, and where it speaks of it.

/** What the monitor writes to the log; a pino logger is one. */
export interface MonitorLog {
  info(fields: Record<string, unknown>, text: string): void;
  warn(fields: Record<string, unknown>, text: string): void;
  error(fields: Record<string, unknown>, text: string): void;
}

/** Work that only the leader does, again and again: `everyMs` after it was last done. */
export interface Chore {
  readonly name: string;
  readonly everyMs: number;
  run(): Promise<void>;
}
