import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { Database } from '../../src/db/database.js';
import { startTestService } from '../support/service.js';
import {
  CreateExperimentForDatabaseOwnerDocument,
  CreateRunForDatabaseOwnerDocument,
  ExperimentForDatabaseOwnerDocument,
} from '../generated/operations.js';
import { LogMetricsDocument } from '../../schema/generated/operations.js';

const PASSWORD = 'secret-of-the-owner';

/**
 * Tests the service on a PostgreSQL where it is not a superuser; `adminUrl` is the superuser's URL of a server without
 * the service's roles.
 */
export function databaseOwnerContract(name: string, adminUrl: () => string): void {
  describe(`a user who is not a superuser: ${name}`, () => {
    const users: string[] = [];
    const databases: string[] = [];

    async function admin(statement: string, database?: string): Promise<Record<string, unknown>[]> {
      const client = new Client({
        connectionString: database ? Object.assign(new URL(adminUrl()), { pathname: `/${database}` }).href : adminUrl(),
      });
      await client.connect();
      try {
        return (await client.query<Record<string, unknown>>(statement)).rows;
      } finally {
        await client.end();
      }
    }

    /** Creates a login and a database; the login owns the database unless told otherwise. */
    async function user(
      attributes: string,
      { owns = true, options = '' } = {},
    ): Promise<{ url: string; login: string; database: string }> {
      const id = randomBytes(4).toString('hex');
      const [login, database] = [`Owner ${id}`, `database_${id}`];
      users.push(login);
      databases.push(database);
      await admin(`create role "${login}" login password '${PASSWORD}' ${attributes}`);
      await admin(`create database ${database} ${owns ? `owner "${login}"` : ''} ${options}`);
      const url = Object.assign(new URL(adminUrl()), {
        username: encodeURIComponent(login),
        password: PASSWORD,
        pathname: `/${database}`,
      }).href;
      return { url, login, database };
    }

    async function migrate(url: string): Promise<void> {
      const db = await Database.connect({ url, entities: [], poolSize: 2 });
      try {
        await db.migrate();
      } finally {
        await db.close();
      }
    }

    /** The whole service works: rows, metrics, events, and tenants are separate. */
    async function works(url: string): Promise<void> {
      const service = await startTestService({}, { url, drop: async () => undefined });
      try {
        const tess = await service.as();
        const { createExperiment } = await tess.ok(CreateExperimentForDatabaseOwnerDocument, {
          name: randomBytes(4).toString('hex'),
        });
        const { id } = createExperiment.experiment;
        const { createRun } = await tess.ok(CreateRunForDatabaseOwnerDocument, { id });
        await tess.ok(LogMetricsDocument, {
          input: { runId: createRun.run.id, metrics: [{ key: 'loss', value: 1, step: 1 }] },
        });
        const foreign = await (await service.as({ tenant: 'other' })).fails(ExperimentForDatabaseOwnerDocument, { id });
        expect(foreign.extensions.code).toBe('NOT_FOUND');
        expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
      } finally {
        await service.close();
      }
    }

    /** The sentence of the error, and the statement that it tells the superuser to run. */
    async function refusal(url: string): Promise<{ sentence: string; remedy: string }> {
      const error = await migrate(url).then(
        () => null,
        (caught: unknown) => caught as Error,
      );
      expect(error).toMatchObject({ name: 'AppError', code: 'UNAVAILABLE', details: { field: 'DATABASE_URL' } });
      const sentence = error?.message ?? '';
      expect(sentence).toMatch(/\.$/);
      expect(sentence.split('\n')).toHaveLength(1);
      return { sentence, remedy: /\brun (?:as a superuser: )?([A-Z].*)\.$/.exec(sentence)?.[1] ?? '' };
    }

    afterEach(async () => {
      for (const database of databases.splice(0)) await admin(`drop database if exists ${database} with (force)`);
      for (const role of [...users.splice(0), 'matih_app', 'matih_system'])
        await admin(`drop role if exists "${role}"`);
    });

    it('with CREATEROLE creates the roles itself, and starts again when they exist', async () => {
      const { url } = await user('createrole');
      await works(url);
      await works(url);
    });

    it('with CREATEROLE works beside another user who created the roles', async () => {
      const first = await user('createrole');
      await migrate(first.url);
      const second = await user('createrole');
      const [{ version } = {}] = await admin(`select current_setting('server_version_num')::int as version`);
      if (Number(version) >= 160_000) {
        // Since PostgreSQL 16, only the creator of a role may grant it.
        const { sentence, remedy } = await refusal(second.url);
        expect(sentence).toMatch(/may not set up the roles of the service/);
        await admin(remedy);
      }
      await works(second.url);
    });

    it('without CREATEROLE gets one sentence, and the statements that it names are enough', async () => {
      const { url } = await user('nocreaterole');
      const { sentence, remedy } = await refusal(url);
      expect(sentence).toMatch(
        /^The user "Owner \w+" may not set up the roles of the service: give it CREATEROLE, or run as a superuser: CREATE ROLE matih_app NOLOGIN; CREATE ROLE matih_system NOLOGIN; GRANT matih_app, matih_system TO "Owner \w+"\.$/,
      );
      await admin(remedy);
      await works(url);
    });

    it('who may not create tables gets one sentence, and the statements that it names are enough', async () => {
      const { url } = await user('createrole', { owns: false });
      const { sentence, remedy } = await refusal(url);
      expect(sentence).toMatch(
        /^The user "Owner \w+" may not set up its tables \(.*permission denied for schema public\): run as a superuser: ALTER DATABASE "database_\w+" OWNER TO "Owner \w+"\.$/,
      );
      await admin(remedy);
      await works(url);
    });

    it('who may create tables but no schema gets one sentence, and the statements that it names are enough', async () => {
      const { url, login, database } = await user('createrole', { owns: false });
      await admin(`grant all on schema public to "${login}"`, database);
      const error = await works(url).then(
        () => null,
        (caught: unknown) => caught as Error,
      );
      expect(error?.message).toMatch(
        /^The user of DATABASE_URL may not create the schema bullmq for the job queues: run as a superuser: GRANT CREATE ON DATABASE database_\w+ TO "Owner \w+"\.$/,
      );
      await admin(/superuser: (.*)\.$/.exec(error?.message ?? '')?.[1] ?? '');
      await works(url);
    });

    it('is refused roles that could bypass row-level security', async () => {
      const { url } = await user('createrole');
      await migrate(url);
      await admin('alter role matih_app bypassrls');
      const { sentence, remedy } = await refusal(url);
      expect(sentence).toMatch(/^The role matih_app could bypass row-level security/);
      await admin(remedy);
      await works(url);
    });

    it('is refused a database of another encoding, and tables in another schema', async () => {
      const ascii = await user('createrole', {
        options: `encoding 'SQL_ASCII' template template0 locale_provider libc lc_collate 'C' lc_ctype 'C'`,
      });
      expect((await refusal(ascii.url)).sentence).toBe(
        'The database must have the encoding UTF8, this one has SQL_ASCII.',
      );
      const elsewhere = await user('createrole');
      await admin(`create schema "${elsewhere.login}"`, elsewhere.database);
      await admin(`grant all on schema "${elsewhere.login}" to "${elsewhere.login}"`, elsewhere.database);
      const { sentence, remedy } = await refusal(elsewhere.url);
      expect(sentence).toMatch(/^Tables of the user "Owner \w+" would go to the schema Owner \w+: run ALTER ROLE/);
      await admin(remedy);
      await works(elsewhere.url);
    });
  });
}
