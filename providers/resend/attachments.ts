// Files on their way to Resend, and which of them it does not carry: some it refuses, some make the whole mail disappear.
import type { Attachment, Mail } from '../provider.ts';

/** One file as the API takes it. Without `content_type` Resend goes by the name. */
export interface RawFile {
  readonly filename: string;
  readonly content: string;
  readonly content_type?: string;
  readonly content_id?: string;
}

// resend.com/docs/knowledge-base/what-attachment-types-are-not-supported (2026-11)
const refused = new Set(
  `adp app asp bas bat cer chm cmd com cpl crt csh der exe fxp gadget hlp hta inf ins isp its js jse ksh lib lnk mad maf mag mam maq mar
  mas mat mau mav maw mda mdb mde mdt mdw mdz msc msh msh1 msh2 mshxml msh1xml msh2xml msi msp mst ops pcd pif plg prf prg reg scf scr
  sct shb shs sys ps1 ps1xml ps2 ps2xml psc1 psc2 tmp url vb vbe vbs vps vsmacros vss vst vsw vxd ws wsc wsf wsh xnk`.split(
    /\s+/,
  ),
);

// The pairs that are surely one, by the registered types (iana.org/assignments/media-types).
const typesByExtension: Readonly<Record<string, readonly string[]>> = {
  csv: ['text/csv'],
  doc: ['application/msword'],
  docx: ['application/vnd.openxmlformats-officedocument.wordprocessingml.document'],
  gif: ['image/gif'],
  gz: ['application/gzip'],
  htm: ['text/html'],
  html: ['text/html'],
  ics: ['text/calendar'],
  jpeg: ['image/jpeg'],
  jpg: ['image/jpeg'],
  json: ['application/json'],
  md: ['text/markdown'],
  mp3: ['audio/mpeg'],
  mp4: ['video/mp4'],
  odt: ['application/vnd.oasis.opendocument.text'],
  pdf: ['application/pdf'],
  png: ['image/png'],
  ppt: ['application/vnd.ms-powerpoint'],
  pptx: ['application/vnd.openxmlformats-officedocument.presentationml.presentation'],
  rtf: ['application/rtf', 'text/rtf'],
  svg: ['image/svg+xml'],
  txt: ['text/plain'],
  vcf: ['text/vcard'],
  webp: ['image/webp'],
  xls: ['application/vnd.ms-excel'],
  xlsx: ['application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'],
  xml: ['application/xml', 'text/xml'],
  zip: ['application/zip'],
};
const knownTypes = new Set(Object.values(typesByExtension).flat());
const anyBytes = 'application/octet-stream';

/** The file as JSON. Of one whose type says nothing the type is left out: its name may say more, and must not contradict it. */
export function fileOf(
  { filename, contentType, content, contentId }: Attachment,
  encode: (bytes: Uint8Array) => string,
) {
  const file: RawFile = {
    filename,
    content: encode(content),
    ...(bareType(contentType) !== anyBytes && { content_type: contentType }),
    ...(contentId !== null && { content_id: contentId }),
  };
  return file;
}

/**
 * Why Resend does not carry the files of `mail`; null when it does. The last reason is the worst: a mail with a file whose name and type
 * do not go together gets an id, stays `queued` for good, and nothing ever tells of it (github.com/anymail/django-anymail/issues/440,
 * 2025-12; data.txt as text/csv). Which pairs those are nobody says: what is known to be one passes, and what is known on neither side.
 */
export function unfitFile({ attachments }: Mail): string | null {
  for (const { filename, contentType, content, contentId } of attachments) {
    const extension = /\.([^.]+)$/.exec(filename)?.[1]?.toLowerCase() ?? '';
    const type = bareType(contentType);
    if (content.length === 0) return 'Resend takes no attachments that are empty';
    if (filename === '') return 'Resend takes no attachments without a name';
    if (refused.has(extension)) return `Resend takes no attachments of the kind .${extension}`;
    // resend.com/docs/dashboard/emails/embed-inline-images (2026-11): "must be less than 128 characters".
    if (contentId !== null && contentId.length >= 128) return 'Resend takes a content_id of less than 128 characters';
    const fitting = Object.hasOwn(typesByExtension, extension) ? typesByExtension[extension] : undefined;
    if (type !== anyBytes && (fitting ? !fitting.includes(type) : knownTypes.has(type)))
      return `Resend loses mail with a file whose type is not that of its name: ${type} with .${extension}`;
  }
  return null;
}

function bareType(contentType: string): string {
  return contentType.replace(/;.*$/s, '').trim().toLowerCase();
}
