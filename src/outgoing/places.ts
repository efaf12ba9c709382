// Where a request of ours may go: to public addresses by TLS, and to those of the operator's own network that the settings name.
import { lookup as resolve } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/** Says which addresses may be connected to. */
export interface Places {
  /** May this address (IPv4 or IPv6, without brackets) be connected to, with or without TLS? */
  allows(address: string, secure: boolean): boolean;
  /**
   * For `http.request`: resolves a name to those of its addresses that may be connected to. It is asked by the connection itself, so that no
   * name can have another address then than when it was looked at. Not asked where the URL holds an address: look at that before.
   */
  lookup(secure: boolean): LookupFunction;
}

// What is not on the public internet: IANA's special-purpose registries (iana.org/assignments/iana-ipv4-special-registry and
// iana-ipv6-special-registry, 2026-11). Of IPv6 only 2000::/3 is given out at all.
const specialV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
];
const specialV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

const special = rangesOf([...specialV4, ...specialV6]);
const global = rangesOf(['2000::/3']);

/** @param allowed addresses and ranges (CIDR) of the operator's own network, which may be asked without TLS, too. */
export function createPlaces(allowed: readonly string[]): Places {
  const own = rangesOf(allowed);
  const allows = (address: string, secure: boolean) => {
    const family = isIP(address);
    if (family === 0) return false;
    const kind = family === 4 ? 'ipv4' : 'ipv6';
    if (own.check(address, kind)) return true;
    return secure && !special.check(address, kind) && (family === 4 || global.check(address, kind));
  };
  return {
    allows,
    lookup: (secure) => (hostname, options, callback) => {
      resolve(hostname, { ...options, all: true }, (error, found) => {
        if (error) return callback(error, '', 0);
        const fit = found.filter(({ address }) => allows(address, secure));
        const first = fit[0];
        if (first === undefined) return callback(new Forbidden(secure), '', 0);
        if (options.all) return callback(null, fit);
        callback(null, first.address, first.family);
      });
    },
  };
}

/** The far side is not where requests of ours may go. */
export class Forbidden extends Error {
  constructor(secure: boolean) {
    const network = 'it lies in a private network';
    const why = secure ? network : `${network}, or is public and asked without TLS (http:)`;
    super(`it may not be asked: ${why}; name its address in outgoing.allow_private, or use https`);
  }
}

function rangesOf(written: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of written) {
    const [address = '', bits] = range.split('/');
    const kind = isIP(address) === 4 ? 'ipv4' : 'ipv6';
    if (bits === undefined) list.addAddress(address, kind);
    else list.addSubnet(address, Number(bits), kind);
  }
  return list;
}
