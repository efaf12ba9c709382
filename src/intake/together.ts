// What comes in together is written together: one command, one trip and one flush to disk serve all of it. Nobody waits for company.

/**
 * Makes one write of all items that are handed in during the same turn of the event loop, at most `most` at a time, and gives each its result.
 * @param write gives results in the order of the items. Its rejection is that of all of them.
 */
export function together<Item, Result>(
  write: (items: readonly Item[]) => Promise<readonly Result[]>,
  most: number,
): (item: Item) => Promise<Result> {
  let gathered: { item: Item; resolve: (result: Result) => void; reject: (error: unknown) => void }[] = [];

  function flush(): void {
    const all = gathered;
    gathered = [];
    for (let from = 0; from < all.length; from += most) {
      const some = all.slice(from, from + most);
      write(some.map(({ item }) => item)).then(
        (results) => {
          for (const [index, { resolve }] of some.entries()) resolve(results[index]!);
        },
        (error: unknown) => {
          for (const { reject } of some) reject(error);
        },
      );
    }
  }

  return (item) =>
    new Promise((resolve, reject) => {
      if (gathered.length === 0) setImmediate(flush);
      gathered.push({ item, resolve, reject });
    });
}
