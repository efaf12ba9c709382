// The addresses of a Redis: which forms are understood, and how one is shown without its password.

const understood =
  'redis://host:6379, rediss://host:6379, unix:///path/to/socket or redis+sentinel://host:26379,host:26379/name';

/** `name` of a primary that the sentinels watch: theirs to say where it is now. */
const sentinelForm = /^rediss?\+sentinel:\/\/(?:([^@/]*)@)?([^/@]+)\/([^/?#]+)(?:\/(\d{1,3}))?$/i;
const hostForm = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i;

/** Sentinels, and the primary that they watch. */
export interface SentinelAddress {
  readonly sentinels: readonly { readonly host: string; readonly port: number }[];
  /** What they call the primary. */
  readonly name: string;
  readonly tls: boolean;
  /** Of the Redis, percent-encoded as written; '' where there is none. */
  readonly username: string;
  readonly password: string;
  readonly db: number;
}

/** The parts of an address like `redis+sentinel://:password@a:26379,b:26379/mymaster/0`; null when it is no such address. */
export function readSentinelUrl(url: string): SentinelAddress | null {
  const [, login = '', hosts, name, db = '0'] = sentinelForm.exec(url) ?? [];
  if (hosts === undefined || name === undefined) return null;
  const list = hosts.split(',');
  if (!list.every((host) => hostForm.test(host))) return null;
  const [username = '', ...password] = login.split(':');
  return {
    sentinels: list.map((host) => {
      const [, where = '', port = '26379'] = /^(.*?)(?::(\d+))?$/.exec(host) ?? [];
      return { host: where.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
    }),
    name,
    tls: /^rediss/i.test(url),
    username,
    password: password.join(':'),
    db: Number(db),
  };
}

/** What is wrong with the address of a Redis, and the mend; null when it can be used. Never repeats a part of it. */
export function redisUrlFault(url: string): string | null {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase();
  if (scheme === 'redis+cluster' || scheme === 'rediss+cluster') {
    return `is of the form ${scheme}://, which is not supported yet: write ${understood}`;
  }
  if (/[?#]/.test(url)) return 'has a ? or a #: write those in the password as %3F and %23, and no options';
  if (scheme === 'redis+sentinel' || scheme === 'rediss+sentinel') {
    return readSentinelUrl(url) === null
      ? 'does not say which sentinels to ask for which primary: write redis+sentinel://host:26379,host:26379/name'
      : null;
  }
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
  const parts =
    /^([a-z][a-z0-9+.-]{0,20}:\/\/)([^@]*@)?((?:[\w.-]*|\[[\da-f:.]+\])(?::\d+)?(?:,(?:[\w.-]+|\[[\da-f:.]+\])(?::\d+)?)*(?:\/[\w.~%/-]*)?)$/i.exec(
      url,
    );
  if (parts === null) return '••••';
  return `${parts[1]}${parts[2] === undefined ? '' : '••••@'}${parts[3]}`;
}
