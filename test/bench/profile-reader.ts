// Reads what `node --cpu-prof` writes: which packages and which functions the processor's time goes to.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** A share of the time in which the processor was busy, 0 to 1. */
export interface Share {
  readonly name: string;
  readonly share: number;
}

/** Where the time of a process went, largest first. */
export interface TimeSpent {
  /** Seconds in which it was not idle. */
  readonly busy: number;
  /** By the package, or folder of ours, whose code runs or has called what runs in Node or the engine. */
  readonly packages: readonly Share[];
  /** By function, its own time alone. */
  readonly functions: readonly Share[];
}

/** Reads the one profile in this folder. @throws where there is none, or more than one: of several processes, say. */
export function readProfile(folder: string): TimeSpent {
  const files = readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'));
  if (files.length !== 1)
    throw new Error(`${folder} holds ${files.length} profiles, not one: did the process end by itself?`);
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(join(folder, files[0]!), 'utf8')) as Profile;
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const packages = new Map<string, number>();
  const functions = new Map<string, number>();
  let busy = 0;
  for (const [index, id] of samples.entries()) {
    const { functionName, url, lineNumber } = byId.get(id)!.callFrame;
    if (functionName === '(idle)') continue;
    const time = timeDeltas[index] ?? 0;
    busy += time;
    const place = placeOf(url);
    add(functions, `${functionName || '(anonymous)'} ${place ? `${place}:${lineNumber + 1}` : ''}`.trim(), time);
    add(packages, ownerOf(id) ?? functionName, time);
  }

  function ownerOf(id: number): string | null {
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const place = placeOf(byId.get(at)!.callFrame.url);
      if (place && !place.startsWith('node:')) return ownerIn(place);
    }
    return null;
  }

  const shares = (times: Map<string, number>) =>
    [...times].map(([name, time]) => ({ name, share: time / busy })).sort((a, b) => b.share - a.share);
  return { busy: busy / 1_000_000, packages: shares(packages), functions: shares(functions) };
}

function add(times: Map<string, number>, name: string, time: number): void {
  times.set(name, (times.get(name) ?? 0) + time);
}

/** `bullmq/dist/…`, `src/store/messages.js`, `node:internal/…`, or empty for the engine. */
function placeOf(url: string): string {
  const [, ours] = /\/mailover-tests\/[^/]+\/(.*)$/.exec(url) ?? [];
  return ours ?? url.slice(url.lastIndexOf('/node_modules/') + 1).replace(/^node_modules\//, '');
}

const ownerIn = (place: string) => {
  const [first = '', second = ''] = place.split('/');
  return first.startsWith('@') || ['src', 'providers'].includes(first) ? `${first}/${second}` : first;
};
