// One SMTP connection, signed in. It hands over one message at a time and knows exactly how far each one came.
//
// nodemailer's own transports report a connection that was lost after the final dot like one that never came to be, so we drive its
// SMTPConnection ourselves and give it the message as a stream. It pipes that stream only once the server has said 354, and writes
// the final dot only once the stream has ended: the first read means 354, the end means that the dot may be out.
import { Readable } from 'node:stream';
import SMTPConnection, { type SMTPEnvelope } from 'nodemailer/lib/smtp-connection';
import { type Phase, parseReply, type Reply } from './replies.ts';
import type { SmtpSettings } from './settings.ts';

// nodemailer's errors, as far as we read them.
interface RawError extends Error {
  readonly code?: string | undefined;
  readonly originalCode?: string | undefined;
  readonly command?: string | undefined;
  readonly response?: string | undefined;
  readonly recipient?: string | undefined;
}

/** Why something ended, when no reply says it. */
export type Cause =
  | 'connection_failed'
  | 'connection_lost'
  | 'tls_failed'
  | 'timeout'
  | 'unreadable_response'
  | 'invalid_credentials'
  | 'too_large'
  | 'unsupported';

/** What went wrong, and in which phase. `reply` is what the server said to it; `cause` counts where there is none. */
export interface Trouble {
  readonly phase: Phase;
  readonly reply: Reply | null;
  readonly cause: Cause;
  /** The server's words or the error's, not yet cleaned. */
  readonly text: string;
}

/** What one hand-over came to on the wire. */
export interface HandOver {
  /** Null: the server took the message. */
  readonly trouble: Trouble | null;
  /** The final reply, when it took the message. */
  readonly text: string;
  /** The id that the server gave the message, where it is known to say so. */
  readonly serverMessageId: string | null;
  /** The recipients it refused at RCPT. */
  readonly refusals: readonly { readonly address: string; readonly text: string; readonly reply: Reply | null }[];
}

/** Who sends it, and whom this hand-over has to reach. */
export interface Envelope {
  readonly from: string;
  readonly recipients: readonly string[];
}

/** A connection that is signed in and waits for messages, one at a time. */
export interface Session {
  readonly alive: boolean;
  /** Settles with what is known as soon as `signal` aborts; not a byte goes out after that. Never throws. */
  send(envelope: Envelope, raw: Buffer, signal: AbortSignal): Promise<HandOver>;
  /** Makes it ready for the next message: false when it can take none. */
  ready(): Promise<boolean>;
  /** Says goodbye, and hangs up at the latest a second later. */
  quit(): Promise<void>;
  /** Hangs up at once. */
  destroy(): void;
  /** Calls `action` once, when the connection has ended from either side. */
  onEnd(action: () => void): void;
}

const goodbyeMs = 1_000;
const chunkBytes = 64 * 1024;

/** Connects, secures and signs in. Never throws. */
export function openSession(settings: SmtpSettings, signal: AbortSignal): Promise<Session | Trouble> {
  const connection = new SMTPConnection({
    host: settings.host,
    port: settings.port,
    secure: settings.tls === 'implicit',
    requireTLS: settings.tls === 'starttls',
    ignoreTLS: settings.tls === 'none',
    connectionTimeout: settings.connect_timeout,
    greetingTimeout: settings.connect_timeout,
    // close() must cut the line at once: after an abort nothing that is still buffered may go out.
    socketCloseTimeout: 0,
    ...(settings.name === undefined ? {} : { name: settings.name }),
    ...(settings.tls_ca === undefined ? {} : { tls: { ca: settings.tls_ca } }),
  });

  return new Promise((resolve) => {
    let phase: Phase = 'connect';
    let settled = false;
    const settle = (result: Session | Trouble) => {
      if (settled) return;
      settled = true;
      signal.removeEventListener('abort', abort);
      if ('cause' in result) connection.close();
      resolve(result);
    };
    const fail = (error: RawError) => settle(openingTrouble(phase, connection.stage, error));
    const abort = () => settle({ phase, reply: null, cause: 'timeout', text: 'no time left while connecting' });
    const opened = () => {
      if (settings.user === undefined) return settle(session(connection));
      phase = 'auth';
      if (!connection.allowsAuth) {
        const text =
          'the relay offers no login on this connection: check `port` and `tls`, or remove `user` and `password`';
        return settle({ phase, reply: null, cause: 'invalid_credentials', text });
      }
      const { user, password: pass } = settings;
      connection.login({ user, credentials: { user, pass } }, (error) =>
        error ? fail(error) : settle(session(connection)),
      );
    };

    connection.on('error', fail);
    connection.once('end', () => fail(new Error('the relay hung up')));
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    connection.connect((error) => (error ? fail(error) : opened()));
  });
}

function session(connection: SMTPConnection): Session {
  // The last message left its transaction open on the server (refused), or the line in an unknown state (broken).
  let state: 'clean' | 'refused' | 'broken' = 'clean';
  return {
    get alive() {
      return !connection.destroyed;
    },
    async send(envelope, raw, signal) {
      const handOver = await transmit(connection, envelope, raw, signal);
      if (handOver.trouble === null) state = 'clean';
      else state = leavesSessionUsable(handOver.trouble) ? 'refused' : 'broken';
      if (state === 'broken') connection.close();
      return handOver;
    },
    async ready() {
      if (state === 'refused')
        await within(goodbyeMs, connection, (done) =>
          connection.reset((error) => (error ? connection.close() : done())),
        );
      return !connection.destroyed;
    },
    quit: () => within(goodbyeMs, connection, () => connection.quit()),
    destroy: () => connection.close(),
    onEnd(action) {
      if (connection.destroyed) action();
      else connection.once('end', action);
    },
  };
}

// A refusal of this one message; a 421 or a reply out of place ends the connection.
function leavesSessionUsable({ phase, reply }: Trouble): boolean {
  return reply !== null && reply.code >= 400 && reply.code !== 421 && phase !== 'body';
}

// Waits for `begin` to call `done`, or for the end of the connection, which it brings about itself after `ms`.
function within(ms: number, connection: SMTPConnection, begin: (done: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    if (connection.destroyed) return resolve();
    const timer = setTimeout(() => connection.close(), ms);
    const done = () => {
      clearTimeout(timer);
      connection.removeListener('end', done);
      resolve();
    };
    connection.once('end', done);
    begin(done);
  });
}

function transmit(connection: SMTPConnection, to: Envelope, raw: Buffer, signal: AbortSignal): Promise<HandOver> {
  const body = trackedBody(raw);
  // nodemailer keeps its books in this very object, so the refusals at RCPT are known however the rest ends.
  const envelope: SMTPEnvelope & { rejectedErrors?: RawError[] } = {
    from: to.from,
    to: [...to.recipients],
    size: raw.length,
  };

  return new Promise((resolve) => {
    let settled = false;
    const settle = (trouble: Trouble | null, text: string, serverMessageId: string | null = null) => {
      if (settled) return;
      settled = true;
      signal.removeEventListener('abort', abort);
      connection.removeListener('end', ended);
      resolve({ trouble, text, serverMessageId, refusals: (envelope.rejectedErrors ?? []).map(refusal) });
    };
    const fail = (trouble: Trouble) => settle(trouble, trouble.text);
    const lost = (cause: Cause, text: string) => fail({ phase: body.phase(), reply: null, cause, text });
    const abort = () => lost('timeout', 'no answer in time');
    // nodemailer ends the connection before it reports why, in the same breath: its report goes first.
    const ended = () => queueMicrotask(() => lost('connection_lost', 'the relay hung up'));

    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    connection.once('end', ended);
    connection.send(envelope, body.stream, (error, info) => {
      if (error) return fail(sendingTrouble(body.phase(), error));
      // Whatever is no 2xx reply to a whole message proves nothing, and the message may be on its way.
      const taken = /^2\d\d([ -]|$)/.test(info.response) && body.phase() === 'dot';
      if (!taken) return fail({ phase: 'dot', reply: null, cause: 'unreadable_response', text: info.response });
      settle(null, info.response, info.serverMessageId ?? null);
    });
  });
}

// The message as a stream that tells how far it was read. Its end is told before the pipe can know of it: on the side of `dot`.
function trackedBody(raw: Buffer): { stream: Readable; phase: () => Extract<Phase, 'mail' | 'body' | 'dot'> } {
  let at = 0;
  let phase: 'mail' | 'body' | 'dot' = 'mail';
  const stream = new Readable({
    highWaterMark: chunkBytes,
    read() {
      if (at < raw.length) {
        phase = 'body';
        at += chunkBytes;
        this.push(raw.subarray(at - chunkBytes, at));
      } else {
        phase = 'dot';
        this.push(null);
      }
    },
  });
  return { stream, phase: () => phase };
}

function refusal(error: RawError) {
  const text = error.response ?? error.message;
  return { address: error.recipient ?? '', text, reply: parseReply(text) };
}

function openingTrouble(phase: Phase, stage: 'init' | 'connected', error: RawError): Trouble {
  const text = error.response ?? (error.message || String(error.code));
  const tls = error.code === 'ETLS' || (!error.response && /\b(ssl|tls|cert|certificate)\b/i.test(text));
  const reply = error.response === undefined ? null : parseReply(error.response);
  return { phase: tls ? 'tls' : phase, reply, cause: tls ? 'tls_failed' : causeOf(error, stage), text };
}

function sendingTrouble(phase: Phase, error: RawError): Trouble {
  const text = error.response ?? error.message;
  const reply = error.response === undefined ? null : parseReply(error.response);
  const cause =
    reply === null && error.code === 'EMESSAGE' && error.command === 'MAIL FROM'
      ? 'too_large'
      : causeOf(error, 'connected');
  return { phase: repliedTo(phase, error), reply, cause, text };
}

// Which command was answered; a 421 out of turn counts for the phase it came in.
function repliedTo(phase: Phase, { code, command }: RawError): Phase {
  if (command === 'RCPT TO') return 'rcpt';
  if (command === 'DATA' && code === 'EENVELOPE') return 'data';
  return phase;
}

function causeOf(error: RawError, stage: 'init' | 'connected'): Cause {
  if (error.response !== undefined || error.code === 'EPROTOCOL') return 'unreadable_response';
  if (error.code === 'ETIMEDOUT') return 'timeout';
  if (error.code === 'EENVELOPE') return 'unsupported';
  return stage === 'init' && error.originalCode !== 'ECONNRESET' ? 'connection_failed' : 'connection_lost';
}
