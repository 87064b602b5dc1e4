import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { tokenOf } from '../../src/protocols/mlflow/credentials.js';
import { offsetOf, pageToken } from '../../src/protocols/mlflow/pages.js';
import { fromBody, integer, parseRequest, requiredDouble } from '../../src/protocols/mlflow/protobuf-json.js';
import { checkKey } from '../../src/protocols/mlflow/tracking/checks.js';

const storable = fc.string({ unit: 'grapheme' }).filter((text) => text.isWellFormed() && !text.includes('\0'));
const refused = (work: () => unknown) => expect(work).toThrow(expect.objectContaining({ code: 'INVALID_PARAMETER_VALUE' }));

describe('protobuf JSON', () => {
  it('reads any object as JSON has it, and once more encoded the same', () => {
    fc.assert(
      fc.property(
        fc.dictionary(storable, fc.oneof(storable, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.array(storable))),
        (value) => {
          const text = JSON.stringify(value);
          expect(fromBody(text)).toEqual(JSON.parse(text));
          expect(fromBody(JSON.stringify(text))).toEqual(JSON.parse(text));
        },
      ),
    );
  });

  it('takes the bare numbers of Python and leaves texts alone', () => {
    fc.assert(
      fc.property(storable, fc.constantFrom('NaN', 'Infinity', '-Infinity'), (before, number) => {
        const key = `${before} NaN -Infinity`;
        expect(fromBody(`{${JSON.stringify(key)}: ${number}, "text": ${JSON.stringify(key)}}`)).toEqual({ [key]: number, text: key });
      }),
    );
  });

  it('reads integers as numbers and as text, and refuses what no number holds', () => {
    const schema = z.object({ n: integer, d: requiredDouble });
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.double(), (n, d) => {
        for (const sent of [n, String(n), `${n}.0`])
          expect(parseRequest(schema, { n: sent, d: String(d) })).toEqual({ n, d: Number(String(d)) });
      }),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.double().filter((d) => !Number.isSafeInteger(d)),
          fc.constantFrom('', ' 1', '1e3', '0x1', '9007199254740993'),
        ),
        (n) => {
          refused(() => parseRequest(schema, { n, d: 1 }));
        },
      ),
    );
  });
});

describe('page tokens', () => {
  it('stand for a place in the list, whoever made them', () => {
    fc.assert(fc.property(fc.maxSafeNat(), (offset) => void expect(offsetOf(pageToken(offset))).toBe(offset)));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ minLength: 1 }),
          fc.json().map((json) => Buffer.from(json).toString('base64')),
        ),
        (token) => {
          let offset = 0;
          try {
            offset = offsetOf(token);
          } catch (error) {
            expect(error).toMatchObject({ code: 'INVALID_PARAMETER_VALUE' });
          }
          expect(Number.isSafeInteger(offset) && offset >= 0).toBe(true);
        },
      ),
    );
  });
});

describe('credentials', () => {
  it('are the token, however it is sent', () => {
    const tokens = fc.stringMatching(/^[A-Za-z0-9._-]{1,100}$/);
    fc.assert(
      fc.property(
        tokens,
        fc.string().filter((user) => !user.includes(':')),
        (token, user) => {
          expect(tokenOf(`Bearer ${token}`)).toBe(token);
          expect(tokenOf(`Basic ${Buffer.from(`${user}:${token}`).toString('base64')}`)).toBe(token);
          expect(tokenOf(token)).toBeNull();
        },
      ),
    );
  });
});

describe('keys', () => {
  it('never lead out of the folder that a client keeps them in', () => {
    const parts = fc.array(fc.constantFrom('a', 'b c', '.', '..', '', 'x.y', '-'), { maxLength: 5 }).map((path) => path.join('/'));
    fc.assert(
      fc.property(parts, (key) => {
        try {
          checkKey('key', key);
        } catch (error) {
          expect(error).toMatchObject({ code: 'INVALID_PARAMETER_VALUE' });
          return;
        }
        expect(key.startsWith('/') || key.split('/').some((part) => part === '' || part === '.' || part === '..')).toBe(false);
      }),
    );
  });
});
