// What a reader gets is what the sender asked for: sent by the SMTP adapter to two servers, one of them not ours, and read back.
import PostalMime, { type Email } from 'postal-mime';
import { SMTPServer } from 'smtp-server';
import { afterEach, describe, expect, test } from 'vitest';
import { composeMime } from '../../providers/mime.ts';
import type { Mail } from '../../providers/provider.ts';
import { smtp } from '../../providers/smtp/index.ts';
import { startSmtpServer } from '../support/smtp-server.ts';
import { testContext, testMail } from './mail.ts';
import { quietParts, smtpTestSettings } from './parts.ts';

interface Taken {
  readonly from: string;
  readonly to: readonly string[];
  readonly raw: Buffer;
}

const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function ours() {
  const server = await startSmtpServer();
  closing.push(server.close);
  return { host: server.host, port: server.port, taken: server.received };
}

async function theirs() {
  const taken: Taken[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope;
        const to = rcptTo.map(({ address }) => address);
        taken.push({ from: mailFrom ? mailFrom.address : '', to, raw: Buffer.concat(chunks) });
        done();
      });
    },
  });
  const port = await new Promise<number>((resolve) => {
    const listening = server.listen(0, '127.0.0.1', () => {
      const address = listening.address();
      resolve(typeof address === 'object' && address ? address.port : 0);
    });
  });
  closing.push(() => new Promise((resolve) => server.close(() => resolve())));
  return { host: '127.0.0.1', port, taken };
}

describe.each([
  ['our server', ours],
  ['smtp-server', theirs],
])('read back from %s', (_, start) => {
  async function through(parts: Partial<Mail>): Promise<{ mail: Mail; taken: Taken; read: Email; header: string }> {
    const server = await start();
    const provider = smtp.create('relay', smtpTestSettings(server), quietParts());
    closing.push(provider.close);
    const mail = testMail(parts);
    expect(provider.unsupported(mail)).toBeNull();
    expect(await provider.send(mail, testContext())).toMatchObject({ outcome: 'accepted' });
    const [taken] = server.taken;
    if (!taken) throw new Error('the server took nothing');
    const header = taken.raw.toString('latin1').split('\r\n\r\n', 1)[0] ?? '';
    for (const line of taken.raw.toString('latin1').split('\r\n')) expect(line.length).toBeLessThanOrEqual(998);
    expect(
      [...header].every(
        (character) => character === '\r' || character === '\n' || (character >= ' ' && character <= '~'),
      ),
    ).toBe(true);
    return { mail, taken, read: await PostalMime.parse(taken.raw), header };
  }

  function header(read: Email, key: string): string | undefined {
    return read.headers.find((one) => one.key === key)?.value;
  }

  test('names and subject beyond ASCII, and a subject longer than a line', async () => {
    const subject = `Ihre Rechnung für März – ${'Größenänderung, übermäßig lang, '.repeat(12)}✓`;
    const { read } = await through({
      from: { name: 'Jürgen "der Große" Öztürk, Büro', address: 'noreply@acme.example' },
      to: [{ name: '山田 太郎', address: 'yamada@example.com' }],
      subject,
    });
    expect(read.subject).toBe(subject);
    expect(read.from).toMatchObject({ name: 'Jürgen "der Große" Öztürk, Büro', address: 'noreply@acme.example' });
    expect(read.to).toMatchObject([{ name: '山田 太郎', address: 'yamada@example.com' }]);
  });

  test('a long subject in ASCII, and one that looks like an encoded word', async () => {
    const long = `Order ${'0123456789 '.repeat(40)}end`;
    expect((await through({ subject: long })).read.subject).toBe(long);
  });

  test('to, cc and reply-to are shown, bcc is reached and not shown', async () => {
    const {
      taken,
      read,
      header: raw,
    } = await through({
      to: [{ name: 'To, One', address: 'to@example.com' }],
      cc: [{ name: 'Cc; Two', address: 'cc@example.com' }],
      bcc: [{ name: 'Secret', address: 'hidden@example.com' }],
      replyTo: [
        { name: 'Help: desk', address: 'help@acme.example' },
        { name: '', address: 'sales@acme.example' },
      ],
    });
    expect(taken.to).toEqual(['to@example.com', 'cc@example.com', 'hidden@example.com']);
    expect(read.to).toMatchObject([{ name: 'To, One', address: 'to@example.com' }]);
    expect(read.cc).toMatchObject([{ name: 'Cc; Two', address: 'cc@example.com' }]);
    expect(read.replyTo).toMatchObject([
      { name: 'Help: desk', address: 'help@acme.example' },
      { name: '', address: 'sales@acme.example' },
    ]);
    expect(raw).not.toMatch(/hidden|bcc/i);
  });

  test('a mail with hidden recipients alone', async () => {
    const { taken, header: raw } = await through({ to: [], bcc: [{ name: '', address: 'hidden@example.com' }] });
    expect(taken.to).toEqual(['hidden@example.com']);
    expect(raw).not.toContain('hidden');
  });

  test('text with dots, long lines, ragged ends and characters of every kind', async () => {
    const text = [
      '.',
      '..',
      '.dot',
      '',
      '\t tab ',
      'trailing space ',
      `${'long '.repeat(500)}line`,
      'x'.repeat(5_000),
      'ß € 𝄞 =3D',
      '.',
    ].join('\n');
    const html = `<p>.\n.\n${'<b>é</b>'.repeat(2_000)}</p>`;
    const { read } = await through({ text, html });
    expect(read.text?.replaceAll('\r\n', '\n').trimEnd()).toBe(text);
    expect(read.html?.replaceAll('\r\n', '\n').trimEnd()).toBe(html);
  });

  test('plain ASCII text keeps its dots', async () => {
    const text = '.\n..\nFrom here\n.\n';
    expect((await through({ text })).read.text?.replaceAll('\r\n', '\n')).toBe(text);
  });

  test('attachments byte for byte, with their names and types', async () => {
    const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
    const attachments = [
      {
        filename: 'Übersicht „2026“ – Größe.pdf',
        contentType: 'application/pdf',
        content: bytes(1_000),
        contentId: null,
      },
      {
        filename: 'naïve; name="x"\\.txt',
        contentType: 'text/plain; charset=iso-8859-1',
        content: bytes(300),
        contentId: null,
      },
      { filename: 'bare-lf.csv', contentType: 'text/csv', content: Buffer.from('a\nb\r\n.\n\r.'), contentId: null },
      { filename: 'empty.bin', contentType: 'application/octet-stream', content: new Uint8Array(), contentId: null },
      {
        filename: 'mail.eml',
        contentType: 'message/rfc822',
        content: Buffer.from('Subject: ü\n\nbody\n'),
        contentId: null,
      },
      { filename: 'odd.bin', contentType: 'multipart/mixed', content: bytes(50), contentId: null },
    ];
    const { read } = await through({ attachments });
    expect(read.attachments.map(({ filename }) => filename)).toEqual(attachments.map(({ filename }) => filename));
    for (const [i, { content }] of attachments.entries()) {
      expect(Buffer.compare(contentOf(read, i), content)).toBe(0);
    }
    expect(read.attachments.map(({ mimeType }) => mimeType)).toEqual([
      'application/pdf',
      'text/plain',
      'text/csv',
      'application/octet-stream',
      'application/octet-stream',
      'application/octet-stream',
    ]);
  });

  test('8 MB arrive byte for byte', async () => {
    const content = new Uint8Array(8 * 1024 * 1024);
    for (let i = 0; i < content.length; i++) content[i] = (i * 2_654_435_761) >>> 24;
    const { read } = await through({
      attachments: [{ filename: 'big.bin', contentType: 'application/octet-stream', content, contentId: null }],
    });
    expect(Buffer.compare(contentOf(read, 0), content)).toBe(0);
  });

  test('an image shown inline by its content id', async () => {
    const content = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0, 1, 2, 3]);
    const { read } = await through({
      html: '<img src="cid:logo@acme">',
      attachments: [
        { filename: 'logo.png', contentType: 'image/png', content, contentId: 'logo@acme' },
        { filename: 'terms.txt', contentType: 'text/plain', content: Buffer.from('terms'), contentId: null },
      ],
    });
    expect(read.attachments).toMatchObject([
      { filename: 'logo.png', mimeType: 'image/png', contentId: '<logo@acme>', disposition: 'inline', related: true },
      { filename: 'terms.txt', mimeType: 'text/plain', disposition: 'attachment' },
    ]);
    expect(Buffer.compare(contentOf(read, 0), content)).toBe(0);
    expect(read.html?.trim()).toBe('<img src="cid:logo@acme">');
  });

  test("the sender's own headers as they are, beside ours", async () => {
    const {
      mail,
      read,
      header: raw,
    } = await through({
      headers: {
        'X-Campaign-ID': 'frühling-7',
        'X-Json': '{"tags": ["a", "b"], "n": 1}',
        'X-Empty': '',
        'List-Unsubscribe': '<https://acme.example/u?x=1&y=2>, <mailto:unsubscribe@acme.example>',
        References: '<a@acme.example> <b@acme.example>',
        'X-Long': 'word '.repeat(300).trim(),
        key: 'k',
        value: 'v',
        'X-Mailover-Id': 'em_forged',
      },
      tags: [{ name: 'kind', value: 'test' }],
      metadata: { order: '7' },
    });
    expect(header(read, 'x-campaign-id')).toBe('=?UTF-8?Q?fr=C3=BChling-7?='); // unstructured: the reader decodes it
    expect(header(read, 'x-json')).toBe('{"tags": ["a", "b"], "n": 1}');
    expect(header(read, 'list-unsubscribe')).toBe(
      '<https://acme.example/u?x=1&y=2>, <mailto:unsubscribe@acme.example>',
    );
    expect(header(read, 'references')).toBe('<a@acme.example> <b@acme.example>');
    expect(header(read, 'x-long')).toBe('word '.repeat(300).trim());
    expect([header(read, 'key'), header(read, 'value')]).toEqual(['k', 'v']);
    expect(read.headers.filter(({ key }) => key === 'x-mailover-id').map(({ value }) => value)).toEqual([mail.id]);
    expect(raw).toMatch(/^X-Mailover-Id: /m);
    expect(read.messageId).toBe(`<${mail.id}@acme.example>`);
    expect(raw).not.toMatch(/kind|order/);
  });
});

test('addresses go out as they are: quoted local parts, A-labels, upper case', async () => {
  const server = await ours();
  const provider = smtp.create('relay', smtpTestSettings(server), quietParts());
  closing.push(provider.close);
  const from = '"no reply"@xn--bcher-kva.example';
  const addresses = [
    '"a,b c"@example.com',
    'Mixed.Case+tag@xn--bcher-kva.example',
    "o'brien=x@example.com",
    '"x@y"@example.com',
  ];
  const to = addresses.map((address) => ({ name: '', address }));
  const mail = testMail({ from: { name: '', address: from }, to });
  expect(await provider.send(mail, testContext())).toMatchObject({ outcome: 'accepted' });
  expect(server.taken).toMatchObject([{ from, to: addresses }]);
  const read = await PostalMime.parse(server.taken[0]?.raw ?? '');
  expect(read.to?.length).toBe(4);
  expect(read.messageId).toBe(`<${mail.id}@xn--bcher-kva.example>`);
});

describe('composing', () => {
  test('the same mail has the same Message-ID each time, or the one its sender gave', async () => {
    const mail = testMail();
    expect((await composeMime(mail)).messageId).toBe((await composeMime(mail)).messageId);
    const own = await composeMime(testMail({ headers: { 'message-id': '<own@acme.example>' } }));
    expect(own.messageId).toBe('<own@acme.example>');
    const read = await PostalMime.parse(own.raw);
    expect(read.headers.filter(({ key }) => key === 'message-id').map(({ value }) => value)).toEqual([
      '<own@acme.example>',
    ]);
  });

  test('what looks like a file or a URL stays text', async () => {
    const { raw } = await composeMime(testMail({ text: 'data:text/plain,hello', html: 'file:///etc/passwd' }));
    const read = await PostalMime.parse(raw);
    expect([read.text?.trim(), read.html?.trim()]).toEqual(['data:text/plain,hello', 'file:///etc/passwd']);
  });

  test('a name or a header that tries to begin another header does not', async () => {
    const mail = testMail({
      from: { name: 'A\r\nBcc: x@example.com', address: 'noreply@acme.example' },
      subject: 'B\r\nX-Injected: 1',
      headers: { 'X-Try': 'c\r\nX-Injected: 2' },
    });
    const read = await PostalMime.parse((await composeMime(mail)).raw);
    expect(read.headers.map(({ key }) => key)).not.toContain('x-injected');
    expect(read.bcc ?? []).toEqual([]);
  });
});

function contentOf(read: Email, at: number): Buffer {
  const content = read.attachments[at]?.content;
  if (content === undefined || typeof content === 'string') throw new Error(`no bytes in attachment ${at}`);
  return Buffer.from(content instanceof Uint8Array ? content : new Uint8Array(content));
}
