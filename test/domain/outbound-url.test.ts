import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addressProblem,
  checkAllowedHosts,
  checkResolved,
  checkOutboundUrl,
  type OutboundPolicy,
} from '../../src/modules/core/rules/outbound-url.js';
import { AppError } from '../../src/errors.js';
import { GOOD, HOSTILE } from './outbound-addresses.js';

const STRICT: OutboundPolicy = { allowHttp: false, allowedHosts: [] };
const HTTP = { ...STRICT, allowHttp: true };

/** The code of the refusal, or the address that would be called. */
function outcome(url: string, policy = STRICT): string {
  try {
    return checkOutboundUrl('input.url', url, policy).href;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    expect(error.details.field).toBe('input.url');
    return error.code;
  }
}

describe('an address that a user names', () => {
  it('may be any public https address', () => {
    expect(GOOD.map((url) => outcome(url))).toEqual(GOOD);
  });

  for (const [what, urls] of Object.entries(HOSTILE)) {
    it(`is refused with URL_NOT_ALLOWED: ${what}`, () => {
      expect(urls.map((url) => `${url} ${outcome(url)}`)).toEqual(urls.map((url) => `${url} URL_NOT_ALLOWED`));
    });
  }

  it('never shows credentials in the error', () => {
    const refusal = (() => {
      try {
        checkOutboundUrl('input.url', 'https://user:hunter2@hooks.example.com/', STRICT);
      } catch (error) {
        return error as AppError;
      }
      throw new Error('it was accepted');
    })();
    expect(JSON.stringify([refusal.message, refusal.details])).not.toContain('hunter2');
  });

  it('may be http when the installation allows it, and nothing else changes', () => {
    expect(outcome('http://hooks.example.com/', HTTP)).toBe('http://hooks.example.com/');
    for (const url of ['http://127.0.0.1/', 'http://localhost/', 'ftp://hooks.example.com/', 'http://0x7f.1/']) {
      expect(outcome(url, HTTP), url).toBe('URL_NOT_ALLOWED');
    }
  });

  it('may be private when the installation lists its host or network', () => {
    const policy = {
      allowHttp: false,
      allowedHosts: ['hooks.cluster.local', 'ci', '10.1.0.0/16', '192.168.7.7', 'fd12::/16'],
    };
    for (const url of [
      'https://hooks.cluster.local/',
      'https://ci/',
      'https://10.1.2.3/',
      'https://192.168.7.7/',
      'https://[fd12::1]/',
      'https://[::ffff:a01:203]/',
    ]) {
      expect(outcome(url, policy), url).toBe(url);
    }
    for (const url of [
      'https://other.cluster.local/',
      'https://10.2.0.1/',
      'https://192.168.7.8/',
      'https://[fd13::1]/',
      'https://cix/',
      'https://[::1]/',
    ]) {
      expect(outcome(url, policy), url).toBe('URL_NOT_ALLOWED');
    }
  });

  it('of an installation’s own list is checked when the service starts', () => {
    expect(() =>
      checkAllowedHosts('WEBHOOK_ALLOWED_HOSTS', ['ci', 'a.b', '10.0.0.0/8', '::1', '127.0.0.1']),
    ).not.toThrow();
    for (const entry of ['https://ci', 'a b', '10.0.0.0/99', '*.example.com', '', 'a/b']) {
      expect(() => checkAllowedHosts('WEBHOOK_ALLOWED_HOSTS', [entry]), entry).toThrow(/host names/);
    }
  });
});

describe('an address that a name resolves to', () => {
  it('is called only if all of them may be', () => {
    expect(() => checkResolved('a.example', ['8.8.8.8', '2606:4700::1111'], STRICT)).not.toThrow();
    for (const bad of [
      '127.0.0.1',
      '10.0.0.1',
      '169.254.169.254',
      '::1',
      '::ffff:127.0.0.1',
      'fe80::1',
      'fe80::1%eth0',
      '64:ff9b::a00:1',
    ]) {
      expect(() => checkResolved('a.example', ['8.8.8.8', bad], STRICT), bad).toThrow(/a\.example resolves to/);
    }
  });

  it('is not allowed by its name unless exactly this name is listed', () => {
    const policy = { allowHttp: false, allowedHosts: ['ci.internal'] };
    expect(() => checkResolved('ci.internal', ['10.0.0.1'], policy)).not.toThrow();
    expect(() => checkResolved('xci.internal', ['10.0.0.1'], policy)).toThrow();
  });

  it('in IPv4 gets the same decision in every IPv6 form that leads to it', () => {
    fc.assert(
      fc.property(fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)), ([a, b, c, d]) => {
        const plain = addressProblem(`${a}.${b}.${c}.${d}`, STRICT);
        const [high, low] = [((a << 8) | b).toString(16), ((c << 8) | d).toString(16)];
        for (const form of [`::ffff:${high}:${low}`, `64:ff9b::${high}:${low}`, `2002:${high}:${low}::1`]) {
          expect(addressProblem(form, STRICT) === null, form).toBe(plain === null);
        }
      }),
    );
  });

  it('in IPv4 is refused in every private, local and reserved network', () => {
    const network = fc.constantFrom(
      '10.0',
      '127.0',
      '169.254',
      '172.16',
      '172.31',
      '192.168',
      '100.64',
      '100.127',
      '0.0',
      '224.0',
      '240.1',
      '198.19',
    );
    fc.assert(
      fc.property(network, fc.nat(255), fc.nat(255), (start, c, d) => {
        expect(addressProblem(`${start}.${c}.${d}`, STRICT)).not.toBeNull();
      }),
    );
  });

  it('written in any other base is never accepted as a host', () => {
    fc.assert(
      fc.property(fc.nat(0xffffffff), (value) => {
        for (const host of [String(value), `0x${value.toString(16)}`, `0${value.toString(8)}`])
          expect(outcome(`https://${host}/`)).toBe('URL_NOT_ALLOWED');
      }),
    );
  });
});
