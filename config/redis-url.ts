// The addresses of a Redis: which forms are understood, and how one is shown without its password.

const understood =
  'redis://host:6379, rediss://host:6379, unix:///path/to/socket, redis+sentinel://host:26379,host:26379/name or redis+cluster://host:6379,host:6379';

/** `name` of a primary that the sentinels watch: theirs to say where it is now. */
const sentinelForm = /^rediss?\+sentinel:\/\/(?:([^@/]*)@)?([^/@]+)\/([^/?#]+)(?:\/(\d{1,3}))?$/i;
const clusterForm = /^rediss?\+cluster:\/\/(?:([^@/]*)@)?([^/@]+)(?:\/0?)?$/i;
const hostForm = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i;

/** Where something listens. */
export interface HostAddress {
  readonly host: string;
  readonly port: number;
}

/** Sentinels, and the primary that they watch. */
export interface SentinelAddress {
  readonly sentinels: readonly HostAddress[];
  /** What they call the primary. */
  readonly name: string;
  readonly tls: boolean;
  /** Of the Redis, percent-encoded as written; '' where there is none. */
  readonly username: string;
  readonly password: string;
  readonly db: number;
}

/** Some nodes of a cluster: any of them says where the others are. */
export type ClusterAddress = Pick<SentinelAddress, 'tls' | 'username' | 'password'> & {
  readonly nodes: readonly HostAddress[];
};

/** The parts of an address like `redis+sentinel://:password@a:26379,b:26379/mymaster/0`; null when it is no such address. */
export function readSentinelUrl(url: string): SentinelAddress | null {
  const [, login, hosts, name, db = '0'] = sentinelForm.exec(url) ?? [];
  const sentinels = readHosts(hosts, '26379');
  if (sentinels === null || name === undefined) return null;
  return { sentinels, name, tls: /^rediss/i.test(url), ...readLogin(login), db: Number(db) };
}

/** The parts of an address like `redis+cluster://:password@a:6379,b:6379`; null when it is no such address. */
export function readClusterUrl(url: string): ClusterAddress | null {
  const [, login, hosts] = clusterForm.exec(url) ?? [];
  const nodes = readHosts(hosts, '6379');
  return nodes && { nodes, tls: /^rediss/i.test(url), ...readLogin(login) };
}

function readHosts(hosts: string | undefined, usualPort: string): HostAddress[] | null {
  const list = hosts?.split(',') ?? [];
  if (list.length === 0 || !list.every((host) => hostForm.test(host))) return null;
  return list.map((host) => {
    const [, where = '', port = usualPort] = /^(.*?)(?::(\d+))?$/.exec(host) ?? [];
    return { host: where.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
  });
}

function readLogin(login = ''): { username: string; password: string } {
  const [username = '', ...password] = login.split(':');
  return { username, password: password.join(':') };
}

/** What is wrong with the address of a Redis, and the mend; null when it can be used. Never repeats a part of it. */
export function redisUrlFault(url: string): string | null {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase();
  if (/[?#]/.test(url)) return 'has a ? or a #: write those in the password as %3F and %23, and no options';
  if (scheme === 'redis+sentinel' || scheme === 'rediss+sentinel') {
    return readSentinelUrl(url) === null
      ? 'does not say which sentinels to ask for which primary: write redis+sentinel://host:26379,host:26379/name'
      : null;
  }
  if (scheme === 'redis+cluster' || scheme === 'rediss+cluster') {
    return readClusterUrl(url) === null
      ? 'does not say which nodes of the cluster to ask: write redis+cluster://host:6379,host:6379'
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
