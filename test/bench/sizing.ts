// The tables of docs/sizing.md, made from the figures of one run: what was measured, and what follows from it for so many mails a day.
import type { BenchReport, Figure } from './figures.ts';

/** What the arithmetic takes for granted; docs/sizing.md says so in words, and its test looks. */
export const assumed = {
  mailsADay: [1_000_000, 10_000_000, 100_000_000],
  /** The busiest hour by the mean one. */
  peakFactor: 5,
  /** How busy a process, and a Redis, may be at the peak. */
  busy: 0.5,
  /** Events of providers for each mail. */
  events: 1,
  /** Days that a mail is kept, `retention.messages`. */
  keptDays: [1, 7, 30],
  /** Memory of one shard, GB; and the share of it that may be used before mail is refused. */
  shardGb: 64,
  shardShare: 0.7,
} as const;

const day = 86_400;
const gb = 1_000_000_000;

/** The rows of each table, its head first, by the heading of its section. */
export function sizingTables({ machine, figures }: BenchReport): ReadonlyMap<string, readonly (readonly string[])[]> {
  const known = new Map(figures.map((figure) => [figure.name, figure]));
  const figure = (name: string): Figure => {
    const found = known.get(name);
    if (!found) throw new Error(`the run has no figure "${name}": run all benchmarks`);
    return found;
  };
  const value = (name: string) => figure(name).value;
  const matching = (pattern: RegExp) => figures.filter(({ name }) => pattern.test(name));

  const about = [
    `${machine.processors} × ${machine.processor}`,
    `${machine.memory_gb} GB`,
    machine.node,
    machine.redis,
  ];

  const flood = 'through it all, api and worker together';
  const rates = [
    'intake',
    'hand-over by http',
    'hand-over by smtp',
    'webhooks, one event a request',
    'two workers beside one, at a provider of 200 ms',
    'filling a queue with 10000, by the batch',
    flood,
  ]
    .map(figure)
    .map(({ name, value, bare, ratio }) => [
      name
        .replace('filling a queue with 10000, by the batch', 'intake by the batch')
        .replace(' beside one, at a provider of 200 ms', ''),
      perSecond(value),
      bare === undefined ? '' : perSecond(bare),
      ratio === undefined ? '' : ratio.toFixed(2),
    ]);

  const latency = [10, 50, 80].map((share) => [
    `${share} %`,
    ...['p50', 'p99', 'p99 but for rewrites of the log', 'p99.9']
      .map((quantile) => figure(`latency ${quantile} at ${share} % of that`))
      .flatMap(({ value, bare = 0 }) => [ms(value), ms(bare)]),
    ...[figure(`processors busy at ${share} % of that`)].flatMap(({ value, bare = 0 }) => [
      percent(value),
      percent(bare),
    ]),
  ]);

  const read = matching(/, of 1000000 beside 10000: p50$/).map(({ name, value: p50, bare = 0, ratio = 0 }) => {
    const what = name.replace(/, of 1000000.*/, '');
    return [what, ms(bare), ms(p50), ratio.toFixed(2), ms(value(`${what}, of 1000000: p99`))];
  });

  const waiting = [10_000, 100_000, 1_000_000].map((size) => [
    size.toLocaleString('en'),
    ...['intake', 'hand-over'].map((what) => perSecond(value(`${what} with ${size} waiting, beside 10000`))),
  ]);

  const states = ['queued', 'sent, before any news', 'delivered'];
  const storage = [1, 20].flatMap((kilobytes) =>
    states.map((state) => [
      `${kilobytes} KB of text, ${state}`,
      ...['memory of Redis', 'added to its log', 'in its log once rewritten'].map((what) =>
        whole(value(`${kilobytes} KB of text, ${state}: ${what}`)),
      ),
    ]),
  );

  const stages = [
    ['intake', 'api'],
    ['hand-over', 'worker'],
    ['webhook, one event', 'api'],
  ] as const;
  const cost = stages.map(([stage, role]) => [
    stage,
    `${role}: ${whole(value(`${stage}: processor of the ${role}, a mail`))} µs`,
    `${whole(value(`${stage}: processor of Redis, a mail`))} µs`,
    whole(value(`${stage}: to Redis, a mail`)),
    whole(value(`${stage}: from Redis, a mail`)),
  ]);

  const processes = ['api', 'worker', 'monitor'].map((role) => [
    role,
    `${whole(value(`${role}, idle: memory`))} MB`,
    `${whole(value(`${role}, busy: memory at most`))} MB`,
  ]);
  const starts = matching(/^start-up/).map(({ name, value }) => [name.replace('start-up, ', ''), ms(value)]);

  const micros = (what: string) => value(`${what}, a mail`) / 1_000_000;
  const apiSeconds =
    micros('intake: processor of the api') + assumed.events * micros('webhook, one event: processor of the api');
  const workerSeconds = micros('hand-over: processor of the worker');
  const redisSeconds = stages.reduce((sum, [stage]) => sum + micros(`${stage}: processor of Redis`), 0);
  const delivered = value('1 KB of text, delivered: memory of Redis');
  const logged = states.reduce((sum, state) => sum + value(`1 KB of text, ${state}: added to its log`), 0);
  const network = stages.reduce(
    (sum, [stage]) => sum + value(`${stage}: to Redis, a mail`) + value(`${stage}: from Redis, a mail`),
    0,
  );
  const need = (work: number) => Math.ceil(work / assumed.busy);
  const rows: readonly (readonly [string, (mails: number, peak: number) => string])[] = [
    ['mails a second, mean', (mails) => whole(mails / day)],
    ['mails a second, at the peak', (_, peak) => whole(peak)],
    ['api processes', (_, peak) => whole(need(peak * apiSeconds))],
    ['worker processes', (_, peak) => whole(need(peak * workerSeconds))],
    ['shards, by the processor of Redis', (_, peak) => whole(need(peak * redisSeconds))],
    ...assumed.keptDays.flatMap((days) => [
      [`memory of all Redis, mail kept for ${days} d`, (mails: number) => gigabytes(mails * days * delivered)] as const,
      [
        `shards, by that memory`,
        (mails: number) => whole(Math.ceil((mails * days * delivered) / (assumed.shardGb * assumed.shardShare * gb))),
      ] as const,
    ]),
    [
      'an hour of the peak waiting, more memory',
      (_, peak) => gigabytes(peak * 3_600 * value('1 KB of text, queued: memory of Redis')),
    ],
    ['written to the logs in a day', (mails) => gigabytes(mails * logged)],
    ['written to the logs at the peak', (_, peak) => `${((peak * logged) / 1_000_000).toFixed(1)} MB/s`],
    ['network of all Redis at the peak', (_, peak) => `${((peak * network * 8) / 1_000_000).toFixed(0)} Mbit/s`],
  ];
  const arithmetic = rows.map(([what, of]) => [
    what,
    ...assumed.mailsADay.map((mails) => of(mails, (mails / day) * assumed.peakFactor)),
  ]);

  return new Map([
    ['The machine', [['processors', 'memory', 'Node', 'Redis'], about]],
    ['Rates', [['mails or events a second', 'Mailover', 'bare', 'ratio'], ...rates]],
    [
      'Latency',
      [
        [
          'busy to',
          ...['p50', 'p99', 'p99 but for rewrites', 'p99.9', 'processors busy'].flatMap((of) => [of, 'bare']),
        ],
        ...latency,
      ],
    ],
    [
      'With much mail stored',
      [['reading', 'of 10,000: p50', 'of 1,000,000: p50', 'ratio', 'of 1,000,000: p99'], ...read],
    ],
    ['With much mail waiting', [['waiting', 'intake', 'hand-over'], ...waiting]],
    [
      'Storage',
      [['bytes a mail', 'memory of Redis', 'written to its log', 'left in the log once rewritten'], ...storage],
    ],
    [
      'Processor and network',
      [['a mail', 'our processor', 'processor of Redis', 'bytes to Redis', 'bytes from Redis'], ...cost],
    ],
    ['Processes', [['process', 'idle', 'as busy as can be'], ...processes]],
    ['Start-up', [['from the command to ready', ''], ...starts]],
    [
      'The arithmetic',
      [['mails a day', ...assumed.mailsADay.map((mails) => mails.toLocaleString('en'))], ...arithmetic],
    ],
  ]);
}

const whole = (number: number) => Math.round(number).toLocaleString('en');
const perSecond = (number: number) => `${whole(number)}/s`;
const ms = (number: number) => `${number >= 10 ? number.toFixed(0) : number.toFixed(1)} ms`;
const percent = (number: number) => `${number.toFixed(0)} %`;
const gigabytes = (bytes: number) =>
  bytes >= 999.5 * gb
    ? `${(bytes / (1_000 * gb)).toFixed(1)} TB`
    : `${(bytes / gb).toFixed(bytes < 10 * gb ? 1 : 0)} GB`;

/** The document with its tables made anew. @throws where a section has no table, or a table no section. */
export function withTables(document: string, report: BenchReport): string {
  const tables = new Map(sizingTables(report));
  const parts = document.split(/^(?=## )/m).map((part) => {
    const heading = /^## (.*)$/m.exec(part)?.[1] ?? '';
    const rows = tables.get(heading);
    if (!rows) return part;
    tables.delete(heading);
    const [head = [], ...rest] = rows;
    const lines = [head, head.map(() => '---'), ...rest].map((cells) => `| ${cells.join(' | ')} |`);
    const replaced = part.replace(/^\|.*\n(?:\|.*\n)*/m, () => `${lines.join('\n')}\n`);
    if (replaced === part && !part.includes(lines.join('\n')))
      throw new Error(`"${heading}" has no table to write anew`);
    return replaced;
  });
  if (tables.size > 0) throw new Error(`docs/sizing.md has no section ${[...tables.keys()].join(', ')}`);
  return parts.join('');
}
