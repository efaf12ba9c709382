// What commands write on: columns, colours where there is somebody to see them, and nothing that could steer a terminal.

/** Where a command writes. */
export interface Terminal {
  /** To the standard output. */
  write(text: string): void;
  /** To the standard error. */
  complain(text: string): void;
  /** Is it a terminal, and may it be coloured? */
  readonly colour: boolean;
  /** May the screen be cleared? */
  readonly clears: boolean;
}

/** The colours in use, by what they mean. */
export type Tone = 'good' | 'doubtful' | 'bad' | 'faint' | 'strong';

/** A cell of a table: a text, perhaps with a tone. */
export type Cell = string | readonly [text: string, tone: Tone | null];

const codes: Readonly<Record<Tone, number>> = { good: 32, doubtful: 33, bad: 31, faint: 2, strong: 1 };

/** Texts of providers are strangers' texts: without line breaks, and without control characters. */
export function plain(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ').trim();
}

/** The text in its tone, where the terminal shows colours. */
export function toned({ colour }: Pick<Terminal, 'colour'>, text: string, tone: Tone | null): string {
  return colour && tone !== null ? `\x1b[${codes[tone]}m${text}\x1b[0m` : text;
}

/** Rows as lines, each column as wide as its widest cell; two spaces between them, `indent` before them. */
export function columns(terminal: Pick<Terminal, 'colour'>, rows: readonly (readonly Cell[])[], indent = ''): string {
  const cells = rows.map((row) =>
    row.map((cell): [string, Tone | null] =>
      typeof cell === 'string' ? [plain(cell), null] : [plain(cell[0]), cell[1]],
    ),
  );
  const widths: number[] = [];
  for (const row of cells)
    for (const [at, [text]] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, [...text].length);
  return cells
    .map((row) => {
      const line = row.map(([text, tone], at) => {
        const gap = at === row.length - 1 ? '' : ' '.repeat(widths[at]! - [...text].length);
        return toned(terminal, text, tone) + gap;
      });
      return `${indent}${line.join('  ').trimEnd()}\n`;
    })
    .join('');
}

/** A state's tone. */
export function toneOf(state: string): Tone {
  if (state === 'up' || state === 'closed' || state === 'delivered') return 'good';
  const bad = ['down', 'suspended', 'quarantined', 'open', 'failed', 'bounced', 'expired', 'held'];
  return bad.includes(state) ? 'bad' : 'doubtful';
}

/** A time of the API for people: `2026-11-21 21:37:29`, UTC; a dash where there is none. */
export function timeText(iso: string | null): string {
  return iso === null ? '–' : iso.slice(0, 19).replace('T', ' ');
}

/** Milliseconds as seconds for people: `3.1 s`; a dash where there are none. */
export function secondsText(ms: number | null, digits = 1): string {
  return ms === null ? '–' : `${(ms / 1_000).toFixed(digits)} s`;
}
