// The server's side of one SMTP connection, with the faults it has been told to commit.
import type { Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import type { TestCertificate } from './certificate.ts';
import type { ReceivedMail, SmtpFault, SmtpServerOptions, SmtpStep } from './smtp-server.ts';

/** What all connections of one server share. */
export interface SharedState {
  readonly options: SmtpServerOptions;
  readonly certificate: TestCertificate | null;
  /** Counts one more, or `by` more, and says how many there are. */
  count(what: 'connections' | 'authAttempts' | 'mailAttempts' | 'messageBytes', by?: number): number;
  take(mail: ReceivedMail): void;
  /** The fault that strikes at this step of a connection that has brought so many messages. */
  fault(at: SmtpStep, messages: number, to?: string): SmtpFault | undefined;
}

/** One connection. */
export interface Dialogue {
  /** Hangs up if it waits for a command, after saying `reply`. */
  drop(reply?: string): void;
}

/** Greets, and answers until either side hangs up. */
export function startDialogue(rawSocket: Socket, shared: SharedState): Dialogue {
  const { options, certificate } = shared;
  const number = shared.count('connections');
  let socket: Socket = rawSocket;
  let secure = false;
  let signedIn = options.auth === undefined;
  let messages = 0;
  let deaf = false;
  let unread: Buffer = Buffer.alloc(0);
  let login: ((answer: string) => void) | null = null;
  let envelope: { from: string; to: string[] } | null = null;
  let body: { chunks: Buffer[]; size: number; tail: Buffer } | null = null;

  rawSocket.on('error', () => {});
  if (options.tls === 'implicit') encrypt(greet);
  else greet();
  listen();

  const commands: Readonly<Record<string, (command: string) => void>> = {
    EHLO: () => {
      answer('ehlo', ehlo());
    },
    HELO: () => say('250 smtp.example.net'),
    STARTTLS: startTls,
    AUTH: auth,
    MAIL: mail,
    RCPT: rcpt,
    DATA: data,
    RSET: () => {
      envelope = null;
      say('250 2.0.0 reset');
    },
    NOOP: () => say('250 2.0.0 here'),
    QUIT: () => {
      say('221 2.0.0 goodbye');
      hangUp();
    },
  };

  return {
    drop(reply) {
      if (envelope || body || deaf) return;
      if (reply) say(reply);
      hangUp();
    },
  };

  function greet(): void {
    answer('greeting', '220 smtp.example.net ESMTP test server');
  }

  function listen(): void {
    socket.on('data', (chunk: Buffer) => {
      if (deaf) return;
      if (body) receive(chunk);
      else read(chunk);
    });
  }

  function encrypt(then: () => void): void {
    if (!certificate) throw new Error('a server without a certificate was asked for TLS');
    socket.removeAllListeners('data');
    const encrypted = new TLSSocket(socket, { isServer: true, secureContext: createSecureContext({ ...certificate }) });
    encrypted.on('error', () => rawSocket.destroy());
    encrypted.once('secure', () => {
      secure = true;
      then();
    });
    socket = encrypted;
  }

  function say(text: string): void {
    if (socket.writable) socket.write(`${text}\r\n`);
  }

  function hangUp(): void {
    deaf = true;
    socket.end();
  }

  // Says `usual` unless a fault strikes. True when the dialogue may go on as if all were well.
  function answer(at: SmtpStep, usual: string, to?: string): boolean {
    const fault = shared.fault(at, messages, to);
    if (fault?.reply === undefined && fault?.act) {
      misbehave(fault.act, usual, fault.ms ?? 0);
      return false;
    }
    const reply = fault?.reply ?? usual;
    say(reply);
    if (reply.startsWith('421')) hangUp();
    return /^[23]/.test(reply);
  }

  function misbehave(act: NonNullable<SmtpFault['act']>, usual: string, ms: number): void {
    deaf = act !== 'garbage';
    switch (act) {
      case 'close':
        socket.end();
        return;
      case 'reset':
        rawSocket.resetAndDestroy();
        return;
      case 'silence':
        if (body) socket.pause();
        return;
      case 'slow':
        deaf = false;
        say(usual);
        return;
      case 'late':
        deaf = false;
        setTimeout(() => say(usual), ms);
        return;
      case 'drip': {
        const timer = setInterval(() => socket.write('2'), 20);
        rawSocket.once('close', () => clearInterval(timer));
        return;
      }
      case 'garbage':
        socket.write('<html>502 Bad Gateway</html>\r\n');
        return;
      case 'half':
        socket.end(usual.slice(0, 2));
        return;
      case 'flood':
        socket.write(`${'250-and so on and on and on, for a very long while indeed\r\n'.repeat(180_000)}250 OK\r\n`);
    }
  }

  function read(chunk: Buffer): void {
    unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk]);
    for (let end = unread.indexOf('\n'); end >= 0 && !deaf && !body; end = unread.indexOf('\n')) {
      const command = unread.subarray(0, end).toString('utf8').replace(/\r$/, '');
      unread = unread.subarray(end + 1);
      obey(command);
    }
    if (body && unread.length > 0) {
      const rest = unread;
      unread = Buffer.alloc(0);
      receive(rest);
    }
  }

  function obey(command: string): void {
    const verb = command.toUpperCase().split(/[ :]/, 1)[0] ?? '';
    if (login) login(command);
    else if (commands[verb]) commands[verb](command);
    else say('502 5.5.2 what?');
  }

  function ehlo(): string {
    const lines = ['smtp.example.net', ...(options.extensions ?? usualExtensions)];
    if (options.tls === 'starttls' && !secure) lines.push('STARTTLS');
    else if (options.auth) lines.push('AUTH PLAIN LOGIN');
    return lines.map((line, i) => `250${i < lines.length - 1 ? '-' : ' '}${line}`).join('\r\n');
  }

  function startTls(): void {
    if (options.tls !== 'starttls' || secure) {
      say('502 5.5.1 no TLS here');
      return;
    }
    const fault = shared.fault('starttls', messages);
    // Garbage in place of TLS comes after the promise.
    if (fault?.act === 'garbage') say('220 2.0.0 go ahead');
    if (!answer('starttls', '220 2.0.0 go ahead')) return;
    unread = Buffer.alloc(0);
    encrypt(() => {});
    listen();
  }

  function auth(command: string): void {
    shared.count('authAttempts');
    const [, mechanism = '', initial] = command.split(' ');
    if (mechanism.toUpperCase() !== 'PLAIN') {
      login = (user) => {
        login = (password) => signIn(decode(user), decode(password), password);
        say('334 UGFzc3dvcmQ6');
      };
      say('334 VXNlcm5hbWU6');
      return;
    }
    const plain = (answer: string) => {
      const [, user = '', password = ''] = decode(answer).split('\0');
      signIn(user, password, answer);
    };
    login = plain;
    if (initial) plain(initial);
    else say('334 ');
  }

  function signIn(user: string, password: string, given: string): void {
    login = null;
    const right = user === options.auth?.user && password === options.auth.password;
    const quoting = shared.fault('auth', messages)?.reply;
    if (quoting?.includes('{auth}')) say(quoting.replace('{auth}', `${given} ${password}`));
    else signedIn = answer('auth', right ? '235 2.7.0 welcome' : '535 5.7.8 no such user or password');
  }

  function mail(command: string): void {
    shared.count('mailAttempts');
    if (options.tls === 'starttls' && !secure) say('530 5.7.0 say STARTTLS first');
    else if (!signedIn) say('530 5.7.0 sign in first');
    else if (envelope) say('503 5.5.1 one at a time');
    else if (answer('mail', '250 2.1.0 sender ok')) envelope = { from: path(command), to: [] };
  }

  function rcpt(command: string): void {
    const to = path(command);
    if (!envelope) say('503 5.5.1 MAIL first');
    else if (answer('rcpt', '250 2.1.5 recipient ok', to)) envelope.to.push(to);
  }

  function data(): void {
    if (!envelope?.to.length) say('554 5.5.1 no valid recipients');
    else if (answer('data', '354 go ahead')) body = { chunks: [], size: 0, tail: Buffer.from('\r\n') };
  }

  function receive(chunk: Buffer): void {
    if (!body || !envelope) return;
    // The end may lie across two chunks; before the first line there is a line break, too, so that an empty message has an end.
    const seam = Buffer.concat([body.tail, chunk]);
    const end = seam.indexOf('\r\n.\r\n');
    const used = end < 0 ? chunk.length : end + 5 - body.tail.length;
    body.chunks.push(chunk.subarray(0, used));
    body.size += used;
    shared.count('messageBytes', used);
    body.tail = seam.subarray(-4);
    const fault = shared.fault('body', messages);
    if (fault?.act === 'slow') {
      socket.pause();
      setTimeout(() => socket.resume(), 1);
    } else if (fault && body.size >= (fault.bytes ?? 1)) {
      answer('body', '');
      return;
    }
    if (end < 0) return;
    const stuffed = Buffer.concat(body.chunks).subarray(0, -3);
    const { from, to } = envelope;
    body = null;
    envelope = null;
    finish(from, to, stuffed);
    if (used < chunk.length && !deaf) read(chunk.subarray(used));
  }

  function finish(from: string, to: readonly string[], stuffed: Buffer): void {
    const refused = /^[345]/.test(shared.fault('dot', messages)?.reply ?? '');
    const raw = Buffer.from(stuffed.toString('latin1').replace(/(^|\r\n)\.\./g, '$1.'), 'latin1');
    const header = raw.subarray(0, 16_384).toString('latin1').split('\r\n\r\n', 1)[0] ?? '';
    const id = /^X-Mailover-Id: *(\S+)/im.exec(header)?.[1] ?? null;
    // Answered before it is counted, so that `after: n` strikes the message after the n-th.
    answer('dot', `250 2.0.0 OK queued as ${number}-${messages + 1}`);
    if (refused) return;
    messages += 1;
    shared.take({ id, from, to, raw, at: Date.now(), connection: number });
  }
}

const usualExtensions = ['PIPELINING', '8BITMIME', 'SIZE 52428800', 'ENHANCEDSTATUSCODES'];

function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}

function path(command: string): string {
  return /<((?:"(?:[^"\\]|\\.)*"|[^">])*)>/.exec(command)?.[1] ?? '';
}
