// A form as multipart/form-data (RFC 7578), names and file names escaped as browsers do it (HTML standard, 4.10.21.8).
import { randomUUID } from 'node:crypto';

/** One field: a text, or a file. Names may repeat. */
export type Field =
  | { readonly name: string; readonly value: string }
  | { readonly name: string; readonly filename: string; readonly contentType: string; readonly content: Uint8Array };

/** A form as it goes over the wire. */
export interface Form {
  readonly contentType: string;
  readonly body: Buffer;
}

/** Encodes `fields` in their order. Texts and names go out in UTF-8, files as they are. */
export function encodeForm(fields: readonly Field[], boundary = `mailover-${randomUUID()}`): Form {
  const parts = fields.flatMap((field) => {
    const head = [`--${boundary}`, `Content-Disposition: form-data; name="${escaped(field.name)}"`];
    if ('value' in field) return [`${head.join('\r\n')}\r\n\r\n`, field.value, '\r\n'];
    head[1] += `; filename="${escaped(field.filename)}"`;
    head.push(`Content-Type: ${field.contentType.replace(/[\r\n]/g, ' ')}`);
    return [`${head.join('\r\n')}\r\n\r\n`, field.content, '\r\n'];
  });
  parts.push(`--${boundary}--\r\n`);
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part))),
  };
}

function escaped(name: string): string {
  return name.replaceAll('\r', '%0D').replaceAll('\n', '%0A').replaceAll('"', '%22');
}
