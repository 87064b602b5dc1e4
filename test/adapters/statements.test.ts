import { glob, readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { Client, type Connection } from 'pg';
import { expect, it } from 'vitest';
import { statements } from '../../src/db/statement.js';
import { createDatabaseFromTemplate } from '../support/database.js';

interface Field {
  name: string;
  dataTypeID: number;
}

/**
 * Asks the server which columns a statement returns, without running it: Parse and Describe of PostgreSQL's protocol.
 */
class Describe {
  private fields: Field[] = [];
  private error: Error | null = null;

  constructor(
    private readonly text: string,
    private readonly done: (error: Error | null, fields: Field[]) => void,
  ) {}

  submit(connection: Connection): void {
    connection.parse({ name: '', text: this.text, types: [] }, true);
    connection.describe({ type: 'S', name: '' }, true);
    connection.sync();
  }

  handleRowDescription({ fields }: { fields: Field[] }): void {
    this.fields = fields;
  }

  handleError(error: Error): void {
    this.error = error;
  }

  handleReadyForQuery(): void {
    this.done(this.error, this.fields);
  }
}

function describeStatement(client: Client, text: string): Promise<Field[]> {
  return new Promise((resolve, reject) => {
    client.query(new Describe(text, (error, fields) => (error ? reject(error) : resolve(fields))));
  });
}

it('every statement that is written as SQL returns the columns that it states, by name, type and order', async () => {
  for await (const file of glob('src/**/*.ts')) {
    if (/^(?:export )?const \w+ = statement\(/m.test(await readFile(file, 'utf8')))
      await import(pathToFileURL(file).href);
  }
  expect(statements.length).toBeGreaterThan(0);
  const database = await createDatabaseFromTemplate();
  const client = new Client({ connectionString: database.url });
  await client.connect();
  try {
    const types = await client.query<{ oid: number; type: string }>(
      'select oid::int, format_type(oid, null) as type from pg_type',
    );
    const typeOf = new Map(types.rows.map(({ oid, type }) => [oid, type]));
    const found: Record<string, [string, string][]> = {};
    const stated: Record<string, [string, string][]> = {};
    for (const { name, text, row } of statements) {
      const fields = await describeStatement(client, text).catch((error: Error) => {
        throw new Error(`${name}: ${error.message}`, { cause: error });
      });
      found[name] = fields.map((field) => [field.name, typeOf.get(field.dataTypeID) ?? '']);
      stated[name] = Object.entries(row).map(([column, type]) => [column, type.replace(/\?$/, '')]);
    }
    expect(stated).toEqual(found);
    expect(Object.keys(stated)).toHaveLength(statements.length);
    console.log(`${statements.length} statements in SQL of our own agree with the database`);
  } finally {
    await client.end();
    await database.drop();
  }
});

/** Beyond that, somebody writes SQL where the query builder would do. */
const MAX_RAW = 40;
/** A typed statement, one of several in one message, SQL without types, and what the ORM sends as it is. */
const RAW = [/\bstatement\(\{/g, /^ +params: \[/gm, /\bCompiledQuery\.raw\(/g, /\b(?:em|locked)\.execute\(/g];

it(`there are fewer than ${MAX_RAW} statements in SQL of our own outside migrations`, async () => {
  const found: string[] = [];
  for await (const file of glob('src/**/*.ts', { exclude: ['src/db/migrations/**'] })) {
    const text = await readFile(file, 'utf8');
    for (const pattern of RAW) found.push(...(text.match(pattern) ?? []).map(() => file));
  }
  expect(found.length, found.join('\n')).toBeLessThan(MAX_RAW);
  console.log(`${found.length} statements in SQL of our own outside migrations`);
});
