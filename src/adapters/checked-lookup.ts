import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';
import { callbackify } from 'node:util';
import { checkResolved, type OutboundPolicy } from '../modules/core/index.js';

export type Resolve = (host: string) => Promise<LookupAddress[]>;

const resolveAll: Resolve = (host) => lookup(host, { all: true });

/**
 * A DNS look-up for connections to addresses that users give: it returns only addresses that were checked. It is not
 * called when the host is an IP address; the URL check has checked that already.
 */
export function checkedLookup(policy: OutboundPolicy, resolve: Resolve = resolveAll): LookupFunction {
  const checked = callbackify(async (host: string) => {
    const addresses = await resolve(host);
    const plain = addresses.map(({ address }) => address);
    checkResolved(host, plain, policy);
    if (addresses.length === 0) throw new Error(`${host} has no address`);
    return addresses;
  });
  return (host, { all }, callback) =>
    checked(host, (error, addresses) => {
      const [first] = addresses ?? [];
      if (all || !first) callback(error, addresses ?? []);
      else callback(error, first.address, first.family);
    });
}
