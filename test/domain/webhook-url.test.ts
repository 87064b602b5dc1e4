import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addressProblem,
  checkAllowedHosts,
  checkResolved,
  checkWebhookUrl,
  type WebhookPolicy,
} from '../../src/domain/platform/webhook-url.js';
import { AppError } from '../../src/errors.js';

const STRICT: WebhookPolicy = { allowHttp: false, allowedHosts: [] };
const HTTP = { ...STRICT, allowHttp: true };

/** The code of the refusal; the address as it would be called where there is none. */
function outcome(url: string, policy = STRICT): string {
  try {
    return checkWebhookUrl('input.url', url, policy).href;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    expect(error.details.field).toBe('input.url');
    return error.code;
  }
}

const GOOD = [
  'https://hooks.example.com/models',
  'https://hooks.example.com/',
  'https://hooks.example.com:8443/a/b?c=d&e=f',
  'https://xn--bcher-kva.example/hook',
  'https://8.8.8.8/hook',
  'https://[2606:4700::1111]/hook',
  'https://[64:ff9b::808:808]/hook',
  'https://[::ffff:808:808]/hook',
  'https://a.b.c.d.example.org/%2f%2e/x',
];

const HOSTILE: Record<string, string[]> = {
  'other protocols': [
    'http://hooks.example.com/',
    'ftp://hooks.example.com/',
    'file:///etc/passwd',
    'file://hooks.example.com/etc/passwd',
    'gopher://hooks.example.com/',
    'data:text/plain,x',
    'javascript:alert(1)',
    'ws://hooks.example.com/',
    'unix:/var/run/docker.sock',
    '//hooks.example.com/',
    'hooks.example.com',
    'https:hooks.example.com',
    'https:/hooks.example.com',
    'https:///hooks.example.com',
    '',
    'https://',
    'x',
  ],
  credentials: [
    'https://user:key@hooks.example.com/',
    'https://user@hooks.example.com/',
    'https://@hooks.example.com/',
    'https://a@b@hooks.example.com/',
  ],
  'loopback and unspecified': [
    'https://127.0.0.1/',
    'https://127.1.2.3:8443/',
    'https://0.0.0.0/',
    'https://0.1.2.3/',
    'https://[::1]/',
    'https://[::]/',
    'https://localhost/',
    'https://a.localhost/',
    'https://LOCALHOST/',
  ],
  'private networks': [
    'https://10.0.0.1/',
    'https://172.16.0.1/',
    'https://172.31.255.255/',
    'https://192.168.1.1/',
    'https://100.64.0.1/',
    'https://100.127.255.255/',
    'https://[fc00::1]/',
    'https://[fd12:3456::1]/',
    'https://[fec0::1]/',
  ],
  'link-local, metadata services': [
    'https://169.254.169.254/latest/meta-data/',
    'https://[fe80::1]/',
    'https://metadata.google.internal/',
    'https://[fd00:ec2::254]/',
  ],
  'multicast, broadcast, reserved': [
    'https://224.0.0.1/',
    'https://239.255.255.250/',
    'https://255.255.255.255/',
    'https://240.0.0.1/',
    'https://192.0.2.1/',
    'https://198.18.0.1/',
    'https://192.0.0.1/',
    'https://[ff02::1]/',
    'https://[2001:db8::1]/',
    'https://[100::1]/',
    'https://[4000::1]/',
  ],
  'IPv4 inside IPv6': [
    'https://[::ffff:7f00:1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[::ffff:a00:1]/',
    'https://[::ffff:a9fe:a9fe]/',
    'https://[::7f00:1]/',
    'https://[::127.0.0.1]/',
    'https://[64:ff9b::7f00:1]/',
    'https://[64:ff9b::a9fe:a9fe]/',
    'https://[64:ff9b:1::808:808]/',
    'https://[2002:7f00:1::]/',
    'https://[2002:a00:1::1]/',
    'https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/',
    'https://[::ffff:0:7f00:1]/',
  ],
  'other spellings of addresses': [
    'https://2130706433/',
    'https://0x7f000001/',
    'https://0x7f.0.0.1/',
    'https://0177.0.0.1/',
    'https://127.1/',
    'https://127.0.1/',
    'https://127.0.0.1./',
    'https://127.000.000.001/',
    'https://8.8.8.08/',
    'https://134744072/',
    'https://[0:0:0:0:0:0:0:1]/',
    'https://[2606:4700:0:0::1111]/',
    'https://[2606:4700::1111%25eth0]/',
    'https://[fe80::1%25lo]/',
    'https://%31%32%37.0.0.1/',
    'https://１２７.0.0.1/',
    'https://①②⑦.⓪.⓪.①/',
    'https://127。0。0。1/',
    'https://example.123/',
    'https://256.256.256.256/',
  ],
  'odd names': [
    'https://hooks.example.com./',
    'https://.example.com/',
    'https://hooks..example.com/',
    'https://bücher.example/',
    'https://hooks.exаmple.com/',
    'https://hooks%2eexample.com/',
    'https://hooks_x.example.com/',
    'https://-a.example.com/',
    `https://${'a'.repeat(64)}.example.com/`,
    `https://${'a.'.repeat(130)}example.com/`,
    'https://postgres/',
    'https://redis:6379/',
    'https://kubernetes.default.svc.cluster.local/',
    'https://printer.local/',
    'https://router.home.arpa/',
    'https://wiki.intranet/',
    'https://*.example.com/',
  ],
  'what a parser would mend': [
    ' https://hooks.example.com/',
    'https://hooks.example.com/ ',
    'https://hooks.exa\tmple.com/',
    'https://hooks.example.com/\r\nX-Injected: 1',
    'https://hooks.example.com\\@127.0.0.1/',
    'https:\\\\hooks.example.com/',
    'https://hooks.example.com/a\u200bb',
    'https://hooks.example.com/\0',
    'https://hooks.example.com/#fragment',
    'https://127.0.0.1#@hooks.example.com/',
    'https://hooks.example.com:99999/',
    'https://hooks.example.com:0/',
    'https://hooks.example.com:port/',
    'https://[::1/',
    `https://hooks.example.com/${'x'.repeat(2_000)}`,
  ],
};

describe('the address of a webhook', () => {
  it('may be any public https address', () => {
    expect(GOOD.map((url) => outcome(url))).toEqual(GOOD);
  });

  for (const [what, urls] of Object.entries(HOSTILE)) {
    it(`is refused with URL_NOT_ALLOWED: ${what}`, () => {
      expect(urls.map((url) => `${url} ${outcome(url)}`)).toEqual(urls.map((url) => `${url} URL_NOT_ALLOWED`));
    });
  }

  it('never shows credentials in the refusal', () => {
    const refusal = (() => {
      try {
        checkWebhookUrl('input.url', 'https://user:hunter2@hooks.example.com/', STRICT);
      } catch (error) {
        return error as AppError;
      }
      throw new Error('it was accepted');
    })();
    expect(JSON.stringify([refusal.message, refusal.details])).not.toContain('hunter2');
  });

  it('may be http where the installation allows it, and then nothing else more', () => {
    expect(outcome('http://hooks.example.com/', HTTP)).toBe('http://hooks.example.com/');
    for (const url of ['http://127.0.0.1/', 'http://localhost/', 'ftp://hooks.example.com/', 'http://0x7f.1/']) {
      expect(outcome(url, HTTP), url).toBe('URL_NOT_ALLOWED');
    }
  });

  it('may be private where the installation lists its host or network', () => {
    const policy = { allowHttp: false, allowedHosts: ['hooks.cluster.local', 'ci', '10.1.0.0/16', '192.168.7.7', 'fd12::/16'] };
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
    expect(() => checkAllowedHosts('WEBHOOK_ALLOWED_HOSTS', ['ci', 'a.b', '10.0.0.0/8', '::1', '127.0.0.1'])).not.toThrow();
    for (const entry of ['https://ci', 'a b', '10.0.0.0/99', '*.example.com', '', 'a/b']) {
      expect(() => checkAllowedHosts('WEBHOOK_ALLOWED_HOSTS', [entry]), entry).toThrow(/host names/);
    }
  });
});

describe('an address that a name resolves to', () => {
  it('is called only if every one of them may be', () => {
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

  it('is not allowed by its name unless that very name is listed', () => {
    const policy = { allowHttp: false, allowedHosts: ['ci.internal'] };
    expect(() => checkResolved('ci.internal', ['10.0.0.1'], policy)).not.toThrow();
    expect(() => checkResolved('xci.internal', ['10.0.0.1'], policy)).toThrow();
  });

  it('in IPv4 is judged the same in every IPv6 form that leads to it', () => {
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
