import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { DatasetsTotalCountDocument, RegisterDatasetDetailsDocument } from '../generated/operations.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
});
afterAll(() => service?.close());

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
const wide = (columns: number) =>
  `${Array.from({ length: columns }, (_, i) => `c${i}`).join(',')}\n${Array.from({ length: columns }, () => 1).join(',')}\n`;

describe('a dataset file', () => {
  const cases: Record<string, [fileName: string, content: string | Buffer, expected: string]> = {
    'of JSON nested a million deep': [
      'deep.json',
      nested(1_000_000),
      'a list of objects, [{"a": 1}, {"a": 2}], or one object per line',
    ],
    'of objects nested a million deep': [
      'deep-objects.json',
      `${'{"a":'.repeat(1_000_000)}1`,
      'objects of at most 100 levels',
    ],
    'of 9,999 columns': ['wide.csv', wide(9_999), 'at most 2000 columns'],
    'of a million columns': ['wider.csv', wide(1_000_000), 'at most 2000 columns'],
    'with NUL in its text': ['nul.csv', 'a,b\nx\0y,2\nz,4\n', 'text without NUL characters'],
    'with NUL in a JSON text': ['nul.json', '[{"a":"x\\u0000y"},{"a":"z"}]', 'text without NUL characters'],
    'with NUL in a column name': [
      'nul-name.json',
      '[{"a\\u0000b":1}]',
      'column names of at most 1000 characters without NUL',
    ],
    'with a column name of 60,000 characters': [
      'long-name.csv',
      `${'x'.repeat(60_000)},b\n1,2\n`,
      'column names of at most 1000 characters without NUL',
    ],
    'with a first line without end': ['no-end.csv', 'x'.repeat(2_000_000), 'a header line of at most 262144 bytes'],
    'of bytes called CSV': [
      'bytes.csv',
      Buffer.from(Array.from({ length: 5_000 }, (_, i) => (i * 7919) % 256)),
      'a well-formed file',
    ],
    'of text called Parquet': ['text.parquet', 'a,b\n1,2\n', 'a well-formed file'],
    'with a footer beyond its end': [
      'footer.parquet',
      Buffer.concat([Buffer.from('PAR1'), Buffer.from([255, 255, 255, 127]), Buffer.from('PAR1')]),
      'a well-formed file',
    ],
    empty: ['empty.csv', '', 'at least one row of data'],
  };
  for (const [what, [fileName, content, expected]] of Object.entries(cases)) {
    it(`${what} is refused by one clear error, and leaves nothing`, async () => {
      const { uploadId } = await tess.upload(fileName, content);
      const error = await tess.fails(RegisterDatasetDetailsDocument, {
        input: { name: 'hostile', source: { uploadId } },
      });
      expect(error.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'file', expected });
      expect(await tess.ok(DatasetsTotalCountDocument, { filter: { name: 'hostile' } })).toEqual({
        datasets: { totalCount: 0 },
      });
    });
  }

  it('with a few hundred columns is read in several passes', async () => {
    const { uploadId } = await tess.upload('columns.csv', wide(120));
    const { registerDataset } = await tess.ok(RegisterDatasetDetailsDocument, {
      input: { name: 'columns', source: { uploadId } },
    });
    expect(registerDataset.dataset.rowCount).toBe(1);
    expect(registerDataset.dataset.columns.map(({ name }) => name)).toEqual(
      Array.from({ length: 120 }, (_, i) => `c${i}`),
    );
  });
});

describe('a document', () => {
  const post = async (body: string) => {
    const response = await fetch(`${service.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${tess.token}` },
      body,
    });
    return { status: response.status, body: (await response.json()) as { errors: { extensions: { code: string } }[] } };
  };
  it('that costs too much is the client’s mistake over HTTP too', async () => {
    const documents = [
      `{ runs(first: ${nested(1_900)}) { totalCount } }`,
      `{ __typename } #${'x'.repeat(300_000)}`,
      `{ ${Array.from({ length: 40 }, (_, i) => `a${i}: __typename`).join(' ')} }`,
    ];
    for (const query of documents) {
      const { status, body } = await post(JSON.stringify({ query }));
      expect([status, body.errors.map(({ extensions }) => extensions.code)], query.slice(0, 60)).toEqual([
        400,
        ['QUERY_TOO_COMPLEX'],
      ]);
    }
  });
});
