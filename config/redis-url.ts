// The addresses of a Redis: which forms are understood, and how one is shown without its password.

const understood = 'redis://host:6379, rediss://host:6379 or unix:///path/to/socket';

/** What is wrong with the address of a Redis, and the mend; null when it can be used. Never repeats a part of it. */
export function redisUrlFault(url: string): string | null {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase();
  if (scheme === 'redis+sentinel' || scheme === 'redis+cluster') {
    return `is of the form ${scheme}://, which is not supported yet: write ${understood}`;
  }
  if (/[?#]/.test(url)) return 'has a ? or a #: write those in the password as %3F and %23, and no options';
  const parts = URL.canParse(url) ? new URL(url) : null;
  if (parts === null || scheme === undefined) return `is no address of a Redis: write ${understood}`;
  if (scheme === 'unix')
    return /^unix:\/\/\/[^/]/.test(url) ? null : 'must name a socket: write unix:///path/to/socket';
  if (scheme !== 'redis' && scheme !== 'rediss') return `is no address of a Redis: write ${understood}`;
  if (parts.hostname === '') return `names no host: write ${understood}`;
  return /^(\/\d{0,3})?$/.test(parts.pathname)
    ? null
    : 'has a path that is no database number: write it as in redis://host:6379/0';
}

/** The same address with `••••` for the login; all of it hidden when it is not plainly an address. Good for other URLs too. */
export function maskUrl(url: string): string {
  const parts = /^([a-z][a-z0-9+.-]{0,20}:\/\/)([^@]*@)?((?:[\w.-]*|\[[\da-f:.]+\])(?::\d+)?(?:\/[\w.~%/-]*)?)$/i.exec(
    url,
  );
  if (parts === null) return '••••';
  return `${parts[1]}${parts[2] === undefined ? '' : '••••@'}${parts[3]}`;
}
