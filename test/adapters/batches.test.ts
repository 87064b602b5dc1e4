import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database, type Actor } from '../../src/db/database.js';
import { sql } from '../support/sql.js';
import { Role } from '../../src/modules/core/rules/principal.js';
import { Batches } from '../../src/modules/platform/batches.js';
import { createDatabaseFromTemplate, type TestDatabase } from '../support/database.js';

let database: TestDatabase;
let db: Database;
const statements: string[] = [];

beforeAll(async () => {
  database = await createDatabaseFromTemplate();
  db = await Database.connect({
    url: database.url,
    entities: [],
    poolSize: 4,
    onStatement: (text) => void statements.push(text),
  });
});
afterAll(async () => {
  await db?.close();
  await database?.drop();
});

const actor: Actor = {
  principal: { subject: 'tess', tenant: 'acme', role: Role.VIEWER, expiresAt: new Date(8.64e15) },
  requestId: 'r',
};

function loaders() {
  const batches = new Batches((work) => db.transact(actor, work));
  const scaled = (text: string) =>
    batches.of<number, number>(async (session, keys) => {
      const rows = await sql<{ value: number }>(
        session.em,
        `select (${text})::int as value from unnest(?::int[]) with ordinality as k(key, n) order by n`,
        [keys],
      );
      return rows.map(({ value }) => value);
    });
  return { twice: scaled('2 * key'), thrice: scaled('3 * key'), broken: scaled('key / 0') };
}

const begun = () => statements.filter((text) => text === 'begin').length;

describe('the reads of one turn', () => {
  it('are one statement for each loader, in one transaction', async () => {
    const { twice, thrice } = loaders();
    statements.length = 0;
    expect(await Promise.all([twice.load(1), thrice.load(1), twice.load(2), thrice.load(2)])).toEqual([2, 3, 4, 6]);
    expect(begun()).toBe(1);
    expect(statements.filter((text) => text.includes('unnest'))).toHaveLength(2);
  });

  it('fail separately', async () => {
    const { twice, thrice, broken } = loaders();
    const outcomes = await Promise.allSettled([twice.load(1), broken.load(1), thrice.load(1)]);
    expect(outcomes).toMatchObject([
      { status: 'fulfilled', value: 2 },
      { status: 'rejected', reason: { message: expect.stringContaining('division by zero') } },
      { status: 'fulfilled', value: 3 },
    ]);
  });
});
