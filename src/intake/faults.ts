// What is wrong with a send, collected: every fault with its place, in words for the person who wrote the call.

/** `path` is like `to[3]` or `headers.X-Foo`, empty for the whole; `message` is the end of a sentence that begins with it. */
export interface Fault {
  readonly path: string;
  readonly message: string;
}

/** One place in the input, as keys and indexes from the top. */
export type Path = readonly PropertyKey[];

/** Where checks put what they find. */
export interface Faults {
  add(path: Path, message: string): void;
  /** Adds a fault unless `message` is null. */
  addIf(path: Path, message: string | null): void;
  readonly list: readonly Fault[];
}

/** More than anyone would read; it keeps the answer to 10 MB of rubbish small. */
const maxFaults = 100;

/** An empty collection. After 100 faults it only says that there are more. */
export function collectFaults(): Faults {
  const list: Fault[] = [];
  const add = (path: Path, message: string): void => {
    if (list.length < maxFaults) list.push({ path: written(path), message });
    else if (list.length === maxFaults) list.push({ path: '', message: 'has more faults than these 100.' });
  };
  return {
    list,
    add,
    addIf(path, message) {
      if (message !== null) add(path, message);
    },
  };
}

/** The entries of a send's `field` without holes, at most `most`; more are a fault. */
export function entries(
  given: Readonly<Record<string, string | undefined>> | undefined,
  field: string,
  most: number,
  faults: Faults,
): [string, string][] {
  const all = Object.entries(given ?? {});
  if (all.length > most) faults.add([field], `has ${all.length} entries; ${most} is the most.`);
  return all.slice(0, most).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]]));
}

/** `to[3]`, `headers.X-Foo`, `metadata["a b"]`: control characters escaped, long keys cut. */
function written(path: Path): string {
  let text = '';
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`;
    else if (/^[A-Za-z0-9_-]{1,76}$/.test(String(key))) text += text === '' ? String(key) : `.${String(key)}`;
    else text += `[${quoted(String(key))}]`;
  }
  return text;
}

/** As JSON, and what JSON leaves alone but terminals and logs do not (DEL, C1 controls, U+2028, U+2029) escaped too. */
function quoted(key: string): string {
  return JSON.stringify(key.slice(0, 60)).replace(/[\u007f-\u009f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
