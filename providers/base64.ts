// Attachments in base64, for APIs that take a mail as JSON.
import type { Mail } from './provider.ts';

/** The bytes in base64, without a copy of them. */
export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** How many bytes the attachments will be in base64: exact, and nothing is encoded for it. */
export function attachedBytes({ attachments }: Pick<Mail, 'attachments'>): number {
  return attachments.reduce((sum, { content }) => sum + 4 * Math.ceil(content.length / 3), 0);
}
