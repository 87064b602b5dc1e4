import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { tokenOf } from '../../src/protocols/mlflow/credentials.js';
import { offsetOf, pageToken } from '../../src/protocols/mlflow/pages.js';
import {
  checkedKeyValue,
  fromBody,
  integer,
  MORE,
  parseRequest,
  repeated,
  requiredDouble,
  requiredString,
} from '../../src/protocols/mlflow/protobuf-json.js';
import { ofRun } from '../../src/protocols/mlflow/experiments/runs.js';
import { checkKey } from '../../src/protocols/mlflow/experiments/checks.js';

const storable = fc.string({ unit: 'grapheme' }).filter((text) => text.isWellFormed() && !text.includes('\0'));
const refused = (work: () => unknown) =>
  expect(work).toThrow(expect.objectContaining({ code: 'INVALID_PARAMETER_VALUE' }));

describe('protobuf JSON', () => {
  it('reads any object of JSON, and the same when it is encoded once more', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          storable,
          fc.oneof(storable, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.array(storable)),
        ),
        (value) => {
          const text = JSON.stringify(value);
          expect(fromBody(text)).toEqual(JSON.parse(text));
          expect(fromBody(JSON.stringify(text))).toEqual(JSON.parse(text));
        },
      ),
    );
  });

  it('accepts the bare numbers of Python and does not change texts', () => {
    fc.assert(
      fc.property(storable, fc.constantFrom('NaN', 'Infinity', '-Infinity'), (before, number) => {
        const key = `${before} NaN -Infinity`;
        expect(fromBody(`{${JSON.stringify(key)}: ${number}, "text": ${JSON.stringify(key)}}`)).toEqual({
          [key]: number,
          text: key,
        });
      }),
    );
  });

  it('reads integers as numbers and as text, and refuses what no number can hold', () => {
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

  it('asks for the run first, and distinguishes missing values from values of a wrong type', () => {
    const message = (schema: z.ZodObject, input: Record<string, unknown>) => {
      try {
        return JSON.stringify(parseRequest(schema, input));
      } catch (error) {
        return (error as Error).message.replace(MORE, '');
      }
    };
    const tag = z.object({ ...ofRun, key: requiredString });
    expect(message(tag, {})).toBe("Missing value for required parameter 'run_id'.");
    expect(message(tag, { run_uuid: 'a' })).toBe("Missing value for required parameter 'key'.");
    expect(message(tag, { run_id: 'a', key: '' })).toBe("Missing value for required parameter 'key'.");
    const order = z.object({ order_by: repeated(z.string()) });
    expect(message(order, { order_by: [null] })).toBe(
      "Invalid value [null] for parameter 'order_by' supplied:  Hint: Value was of type 'list'.",
    );
    expect(message(z.object({ tags: repeated(checkedKeyValue) }), { tags: [null, {}] })).toBe(
      '{"tags":[{"key":"","value":""},{"key":"","value":""}]}',
    );
  });
});

describe('page tokens', () => {
  it('that are invalid are refused with their content in Python’s notation', () => {
    const told: [string, string][] = [
      ['nonsense', "decoded value=b'\\x9e\\x89\\xecz{\\x1e'"],
      ['J1wn', `decoded value=b"'\\\\'"`],
      ['e30=', 'parsed value={}'],
      [
        btoa('{"offset":-1,"a":[null,true,1.5,"it\'s"]}'),
        `parsed value={'offset': -1, 'a': [None, True, 1.5, "it's"]}`,
      ],
      [btoa('['.repeat(20_000) + ']'.repeat(20_000)), 'parsed value=…'],
    ];
    for (const [token, message] of told) expect(() => offsetOf(token)).toThrow(`Invalid page token, ${message}`);
  });

  it('mean a place in the list, whoever made them', () => {
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
  it('are the token, in whatever form it is sent', () => {
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
  it('never lead out of the folder in which a client stores them', () => {
    const parts = fc
      .array(fc.constantFrom('a', 'b c', '.', '..', '', 'x.y', '-'), { maxLength: 5 })
      .map((path) => path.join('/'));
    fc.assert(
      fc.property(parts, (key) => {
        try {
          checkKey('key', key);
        } catch (error) {
          expect(error).toMatchObject({ code: 'INVALID_PARAMETER_VALUE' });
          return;
        }
        expect(key.startsWith('/') || key.split('/').some((part) => part === '' || part === '.' || part === '..')).toBe(
          false,
        );
      }),
    );
  });
});
