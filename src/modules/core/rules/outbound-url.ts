import ipaddr from 'ipaddr.js';
import { AppError, badInput, ErrorCode, quote } from '../../../errors.js';
import { characters, rangeText } from './ranges.js';

/** Which addresses besides public https addresses may be called when a user names them (webhooks, import servers). */
export interface OutboundPolicy {
  allowHttp: boolean;
  /** Host names, addresses and networks (CIDR) that may be called although they are private. */
  allowedHosts: readonly string[];
}

/** An address that is called. URL_NOT_ALLOWED. */
export const OUTBOUND_URL = characters(1, 2_000);
const SHAPE = /^(https?):\/\/([^/?#]*)([/?][^#]*)?$/i;
const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
/** At least two labels, and the last one begins with a letter: this excludes all other spellings of IP addresses. */
const PUBLIC_NAME = new RegExp(`^(?=.{1,253}$)(?:${LABEL}\\.)+(?=[a-z])${LABEL}$`);
const HOST_NAME = new RegExp(`^(?=.{1,253}$)(?:${LABEL}\\.)*${LABEL}$`);
/** Names of this machine or its network, refused whatever DNS returns. */
const LOCAL_NAME = /(^|\.)(localhost|local|internal|intranet|lan|home\.arpa)$/;

/**
 * Checks a URL that a user names; URL_NOT_ALLOWED with the reason when it may not be called. A host name is resolved
 * and checked later.
 */
export function checkOutboundUrl(field: string, text: string, policy: OutboundPolicy): URL {
  const refuse = (expected: string) => urlNotAllowed(field, text, expected);
  if (text.length > OUTBOUND_URL.max!) throw refuse(`an address of ${rangeText(OUTBOUND_URL)}`);
  // Refuses what a URL parser would silently correct (blanks, backslashes, other scripts), so that the address is
  // called as it was written.
  if (!/^[\x21-\x7e]+$/.test(text) || text.includes('\\'))
    throw refuse('an address in plain ASCII, without blanks or backslashes');
  const [, protocol = '', authority = ''] = SHAPE.exec(text) ?? [];
  const isHttps = protocol.toLowerCase() === 'https';
  if (!isHttps && !(policy.allowHttp && protocol)) {
    throw refuse(
      policy.allowHttp
        ? 'https://<host>/… or http://<host>/…, without a fragment'
        : 'https://<host>/…, without a fragment',
    );
  }
  if (authority.includes('@')) throw refuse('an address without user name and password');
  const url = URL.canParse(text) ? new URL(text) : null;
  const host = authority.replace(/:\d+$/, '').toLowerCase();
  if (!url || url.hostname !== host) {
    throw refuse('a host as it is usually written: a name, a dotted IPv4 address or a shortened [IPv6 address]');
  }
  if (url.port === '0') throw refuse('a port from 1 to 65535');
  const address = parseAddress(host);
  if (address) {
    const problem = addressProblem(address.toString(), policy);
    if (problem) throw refuse(`a public address; this one is ${problem}`);
  } else if (!isAllowedName(host, policy) && (!PUBLIC_NAME.test(host) || LOCAL_NAME.test(host))) {
    throw refuse('a public host name');
  }
  return url;
}

/** Checks the resolved addresses of a host and returns them. URL_NOT_ALLOWED when one of them may not be called. */
export function checkResolved(host: string, addresses: readonly string[], policy: OutboundPolicy): void {
  if (isAllowedName(host, policy)) return;
  for (const address of addresses) {
    const problem = addressProblem(address, policy);
    // The error does not show the address, because it would tell how the inner network looks.
    if (problem)
      throw new AppError(
        ErrorCode.URL_NOT_ALLOWED,
        `${host} resolves to an address that is ${problem}; it was not called.`,
      );
  }
}

/** Why an address must not be called; null when it may be called. */
export function addressProblem(text: string, policy: OutboundPolicy): string | null {
  const address = parseAddress(text);
  if (!address) return 'not an IP address';
  if (policy.allowedHosts.some((entry) => includes(entry, address))) return null;
  const range = address.range();
  if (range === 'unicast') {
    // Global IPv6 addresses come from one eighth of the address space; anything else is outdated or not assigned yet.
    return address.kind() === 'ipv6' && (address.toByteArray()[0]! & 0xe0) !== 0x20 ? 'not a public one' : null;
  }
  const inner = innerAddress(address);
  if (inner) {
    const problem = addressProblem(inner, policy);
    return problem && `${problem} (within an IPv6 address)`;
  }
  return KINDS[range] ?? 'not a public one';
}

/** Checks the entries of the list of allowed hosts. */
export function checkAllowedHosts(field: string, entries: readonly string[]): readonly string[] {
  for (const entry of entries) {
    if (!ipaddr.isValidCIDR(entry) && !parseAddress(entry) && !HOST_NAME.test(entry)) {
      throw badInput(field, 'host names, IP addresses and networks such as 10.1.0.0/16', entry);
    }
  }
  return entries;
}

const KINDS: Record<string, string> = {
  unspecified: 'unspecified',
  loopback: 'loopback',
  linkLocal: 'link-local',
  private: 'private',
  uniqueLocal: 'private',
  deprecatedSiteLocal: 'private',
  carrierGradeNat: 'private (carrier-grade NAT)',
  multicast: 'multicast',
  broadcast: 'broadcast',
  reserved: 'reserved',
};

function isAllowedName(host: string, { allowedHosts }: OutboundPolicy): boolean {
  return allowedHosts.includes(host) && !parseAddress(host);
}

/** An address in its normal form. The text may have the brackets of a URL. */
function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | null {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  return ipaddr.IPv4.isValidFourPartDecimal(bare) || ipaddr.IPv6.isValid(bare) ? ipaddr.parse(bare) : null;
}

function includes(entry: string, address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  const single = parseAddress(entry);
  if (single) return single.toNormalizedString() === address.toNormalizedString();
  if (!ipaddr.isValidCIDR(entry)) return false;
  const [network, bits] = ipaddr.parseCIDR(entry);
  return network.kind() === address.kind() && address.match(network, bits);
}

/** The IPv4 address that an IPv6 address reaches through a translator: mapped, NAT64, 6to4. */
function innerAddress(address: ipaddr.IPv4 | ipaddr.IPv6): string | null {
  if (address.kind() === 'ipv4') return null;
  const bytes = address.toByteArray();
  switch (address.range()) {
    case 'ipv4Mapped':
      return bytes.slice(12).join('.');
    case 'rfc6052':
      // Only the well-known prefix contains public addresses; 64:ff9b:1::/48 is for private networks.
      return bytes[5] === 0 ? bytes.slice(12).join('.') : null;
    case '6to4':
      return bytes.slice(2, 6).join('.');
    default:
      return null;
  }
}

function urlNotAllowed(field: string, text: string, expected: string): AppError {
  const got = quote(text.replace(/\/\/[^/?#]*@/, '//***@'));
  return new AppError(ErrorCode.URL_NOT_ALLOWED, `${field}: expected ${expected}, got ${got}.`, {
    field,
    expected,
    got,
  });
}
