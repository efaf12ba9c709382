// Files that travel with a mail: their names, types and base64, each decoded once.
import { extname } from 'node:path';
import type { Attachment } from '../../providers/provider.ts';
import type { Faults } from './faults.ts';
import type { Send } from './send-schema.ts';
import { characters, headerTextFault } from './text.ts';

const maxFilename = 255;
const maxContentType = 127;
const maxContentId = 255;

/** RFC 6838 names (`restricted-name`), and no parameter but a charset: anything else would be a way into the MIME header. */
const contentTypeShape = /^([a-z0-9][a-z0-9!#$&^_.+-]*)\/[a-z0-9][a-z0-9!#$&^_.+-]*(?:; ?charset=[a-z0-9_-]+)?$/;
const contentIdShape = /^[A-Za-z0-9._%+=$!@-]+$/;

const typesByExtension: Readonly<Record<string, string>> = {
  '.csv': 'text/csv',
  '.docx': 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  '.gif': 'image/gif',
  '.gz': 'application/gzip',
  '.html': 'text/html',
  '.ics': 'text/calendar',
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.json': 'application/json',
  '.md': 'text/markdown',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.pptx': 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain',
  '.vcf': 'text/vcard',
  '.webp': 'image/webp',
  '.xlsx': 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  '.xml': 'application/xml',
  '.zip': 'application/zip',
};

/** Reads and decodes the attachments of a send, at most `most`. */
export function readAttachments(list: Send['attachments'], most: number, faults: Faults): Attachment[] {
  const given = list ?? [];
  if (given.length > most) faults.add(['attachments'], `has ${given.length} files; ${most} is the most.`);
  const ids = new Set<string>();
  return given.slice(0, most).map((file, index) => {
    const { filename, content, content_type: type, content_id: id } = file ?? {};
    const path = ['attachments', index];
    if (filename !== undefined) faults.addIf([...path, 'filename'], filenameFault(filename));
    if (type !== undefined) faults.addIf([...path, 'content_type'], contentTypeFault(type));
    if (id !== undefined) faults.addIf([...path, 'content_id'], contentIdFault(id));
    if (id !== undefined && ids.size === ids.add(id).size) {
      faults.add([...path, 'content_id'], 'is given twice: the HTML could not tell which file is meant.');
    }
    const bytes = content === undefined ? null : decodeBase64(content);
    if (content !== undefined && bytes === null) {
      faults.add(
        [...path, 'content'],
        'is not base64: use the standard alphabet with padding, no line breaks and no data: prefix.',
      );
    }
    return {
      filename: filename ?? '',
      contentType: type?.toLowerCase() ?? contentTypeOf(filename ?? ''),
      content: bytes ?? new Uint8Array(),
      contentId: id ?? null,
    };
  });
}

/** Why this is no file name for a mail, for a person; null when it is one. */
function filenameFault(name: string): string | null {
  if (name.length > 2 * maxFilename || characters(name) > maxFilename) return 'is longer than 255 characters.';
  if (name.trim() === '') return 'is empty: name the file.';
  if (/[/\\]/.test(name) || name === '.' || name === '..') return 'is a path: give the file’s name alone.';
  return name.includes('\t') ? 'holds a tab: take it out.' : headerTextFault(name);
}

/**
 * Why this is no content type for an attachment, for a person; null when it is one. multipart/… and message/… are refused: MIME
 * forbids base64 inside of them, so a file sent that way arrives broken or is taken apart by the reader's program.
 */
function contentTypeFault(type: string): string | null {
  const match = type.length > maxContentType ? null : contentTypeShape.exec(type.toLowerCase());
  if (match === null) return 'is not a content type: write type/subtype, with "; charset=…" at most.';
  return match[1] === 'multipart' || match[1] === 'message'
    ? 'is not possible for an attachment: use application/octet-stream.'
    : null;
}

/** The content type by the file name's extension; `application/octet-stream` where we know none. */
function contentTypeOf(filename: string): string {
  return typesByExtension[extname(filename).toLowerCase()] ?? 'application/octet-stream';
}

/** Why this is no content id, for a person; null when it is one. */
function contentIdFault(id: string): string | null {
  if (id.length <= maxContentId && contentIdShape.test(id)) return null;
  return 'is not a content id: use up to 255 letters, digits and . _ % + = $ ! @ -, without angle brackets.';
}

/** Bytes that `content` decodes to if it is sound base64; nothing is decoded. */
export function decodedLength(content: string): number {
  return Math.max(0, Math.floor((content.length / 4) * 3) - padding(content));
}

/** The bytes of standard, padded base64; null when it is anything else, line breaks and the URL alphabet included. */
export function decodeBase64(content: string): Uint8Array | null {
  if (content.length % 4 !== 0) return null;
  // A search for one wrong character, not a match of groups: that overflows V8's stack on megabytes. Node's decoder itself skips
  // what it does not know and reads U+4141 as an A, so it cannot be the judge.
  if (/[^A-Za-z0-9+/]/.test(content.slice(0, content.length - padding(content)))) return null;
  const decoded = Buffer.from(content, 'base64');
  return new Uint8Array(decoded.buffer, decoded.byteOffset, decoded.byteLength);
}

function padding(content: string): number {
  return content.endsWith('==') ? 2 : content.endsWith('=') ? 1 : 0;
}
