import { Database } from '../../src/db/database.js';

/** The start of every test database: the migrated schema. */
export async function buildTemplate(url: string): Promise<void> {
  const database = await Database.connect({ url, entities: [], poolSize: 2 });
  try {
    await database.migrate();
  } finally {
    await database.close();
  }
}
