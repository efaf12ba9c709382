// An SMTP server for tests, on a port of 127.0.0.1: takes mail and keeps it, or misbehaves as it is told, at any step of the dialogue.
import { createServer, type Socket } from 'node:net';
import { selfSigned, type TestCertificate } from './certificate.ts';
import { type Dialogue, type SharedState, startDialogue } from './smtp-dialogue.ts';

/** The steps of the dialogue at which a fault may strike. `body`: amid the message; `dot`: after its end. */
export type SmtpStep = 'greeting' | 'ehlo' | 'starttls' | 'auth' | 'mail' | 'rcpt' | 'data' | 'body' | 'dot';

/**
 * One fault: where, what, and when. Without `reply` or `act` nothing happens.
 *
 * `reply` is said in place of the usual answer (a 421 also hangs up; `{auth}` in it quotes the credentials, as some servers do).
 * `close` hangs up politely, `reset` with a TCP reset. `silence` never answers again and, amid a message, reads no more of it. `drip`
 * answers a byte at a time without an end, `garbage` answers something that is no SMTP, `half` hangs up amid its answer, `flood`
 * answers ten megabytes. `slow` is for `body`: it reads a chunk a millisecond, and takes the message all the same.
 */
export interface SmtpFault {
  readonly at: SmtpStep;
  readonly reply?: string;
  readonly act?: 'close' | 'reset' | 'silence' | 'drip' | 'garbage' | 'half' | 'flood' | 'slow' | 'late';
  /** Only for this recipient; at `rcpt`. */
  readonly to?: string;
  /** Only once the server has taken so many messages in all. */
  readonly after?: number;
  /** Only on connections that have already brought a message. */
  readonly reused?: boolean;
  /** With `late`. */
  readonly ms?: number;
  /** At `body`: after so many bytes; 1 by default. */
  readonly bytes?: number;
}

/** One message that the server took: what it keeps is what it vouches for, whatever it answered. */
export interface ReceivedMail {
  /** The header X-Mailover-Id. */
  readonly id: string | null;
  readonly from: string;
  readonly to: readonly string[];
  /** Everything after DATA, with the dots unstuffed and without the final dot. */
  readonly raw: Buffer;
  readonly at: number;
  /** The number of the connection that brought it, from 1. */
  readonly connection: number;
}

export interface SmtpServerOptions {
  /** `starttls` offers it and insists on it before mail; `implicit` starts with TLS. Plain without. */
  readonly tls?: 'starttls' | 'implicit';
  readonly certificate?: TestCertificate;
  /** Without it nobody needs to sign in. */
  readonly auth?: { readonly user: string; readonly password: string };
  readonly fault?: SmtpFault | readonly SmtpFault[];
  /** What EHLO offers beside STARTTLS and AUTH; PIPELINING, 8BITMIME, SIZE and ENHANCEDSTATUSCODES by default. */
  readonly extensions?: readonly string[];
}

export interface SmtpServer {
  readonly host: string;
  readonly port: number;
  /** PEM of its certificate, to trust it; empty without TLS. */
  readonly ca: string;
  readonly received: readonly ReceivedMail[];
  /** How often it was connected to, and how many connections are open now. */
  readonly connections: number;
  readonly open: number;
  readonly authAttempts: number;
  /** How many MAIL commands it saw. */
  readonly mailAttempts: number;
  /** How many bytes of messages it has read, complete or not. */
  readonly messageBytes: number;
  /** The faults from now on; the first that fits strikes. Null: none. */
  setFault(fault: SmtpFault | readonly SmtpFault[] | null): void;
  /** Hangs up on every connection that waits for a command, after saying `reply`. */
  dropIdle(reply?: string): void;
  close(): Promise<void>;
}

/** Starts it. Always `close` it: a fault may keep connections open for good. */
export async function startSmtpServer(options: SmtpServerOptions = {}): Promise<SmtpServer> {
  const certificate = options.certificate ?? (options.tls ? selfSigned() : null);
  const counts = { connections: 0, authAttempts: 0, mailAttempts: 0, messageBytes: 0 };
  const received: ReceivedMail[] = [];
  const dialogues = new Map<Socket, Dialogue>();
  let faults: readonly SmtpFault[] = [options.fault ?? []].flat();

  const shared: SharedState = {
    options,
    certificate,
    count(what, by = 1) {
      counts[what] += by;
      return counts[what];
    },
    take(mail) {
      received.push(mail);
    },
    fault: (at, messages, to) =>
      faults.find(
        (fault) =>
          fault.at === at &&
          (fault.to === undefined || fault.to === to) &&
          received.length >= (fault.after ?? 0) &&
          (!fault.reused || messages > 0),
      ),
  };

  const server = createServer({ noDelay: true }, (socket) => {
    dialogues.set(socket, startDialogue(socket, shared));
    socket.on('close', () => dialogues.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the SMTP server got no port');

  const self: SmtpServer = {
    host: '127.0.0.1',
    port: address.port,
    ca: certificate?.cert ?? '',
    received,
    get connections() {
      return counts.connections;
    },
    get open() {
      return dialogues.size;
    },
    get authAttempts() {
      return counts.authAttempts;
    },
    get mailAttempts() {
      return counts.mailAttempts;
    },
    get messageBytes() {
      return counts.messageBytes;
    },
    setFault(fault) {
      faults = [fault ?? []].flat();
    },
    dropIdle(reply) {
      for (const dialogue of dialogues.values()) dialogue.drop(reply);
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of dialogues.keys()) socket.destroy();
      await closed;
    },
  };
  return self;
}
