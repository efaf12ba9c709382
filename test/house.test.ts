// The house, read from its sources: who may import whom, who may touch the process, the clock, Redis; and the habits a reader can count on.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const files = ['src', 'providers', 'config'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name)),
);
const source = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]));
/** The sources without comments: what a rule forbids may be spoken about. */
const code = new Map(files.map((file) => [file, bare(source.get(file) ?? '')]));

function bare(text: string): string {
  return text.replace(/^#!.*\n/, '').replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, '');
}

interface Import {
  readonly from: string;
  /** A file of ours by its path from the root, or the name of a package. */
  readonly to: string;
  readonly ours: boolean;
  readonly typeOnly: boolean;
}

const imports = files.flatMap((from) =>
  [
    ...(code.get(from) ?? '').matchAll(
      /^(?:import|export)\s+(?:(type)\s+)?(?:([^'";]*?)\s*\bfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm,
    ),
  ].map(([, type, names = '', target, dynamic]): Import => {
    const name = target ?? dynamic ?? '';
    const ours = name.startsWith('.');
    const listed = /^\{(.*)\}$/s.exec(names.trim())?.[1]?.split(',') ?? [];
    const typeOnly =
      type !== undefined ||
      (listed.length > 0 && listed.every((one) => one.trim() === '' || one.trim().startsWith('type ')));
    const to = ours
      ? relative(root, resolve(root, dirname(from), name))
      : name.split('/', name.startsWith('@') ? 2 : 1).join('/');
    return { from, to, ours, typeOnly };
  }),
);

/** Does `file` lie at `place`, a file or a folder? `*` stands for one name. */
const liesAt = (file: string, place: string) =>
  new RegExp(`^${place.replaceAll('.', '\\.').replaceAll('*', '[^/]+')}(/|$)`).test(file);
const anyOf = (file: string, places: readonly string[]) => places.some((place) => liesAt(file, place));

/** `type X`: only its types. */
const types = (place: string) => `type ${place}`;
const contract = types('providers/provider.ts');

// What each room may import beside its own folder; the first room that a file lies in counts. A line too many fails as a line too
// few does: the table is the house as it is. The stages know the store by its types and are handed the rest; where a line
// names a file of the store, that is an exception.
const house: readonly (readonly [room: string, mayImport: readonly string[]])[] = [
  ['providers/provider.ts', []],
  ['providers/index.ts', [contract, 'providers/*/index.ts', types('providers/*/settings.ts')]],
  ['providers/settings.ts', ['config/fields.ts']],
  // Helpers that adapters share.
  ['providers/*.ts', [contract]],
  ['providers/*/settings.ts', [contract, 'providers/settings.ts', 'config/fields.ts']],
  ['providers/*', ['providers/*.ts']],
  ['config', ['providers/*/settings.ts', 'src/core/units.ts', 'src/core/alert.ts']],

  ['src/core', [contract]],
  // Several shards as one: made of the modules of each.
  ['src/store/shards', ['src/core', 'src/store']],
  ['src/store', ['src/core', contract, 'config/redis-url.ts', 'src/breath.ts']],
  // `away`: is the store away for now, or is our command wrong?
  [
    'src/intake',
    ['src/core', contract, types('src/store'), 'src/store/messages.ts', 'src/store/away.ts', 'src/breath.ts'],
  ],
  ['src/delivery', ['src/core', contract, types('src/store'), 'src/store/away.ts', types('src/tracing/traces.ts')]],
  ['src/webhooks', ['src/core', contract, types('src/store')]],
  // It reads the sets of due and waiting mail itself; and the sandbox's events are recorded as if a webhook had brought them.
  [
    'src/monitor',
    ['src/core', contract, types('src/store'), 'src/store/keys.ts', 'src/store/away.ts', 'src/webhooks/record.ts'],
  ],
  ['src/operate', ['src/core', types('src/store')]],
  // It is a chore of the leading monitor.
  ['src/rescue', ['src/core', types('src/store'), 'src/store/away.ts', types('src/monitor/chore.ts')]],
  // Requests to the outside, and where they may go.
  ['src/outgoing', []],
  // Applications are told what becomes of their mail.
  ['src/tell', ['src/core', 'src/outgoing', types('src/store'), 'src/store/tellings.ts']],
  // What posts an alert knows the alert, and not where it comes from.
  [
    'src/alerts/sinks',
    [
      'src/core/error.ts',
      'src/core/mask.ts',
      'src/outgoing',
      types('src/alerts/alert.ts'),
      'src/alerts/plain.ts',
      'config/template.ts',
      types('config/alerts.ts'),
    ],
  ],
  // A chore of the leading monitor as well, and the outbox that posts what it has to say.
  ['src/alerts', ['src/core', types('src/store'), types('src/monitor/chore.ts'), types('src/outgoing/post.ts')]],
  [
    'src/api',
    [
      'src/core',
      contract,
      'src/intake',
      'src/breath.ts',
      types('src/store'),
      'src/store/away.ts',
      'src/webhooks/receive.ts',
      types('src/rescue/rescue.ts'),
      'src/operate',
      types('src/tracing/traces.ts'),
      types('src/alerts'),
    ],
  ],
  // `traces` is what the others know of it; `otlp` is loaded only when settings ask for it.
  ['src/tracing', []],
  ['src/metrics.ts', ['src/core', contract, types('src/delivery/observer.ts')]],
  ['src/gauges.ts', ['src/core', types('src/store'), types('src/alerts/dead-letters.ts')]],
  ['src/observe.ts', ['src/core/error.ts', 'src/core/mask.ts', types('src/delivery/observer.ts'), 'src/metrics.ts']],
  ['src/log.ts', []],
  ['src/breath.ts', []],
  // Where parts are made and handed to each other.
  [
    'src/roles',
    [
      types('config/schema.ts'),
      'providers/index.ts',
      contract,
      types('src/core'),
      'src/core/error.ts',
      'src/core/quarantine.ts',
      'src/core/message.ts',
      'src/store',
      'src/intake',
      'src/delivery',
      'src/webhooks',
      'src/monitor',
      'src/rescue/rescue.ts',
      'src/operate',
      'src/outgoing',
      'src/alerts',
      'src/tell',
      'src/api/server.ts',
      types('src/api/alerts.ts'),
      types('src/api/shards.ts'),
      'src/gauges.ts',
      'src/metrics.ts',
      'src/observe.ts',
      'src/tracing',
    ],
  ],
  ['src/app.ts', [types('config/schema.ts'), 'src/roles']],
  // The same acts as the API's, while that is down.
  [
    'src/break-glass.ts',
    [
      types('config/schema.ts'),
      'src/operate',
      'src/roles/operate.ts',
      'src/roles/store.ts',
      'src/roles/ulid.ts',
      'src/store',
    ],
  ],
  ['src/first-screen.ts', [types('config/load.ts'), types('src/app.ts')]],
  [
    'src/main.ts',
    [
      'config',
      'src/app.ts',
      'src/core/error.ts',
      'src/log.ts',
      'src/store/redis-binary.ts',
      'src/first-screen.ts',
      'src/roles/start-fault.ts',
    ],
  ],
  [
    'src/cli',
    [
      'src/core/error.ts',
      'src/core/exposure.ts',
      'config',
      'src/core/units.ts',
      'src/app.ts',
      'src/break-glass.ts',
      'src/main.ts',
    ],
  ],
];

// Who may import which package. One that is not named here belongs to one adapter.
const packages: Readonly<Record<string, readonly string[]>> = {
  '@fastify/swagger': ['src/api'],
  '@fastify/swagger-ui': ['src/api'],
  '@opentelemetry/api': ['src/tracing/otlp.ts'],
  '@opentelemetry/exporter-trace-otlp-http': ['src/tracing/otlp.ts'],
  '@opentelemetry/sdk-trace-base': ['src/tracing/otlp.ts'],
  bullmq: ['src/store/queue.ts', 'src/store/prompt-worker.ts'],
  commander: ['src/cli'],
  fastify: ['src/api'],
  'fastify-type-provider-zod': ['src/api'],
  ioredis: ['src/store', types('src/roles'), types('src/monitor'), types('src/break-glass.ts')],
  nodemailer: ['providers/mime.ts', 'providers/smtp'],
  pino: [
    'src/log.ts',
    types('src/app.ts'),
    types('src/main.ts'),
    types('src/roles'),
    types('src/observe.ts'),
    types('src/api'),
  ],
  'prom-client': ['src/metrics.ts', 'src/gauges.ts', types('src/api')],
  ulid: ['src/roles'],
  yaml: ['config'],
  zod: ['config', 'providers/settings.ts', 'providers/*/settings.ts', 'src/intake', 'src/api'],
};

const roomOf = (file: string) => house.find(([room]) => liesAt(file, room)) ?? null;

/** May it, by these lines? */
function allows(lines: readonly string[], { to, typeOnly }: Import): boolean {
  return lines.some((line) => (line.startsWith('type ') ? typeOnly && liesAt(to, line.slice(5)) : liesAt(to, line)));
}

/** Rooms with a file name have no folder of their own. */
function isAtHome({ from, to }: Import, room: string): boolean {
  if (room.endsWith('.ts')) return room.endsWith('*.ts') && roomOf(to)?.[0] === room;
  return dirname(from) === dirname(to) || dirname(to).startsWith(`${dirname(from)}/`);
}

const written = ({ from, to, typeOnly }: Import) => `${from} → ${typeOnly ? 'type ' : ''}${to}`;

describe('who may import whom', () => {
  const arrows = imports.filter(({ ours }) => ours);

  test('every file lies in a room of the table', () => {
    expect(files.filter((file) => roomOf(file) === null)).toEqual([]);
    expect(imports.length).toBeGreaterThan(300);
    expect(arrows.filter(({ to }) => !source.has(to))).toEqual([]);
  });

  test('every arrow between rooms is in the table', () => {
    const strange = arrows.filter((arrow) => {
      const [room, lines] = roomOf(arrow.from) ?? ['', []];
      return !isAtHome(arrow, room) && !allows(lines, arrow);
    });
    expect(strange.map(written)).toEqual([]);
  });

  test('every line of the table is an arrow, and no wider than need be', () => {
    const unused = house.flatMap(([room, lines]) => {
      const own = arrows.filter((arrow) => roomOf(arrow.from)?.[0] === room && !isAtHome(arrow, room));
      const needed = (line: string) =>
        own.some(
          (arrow) =>
            allows([line], arrow) &&
            !allows(
              lines.filter((other) => other !== line),
              arrow,
            ),
        );
      return lines.filter((line) => !needed(line)).map((line) => `${room} → ${line}`);
    });
    expect(unused).toEqual([]);
  });

  test('no file imports itself by way of others', () => {
    const next = new Map(files.map((file) => [file, arrows.filter(({ from }) => from === file).map(({ to }) => to)]));
    const done = new Set<string>();
    const cycles: string[] = [];
    const walk = (file: string, way: readonly string[]): void => {
      if (way.includes(file)) cycles.push([...way.slice(way.indexOf(file)), file].join(' → '));
      if (done.has(file) || way.includes(file)) return;
      for (const to of next.get(file) ?? []) walk(to, [...way, file]);
      done.add(file);
    };
    for (const file of files) walk(file, []);
    expect(cycles).toEqual([]);
  });

  test('packages stay in their rooms, and all of them are needed', () => {
    const used = imports.filter(({ ours, to }) => !ours && !to.startsWith('node:'));
    const strange = used.filter(({ from, to, typeOnly }) => {
      const own = [...new Set(used.filter((one) => one.to === to).map((one) => dirname(one.from)))];
      const places = packages[to] ?? own.filter((folder) => own.length === 1 && liesAt(folder, 'providers/*'));
      return !places.some((place) =>
        place.startsWith('type ') ? typeOnly && liesAt(from, place.slice(5)) : liesAt(from, place),
      );
    });
    expect(strange.map(written)).toEqual([]);
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect([...new Set(used.map(({ to }) => to))].sort()).toEqual(Object.keys(dependencies).sort());
    expect(Object.keys(dependencies)).toEqual(expect.arrayContaining(Object.keys(packages)));
  });

  test('the core imports nothing but itself and types: no package, nothing of Node', () => {
    expect(imports.filter(({ from, ours }) => from.startsWith('src/core/') && !ours).map(written)).toEqual([]);
  });
});

/** `file: what was found`, for every match of `pattern` in the code of files that `where` names. */
function found(pattern: RegExp, where: (file: string) => boolean, texts = code): string[] {
  return [...texts].flatMap(([file, text]) =>
    where(file) ? [...text.matchAll(new RegExp(pattern, 'g'))].map(([match]) => `${file}: ${match}`) : [],
  );
}

const src = (file: string) => file.startsWith('src/');

describe('who may touch what', () => {
  test('environment, arguments, exits and signals: the mains alone', () => {
    const mains = ['src/main.ts', 'src/cli/main.ts', 'src/store/install-redis.ts'];
    const touch = /process\.(?:env|argv|exit\w*|on|once|off|cwd|chdir|stdin|stdout|kill)\b|\} = process\b/;
    expect(found(touch, (file) => !mains.includes(file))).toEqual([]);
    for (const main of mains) expect(found(touch, (file) => file === main)).not.toEqual([]);
    const byName = /import [^;]*\b(?:env|argv|exit|cwd|stdin|stdout)\b[^;]*'node:process'/;
    expect(found(byName, () => true)).toEqual([]);
  });

  test('the core: no clock, no timers, no randomness, no I/O', () => {
    const impure =
      /\bDate\b|\bMath\.random\b|\bset(?:Timeout|Interval|Immediate)\b|\bperformance\b|\bprocess\b|\bcrypto\b|\bfetch\(|\bconsole\b|\basync\b|\bawait\b/;
    expect(found(impure, (file) => file.startsWith('src/core/'))).toEqual([]);
  });

  test('elsewhere the clock is handed in', () => {
    // app.ts and the command choose it, roles/monitor.ts the randomness; holder.ts compares with the times of files.
    const own = ['src/app.ts', 'src/cli/main.ts', 'src/roles/monitor.ts', 'src/store/holder.ts'];
    const clocks = found(/\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b/, () => true);
    expect(clocks.filter((each) => !own.includes(each.split(':')[0] ?? ''))).toEqual([]);
    expect(found(/\bconsole\.\w+/, () => true)).toEqual([]);
  });

  test('only store/keys.ts spells a key of Redis', () => {
    const spelt = /['"`]\{mailover\}|\$\{tag\}/;
    expect(found(spelt, (file) => src(file) && file !== 'src/store/keys.ts')).toEqual([]);
    expect(found(spelt, (file) => file === 'src/store/keys.ts').length).toBeGreaterThan(10);
    const literal =
      /\b(?:redis|client|pipeline|multi)\s*\.(?:h|z|s|l|p)?(?:get|set|del|add|rem|exists|expire\w*|incr\w*|range\w*|push|pop|trim|publish|subscribe)\w*\(\s*['"`]/;
    expect(found(literal, src)).toEqual([]);
    expect(found(/redis\.call\('\w+', *'/, src)).toEqual([]);
  });

  test('only the store speaks commands to Redis', () => {
    // The monitor reads the sets of due and waiting mail itself, and listens for nudges.
    const commands =
      /\bredis\.(?:[hz]?(?:get|set|add|rem|range|score|mget|getall)|del|eval\w*|multi|pipeline|publish|info|config)\(/;
    const outside = found(commands, (file) => src(file) && !anyOf(file, ['src/store', 'src/monitor']));
    expect(outside).toEqual([]);
  });
});

describe('habits', () => {
  test('the first line of every file says what it is', () => {
    const silent = files.filter((file) => !/^(?:#!.*\n)?\/\/ \S/.test(source.get(file) ?? ''));
    expect(silent).toEqual([]);
  });

  test('nothing is left for later, nothing is waved through', () => {
    expect(found(/\b(?:TODO|FIXME|XXX|HACK)\b/, () => true, source)).toEqual([]);
    // `any` is an error of the linter, here without exception.
    const { linter } = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8'));
    expect(linter.rules.suspicious.noExplicitAny).toBe('error');
    expect(found(/biome-ignore|@ts-(?:ignore|expect-error|nocheck)|eslint-disable/, () => true, source)).toEqual([]);
  });

  test('what is exported says what it is', () => {
    const exported = /^export (?:async )?(?:function\*?|const|class|interface|type) (\w+)/;
    const silent = files.flatMap((file) => {
      const lines = (source.get(file) ?? '').split('\n');
      return lines.flatMap((line, index) => {
        const name = exported.exec(line)?.[1];
        return name === undefined || lines[index - 1]?.trimEnd().endsWith('*/') ? [] : [`${file}: ${name}`];
      });
    });
    expect(silent).toEqual([]);
  });

  test('a file is one idea: at most 300 lines', () => {
    // These hold together what belongs together, and are still too long.
    const long = ['src/store/messages.ts'];
    const over = files.filter((file) => (source.get(file) ?? '').split('\n').length > 301);
    expect(over.sort()).toEqual(long);
  });
});
