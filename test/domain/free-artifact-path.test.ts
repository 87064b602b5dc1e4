import { freeArtifactPath } from '../../src/modules/core/rules/artifact-path.js';
import fc from 'fast-check';
import { expect, it } from 'vitest';

const segment = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter(
    (text) =>
      !/[\p{Cc}\\#%/]/u.test(text) && text !== '.' && text !== '..' && !/^[a-z]:$/i.test(text) && !/^file:/i.test(text),
  );
const path = fc.array(segment, { minLength: 1, maxLength: 6 }).map((segments) => segments.join('/'));

/** Percent-encodes everything, several times. */
const encode = (text: string, times: number): string =>
  times === 0 ? text : encode(encodeURIComponent(text), times - 1);

it('a path of a user stays as it is, however often it was encoded', () => {
  fc.assert(
    fc.property(path, fc.nat(4), (text, times) => void expect(freeArtifactPath(encode(text, times))).toBe(text)),
  );
});

it('a path with a step upwards is refused, wherever it is and however it was encoded', () => {
  const hostile = fc
    .tuple(fc.array(segment, { maxLength: 3 }), fc.array(segment, { maxLength: 3 }))
    .map(([before, after]) => [...before, '..', ...after].join('/'));
  fc.assert(
    fc.property(hostile, fc.nat(9), (text, times) => void expect(freeArtifactPath(encode(text, times))).toBeNull()),
  );
});

it(
  'whatever comes, what is accepted is a relative path without a step upwards, and is not changed by ' +
    'accepting it again',
  () => {
    const odd = fc.string({
      unit: fc.constantFrom('.', '/', '%', '2', 'e', '5', '0', 'f', '\\', ':', '#', 'a', '\0', '\uD800', ' '),
    });
    fc.assert(
      fc.property(odd, (text) => {
        const accepted = freeArtifactPath(text);
        if (accepted === null) return;
        expect(accepted).not.toMatch(/^\/|[\\\0#]|%[0-9a-f]{2}/i);
        expect(accepted.split('/')).not.toContain('..');
        expect(freeArtifactPath(accepted)).toBe(accepted);
      }),
      { numRuns: 3_000 },
    );
  },
);

it('refuses absolute paths, other schemes, too long paths, and too many encodings', () => {
  for (const text of ['/x', '//x', 'file:x', 'FILE:///x', 'C:/x', 'a\\b', 'a\nb', 'x'.repeat(1_001), encode('/', 14)])
    expect(freeArtifactPath(text), text.slice(0, 50)).toBeNull();
  expect(freeArtifactPath('')).toBe('');
  expect(freeArtifactPath('./a//b/./')).toBe('a/b');
  expect(freeArtifactPath('100%')).toBe('100%');
});
