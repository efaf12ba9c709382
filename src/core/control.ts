// What other providers hear of the same mailbox hosts meanwhile: is a host in trouble, or does one provider lose its mail there? Pure.
import type { Cell } from './delays.ts';
import { isNamed } from './mailbox.ts';
import { type Control, type QuietGroup, totalQuiet } from './quiet.ts';
import type { Weighed } from './reading.ts';

// So many decades of missing mail make a group silent at the others, too.
const silentToo = 1.2;
// That others reach a mailbox host, and this one does not, is a chance of one in a hundred.
const reachedDecades = 2;

/** What the others hear of a group, of mail they took since then, epoch ms. */
export function controlFor(others: readonly Weighed[], since: number, now: number): (group: string) => Control {
  const heard = new Set<string>();
  const quiet = new Map<string, number>();
  for (const { reading, cells, curves } of others) {
    if (!reading.confirms || !curves) continue;
    const after = cells.filter(({ at }) => at >= since);
    const alive = after.filter((cell) => cell.heard > 0);
    for (const cell of alive) if (cell.reached > 0) heard.add(cell.group);
    // One that hears of nothing at all says nothing about any host: it may be silent itself.
    if (alive.length === 0) continue;
    for (const group of new Set(after.map((cell) => cell.group))) {
      const missing = after.filter((cell) => cell.group === group && cell.reached === 0);
      const { score } = totalQuiet(curves, missing, null, now, () => 'unknown');
      quiet.set(group, (quiet.get(group) ?? 0) + score);
    }
  }
  return (group) => (heard.has(group) ? 'alive' : (quiet.get(group) ?? 0) >= silentToo ? 'silent' : 'unknown');
}

/**
 * Do others reach this host, so that its silence here is not the host's own? What they took when that began may have got through just before
 * the host failed. And one that goes down or comes back answers some first and others later by chance: of all the mail since then, what
 * reached it has to be theirs alone, and that no chance.
 * @param own the cells of the provider that hears nothing from there.
 * @param usualMs by this age it has heard of nearly all mail to that host.
 */
export function isReached(
  others: readonly Weighed[],
  own: readonly Cell[],
  { group, since }: QuietGroup,
  usualMs: number,
  now: number,
): boolean {
  if (!isNamed(group)) return false;
  const from = Math.min((since + now) / 2, since + usualMs);
  const isLater = (cell: Cell) => cell.group === group && cell.at >= from;
  const theirs = others.flatMap(({ reading, cells }) => (reading.confirms ? cells.filter(isLater) : []));
  const sum = (cells: readonly Cell[], of: (cell: Cell) => number) => cells.reduce((all, cell) => all + of(cell), 0);
  const taken = sum(theirs, (cell) => cell.taken);
  const silent = sum(own.filter(isLater), (cell) => cell.taken);
  const reached = Math.min(
    taken,
    sum(theirs, (cell) => cell.reached),
  );
  let decades = 0;
  for (let each = 0; each < reached; each++) decades -= Math.log10((taken - each) / (taken + silent - each));
  return decades > reachedDecades;
}
