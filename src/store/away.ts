// Is the store away, or unable to write for now?

// What Redis itself says no to in passing: full, loading, read-only while it fails over, a script that blocks it, a slot
// that another node of the cluster keeps by now.
const passing = /^(OOM|LOADING|READONLY|MISCONF|BUSY|TRYAGAIN|CLUSTERDOWN|MASTERDOWN|NOREPLICAS|UNBLOCKED|MOVED|ASK)\b/;
const broken =
  /connection is closed|stream isn't writeable|command timed out|max retries per request|connect(ion)? .*(ended|lost)|ECONN|EPIPE|ENOENT|ETIMEDOUT/i;

/** Is the store away or unable to write for now, rather than our command wrong? */
export function isAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? String(error.code) : '';
  return (
    passing.test(error.message) ||
    broken.test(error.message) ||
    broken.test(code) ||
    error.name === 'MaxRetriesPerRequestError' ||
    error.name === 'AbortError'
  );
}

// By these the write may stand nevertheless: it is on the primary, and on fewer replicas than wanted.
const carriedOut = /^(NOREPLICAS|UNBLOCKED)\b/;

/** Was the command of such an error certainly not carried out: never sent, or turned away before it began? */
export function isUntouched(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (
    /stream isn't writeable/i.test(error.message) || (passing.test(error.message) && !carriedOut.test(error.message))
  );
}
