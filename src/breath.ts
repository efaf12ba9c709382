// Long work in slices, so that whoever else has come meanwhile has his turn between two of them.

/** Resolves in the next turn of the event loop. */
export function breath(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Is the work on the `index`-th mail of many the first of a slice, and worth a breath before it? A slice is a few milliseconds of work. */
export function startsSlice(index: number): boolean {
  return index > 0 && index % 10 === 0;
}
