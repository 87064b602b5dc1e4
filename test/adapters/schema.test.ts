import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { MikroORM } from '@mikro-orm/postgresql';
import { Client } from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { Database } from '../../src/db/database.js';
import { loadModules } from '../../src/modules.js';
import { NAMED } from '../../src/modules/garbage/storage-check.js';
import { sql } from '../support/sql.js';
import { Role } from '../../src/modules/core/rules/principal.js';
import { createDatabaseFromTemplate, type TestDatabase } from '../support/database.js';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** An experiment and a dataset of the tenant acme, as plain rows. */
async function insertDataset(admin: Client): Promise<{ experimentId: string; datasetId: string }> {
  const [experimentId, datasetId] = [randomUUID(), randomUUID()];
  await admin.query(`insert into experiment (id, tenant, name, created_by) values ($1, 'acme', 'e', 'tess')`, [
    experimentId,
  ]);
  await admin.query(
    `insert into dataset
       (id, tenant, name, version, format, object_key, size_bytes, sha256, row_count, columns, source, created_by)
     values ($1, 'acme', 'd', 1, 'CSV', 'd.csv', 1, 'ab', 1, '[]', '', 'tess')`,
    [datasetId],
  );
  return { experimentId, datasetId };
}

async function newDatabase(): Promise<{ database: TestDatabase; admin: Client }> {
  const database = await createDatabaseFromTemplate();
  const admin = new Client({ connectionString: database.url });
  await admin.connect();
  cleanups.push(
    () => database.drop(),
    () => admin.end(),
  );
  return { database, admin };
}

async function connect(database: TestDatabase, poolSize = 2): Promise<Database> {
  const db = await Database.connect({ url: database.url, entities: [], poolSize });
  cleanups.push(() => db.close());
  return db;
}

const IN_SCHEMA = `n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg_toast%'`;

/** Everything that a migration creates, read from the catalogue. */
async function describeSchema(admin: Client): Promise<Record<string, unknown[]>> {
  const queries = {
    columns:
      'select table_name, column_name, data_type, is_nullable, column_default from ' +
      `information_schema.columns where table_schema = 'public' order by 1, 2`,
    constraints:
      'select conrelid::regclass::text as "on", conname, pg_get_constraintdef(oid) as is from pg_constraint ' +
      `where connamespace = 'public'::regnamespace order by 1, 2`,
    indexes: `select indexdef from pg_indexes where schemaname = 'public' order by 1`,
    policies: `select tablename, policyname, roles::text[], cmd, qual, with_check from pg_policies order by 1, 2`,
    security:
      'select relname, relrowsecurity, relforcerowsecurity from pg_class c join pg_namespace n on n.oid = ' +
      `relnamespace where relkind = 'r' and ${IN_SCHEMA} order by 1`,
    grants:
      'select table_name, grantee, privilege_type from information_schema.role_table_grants where ' +
      `table_schema = 'public' order by 1, 2, 3`,
    sequences:
      `select sequence_name, data_type from information_schema.sequences where sequence_schema = 'public' ` +
      'order by 1',
    functions: `select proname, prosrc, prosecdef from pg_proc where pronamespace = 'public'::regnamespace order by 1`,
    schema: `select nspacl::text from pg_namespace where nspname = 'public'`,
  };
  const all: Record<string, unknown[]> = {};
  for (const [name, query] of Object.entries(queries)) all[name] = (await admin.query(query)).rows;
  return all;
}

describe('migrations', () => {
  it('up, down and up again give the same schema, and down leaves nothing', async () => {
    const { database, admin } = await newDatabase();
    const db = await connect(database);
    const before = await describeSchema(admin);
    expect(before['columns']?.length).toBeGreaterThan(100);
    await db.migrateDown();
    const tables = await admin.query(
      `select relname from pg_class c join pg_namespace n on n.oid = relnamespace where relkind in ('r', ` +
        `'S', 'v') and ${IN_SCHEMA} and relname not like 'schema_migration%'`,
    );
    expect(tables.rows).toEqual([]);
    await db.migrate();
    expect(await describeSchema(admin)).toEqual(before);
    console.log(
      `up, down, up: ${before['columns']?.length} columns, ${before['constraints']?.length} constraints, ` +
        `${before['indexes']?.length} indexes, ${before['policies']?.length} policies the same`,
    );
  });

  it('keep which runs are being collected as garbage', async () => {
    const { database, admin } = await newDatabase();
    const db = await connect(database);
    const [experimentId, half, whole] = [randomUUID(), randomUUID(), randomUUID()];
    await admin.query(`insert into experiment (id, tenant, name, created_by) values ($1, 'acme', 'e', 'tess')`, [
      experimentId,
    ]);
    for (const id of [half, whole]) {
      await admin.query(
        `insert into run (id, tenant, experiment_id, name, created_by, state, deleted_at)
         values ($1, 'acme', $2, 'r', 'tess', 'DELETED', now())`,
        [id, experimentId],
      );
      await admin.query(`insert into run_counter (tenant, run_id) values ('acme', $1)`, [id]);
    }
    await admin.query('update run set collection_began_at = now() where id = $1', [half]);
    const runs = async (column: string) =>
      (
        await admin.query<{ id: string }>(
          `select r.id from run r left join run_counter c on c.run_id = r.id where ${column} is not null order by r.id`,
        )
      ).rows.map(({ id }) => id);
    await db.migrateDown('0015-batch-inference-parts');
    expect(await runs('c.run_id')).toEqual([whole]);
    await db.migrate();
    expect(await runs('r.collection_began_at')).toEqual([half]);
    expect(await runs('c.run_id')).toEqual([half, whole].sort());
  });

  it('keep the model of every training that has succeeded, and move its reference profile out of the job', async () => {
    const { database, admin } = await newDatabase();
    const db = await connect(database);
    await db.migrateDown('0016-run-collection');
    const { experimentId, datasetId } = await insertDataset(admin);
    const reference = { columns: {} };
    const result = {
      ...{ modelKey: 'a/model.onnx', sizeBytes: 7, sha256: 'ab', signature: { inputs: [], outputs: [] } },
      ...{ judgedModel: { key: 'a/judged.onnx', sha256: 'cd', signature: { inputs: [], outputs: [] } } },
      ...{ metrics: { 'holdout.log_loss': 0.25 }, reference, agreementMaxAbsDiff: 0.5 },
      ...{
        rows: { train: 8, validation: 1, holdout: 1 },
        config: { modelType: 'MLP_CLASSIFIER', hyperparameters: {} },
      },
    };
    const train = async (status: string, stored: object) => {
      const [runId, jobId] = [randomUUID(), randomUUID()];
      await admin.query(
        `insert into run (id, tenant, experiment_id, name, created_by) values ($1, 'acme', $2, 'r', 'tess')`,
        [runId, experimentId],
      );
      await admin.query(
        `insert into job (id, tenant, kind, status, config, result, run_id, dataset_id, created_by)
         values ($1, 'acme', 'TRAINING', $2, '{}', $3, $4, $5, 'tess')`,
        [jobId, status, JSON.stringify(stored), runId, datasetId],
      );
      return { runId, jobId };
    };
    const { runId, jobId } = await train('SUCCEEDED', result);
    await train('FAILED', {});
    const resultOf = async () =>
      (await admin.query<{ result: object }>('select result from job where id = $1', [jobId])).rows[0]!.result;
    await db.migrate();
    const { rows } = await admin.query('select * from trained_model');
    const { reference: _moved, ...rest } = result;
    const config = { algorithm: 'MLP_CLASSIFIER', hyperparameters: {} };
    expect(rows).toMatchObject([
      {
        ...{ tenant: 'acme', run_id: runId, dataset_id: datasetId, format: 'ONNX', row_counts: result.rows, reference },
        files: { model: { key: 'a/model.onnx', sizeBytes: 7, sha256: 'ab' }, judged: result.judgedModel },
        ...{ signature: result.signature, metrics: result.metrics, agreement_max_abs_diff: 0.5, config },
      },
    ]);
    expect(await resultOf()).toEqual({ ...rest, config });
    await db.migrateDown('0016-run-collection');
    expect(await resultOf()).toEqual(result);
  });

  it('name the algorithm of a training, with the hyperparameters that it has, wherever its configuration is', async () => {
    const { database, admin } = await newDatabase();
    const db = await connect(database);
    const before = '0016-trained-models';
    await db.migrateDown(before);
    const rest = { target: { column: 'y' }, features: [{ column: 'x', kind: 'NUMERIC' }] };
    const given = { hiddenLayers: [64, 32], clusters: 8, epochs: 5, maxCategories: 100, learningRate: 0.1, l2: 0.5 };
    const of = (modelType: string, hyperparameters: object) => ({ modelType, ...rest, hyperparameters });
    const nows: [before: ReturnType<typeof of>, hyperparameters: object][] = [
      [
        of('LINEAR_REGRESSION', { ...given, optimizer: 'SOLVER' }),
        { optimizer: 'SOLVER', epochs: 5, maxCategories: 100, l2: 0.5 },
      ],
      [
        of('LOGISTIC_REGRESSION', { ...given, optimizer: 'ADAM', batchSize: 16 }),
        { optimizer: 'ADAM', batchSize: 16, epochs: 5, maxCategories: 100, learningRate: 0.1, l2: 0.5 },
      ],
      [
        of('MLP_REGRESSOR', given),
        { hiddenLayers: [64, 32], epochs: 5, maxCategories: 100, learningRate: 0.1, l2: 0.5 },
      ],
      [
        of('BOOSTED_TREES_REGRESSOR', { ...given, maxLeaves: 15, quantile: 0.9 }),
        { epochs: 5, maxCategories: 100, learningRate: 0.1, l2: 0.5, maxLeaves: 15, quantile: 0.9 },
      ],
      [of('KMEANS', given), { clusters: 8, epochs: 5, maxCategories: 100 }],
    ];
    const { experimentId, datasetId } = await insertDataset(admin);
    for (const [i, [config]] of nows.entries()) {
      const [runId, jobId] = [randomUUID(), randomUUID()];
      await admin.query(
        `insert into run (id, tenant, experiment_id, name, created_by) values ($1, 'acme', $2, 'r', 'tess')`,
        [runId, experimentId],
      );
      await admin.query(`insert into run_param (tenant, run_id, key, value) values ('acme', $1, 'modelType', $2)`, [
        runId,
        config.modelType,
      ]);
      await admin.query(
        `insert into job (id, tenant, kind, status, config, result, run_id, dataset_id, created_by)
         values ($1, 'acme', 'TRAINING', $2, $3, $4, $5, $6, 'tess')`,
        [
          ...[jobId, i === 0 ? 'FAILED' : 'SUCCEEDED', JSON.stringify({ training: config, registerModelId: null })],
          ...[i === 0 ? null : JSON.stringify({ sha256: 'ab', config }), runId, datasetId],
        ],
      );
      await admin.query(
        `insert into checkpoint (id, tenant, created_at, job_id, attempt, epoch, object_key, size_bytes, sha256)
         values (gen_random_uuid(), 'acme', now(), $1, 1, 1, $2, 1, 'ab')`,
        [jobId, `checkpoint-${i}`],
      );
      if (i > 0)
        await admin.query(
          `insert into trained_model
             (id, tenant, run_id, dataset_id, format, files, signature, metrics, reference, row_counts, config)
           values (gen_random_uuid(), 'acme', $1, $2, 'ONNX', '{}', '{}', '{}', '{}', '{}', $3)`,
          [runId, datasetId, JSON.stringify(config)],
        );
    }
    const all = async () => {
      const [jobs, models, params] = await Promise.all([
        admin.query<{ config: { training: object }; result: { config: object } | null }>(
          'select config, result from job order by created_at, id',
        ),
        admin.query<{ config: object }>('select config from trained_model order by created_at, id'),
        admin.query<{ key: string }>('select distinct key from run_param'),
      ]);
      const texts = (values: object[]) => values.map((value) => JSON.stringify(sorted(value))).sort();
      return {
        inputs: texts(jobs.rows.map(({ config }) => config.training)),
        results: texts(jobs.rows.flatMap(({ result }) => result?.config ?? [])),
        models: texts(models.rows.map(({ config }) => config)),
        params: params.rows.map(({ key }) => key),
      };
    };
    const expected = (configs: object[], param: string) => {
      const [inputs, trained] = [configs, configs.slice(1)].map((some) =>
        some.map((config) => JSON.stringify(sorted(config))).sort(),
      );
      return { inputs, results: trained, models: trained, params: [param] };
    };
    expect(await all()).toEqual(
      expected(
        nows.map(([config]) => config),
        'modelType',
      ),
    );
    await db.migrate();
    const now = nows.map(([{ modelType, ...config }, hyperparameters]) => ({
      ...{ ...config, algorithm: modelType, hyperparameters },
    }));
    expect(await all()).toEqual(expected(now, 'algorithm'));
    // A training that may be resumed begins anew: its checkpoints name the configuration in the old form.
    const { rows: staged } = await admin.query('select object_key from staged_object');
    expect(staged).toEqual([{ object_key: 'checkpoint-0' }]);
    await db.migrateDown(before);
    const back = now.map(({ algorithm, ...config }) => ({ ...config, modelType: algorithm }));
    expect(await all()).toEqual(expected(back, 'modelType'));
  });

  it('name every column that has the key of a stored file, so that the check of the storage knows them all', async () => {
    const { database, admin } = await newDatabase();
    await connect(database);
    const columns = await admin.query<{ table_name: string; column_name: string }>(
      `select table_name, column_name from information_schema.columns
       where table_schema = 'public' and column_name ~ '(object|table|file|markdown|model)_key$' order by 1, 2`,
    );
    expect(columns.rows.map(({ table_name: table, column_name: column }) => [table, column])).toEqual(
      NAMED.map(([table, column]) => [table, column]).sort(),
    );
  });

  it('make the parts of batch inferences, which were checkpoints, rows of their own, and back', async () => {
    const { database, admin } = await newDatabase();
    const db = await connect(database);
    const lastBefore = '0013-jobs';
    await db.migrateDown(lastBefore);
    const [batch, training] = ['BATCH_INFERENCE', 'TRAINING'].map((kind) => ({ id: randomUUID(), kind }));
    for (const { id, kind } of [batch!, training!]) {
      await admin.query(
        `insert into job (id, tenant, kind, config, created_by) values ($1, 'acme', $2, '{}', 'tess')`,
        [id, kind],
      );
      await admin.query(
        `insert into checkpoint (id, tenant, created_at, job_id, attempt, epoch, object_key, size_bytes, sha256)
         select gen_random_uuid(), 'acme', '2026-01-02T03:04:05Z', $1, 2, n, 'part-' || n, 10 * n, 'hash-' || n
         from generate_series(1, 3) n`,
        [id],
      );
    }
    const checkpoints = async () =>
      (
        await admin.query<{ job_id: string; text: string }>(
          `select job_id, concat_ws(' ', epoch, attempt, object_key, size_bytes, sha256, created_at) as text
           from checkpoint order by job_id, epoch`,
        )
      ).rows;
    const all = await checkpoints();
    await db.migrate();
    const parts = await admin.query(
      `select job_id, concat_ws(' ', end_row, attempt, object_key, size_bytes, sha256, created_at) as text
       from batch_inference_part order by end_row`,
    );
    expect(parts.rows).toEqual(all.filter(({ job_id }) => job_id === batch!.id));
    expect(await checkpoints()).toEqual(all.filter(({ job_id }) => job_id === training!.id));
    await db.migrateDown(lastBefore);
    expect(await checkpoints()).toEqual(all);
  });

  it('may be run by many processes at the same time on an empty database', async () => {
    const { database } = await newDatabase();
    await (await connect(database)).migrateDown();
    const processes = await Promise.all(Array.from({ length: 4 }, () => connect(database)));
    await Promise.all(processes.map((db) => db.migrate()));
  });

  it('refuse a database of a newer release', async () => {
    const { database, admin } = await newDatabase();
    await admin.query(`insert into schema_migration (name) values ('9999-from-the-future')`);
    await expect((await connect(database)).migrate()).rejects.toThrow(
      /^The database was set up by a newer version of the service \(its schema has 9999-from-the-future\)/,
    );
  });
});

/** The same JSON with sorted keys, as the database keeps them in an order of its own. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, sorted(inner)] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The migrator's own tables. */
const WITHOUT_ENTITY = ['schema_migration'];

interface ColumnDescription {
  column: string;
  type: string;
  isNullable: boolean;
  isGenerated: boolean;
}

describe('entities', () => {
  it('exist for every table, with the columns, types and nullability of the database', async () => {
    const { database, admin } = await newDatabase();
    const { rows } = await admin.query<ColumnDescription & { table: string; hasDefault: boolean }>(
      `select c.relname as table, a.attname as column, format_type(a.atttypid, null) as type,
         not a.attnotnull as "isNullable", a.attgenerated <> '' as "isGenerated", a.atthasdef as "hasDefault"
       from pg_attribute a join pg_class c on c.oid = a.attrelid
       where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
         and c.relname <> all($1) order by 1, 2`,
      [WITHOUT_ENTITY],
    );
    const inDatabase: Record<string, ColumnDescription[]> = {};
    const withDefault = new Set<string>();
    for (const { table, hasDefault, ...column } of rows) {
      (inDatabase[table] ??= []).push(column);
      if (hasDefault) withDefault.add(`${table}.${column.column}`);
    }
    const entities = (await loadModules()).flatMap((module) => module.entities);
    const orm = await MikroORM.init({ clientUrl: database.url, entities });
    cleanups.push(() => orm.close(true));
    const inEntities: Record<string, ColumnDescription[]> = {};
    const withoutDefault: string[] = [];
    for (const { tableName, props } of orm.getMetadata()) {
      const columns = props.map((prop) => ({
        column: prop.fieldNames[0] ?? '',
        type: columnType(prop.columnTypes[0] ?? ''),
        isNullable: prop.nullable ?? false,
        isGenerated: prop.generated !== undefined,
      }));
      const byName = (a: ColumnDescription, b: ColumnDescription) => (a.column < b.column ? -1 : 1);
      inEntities[tableName] = columns.sort(byName);
      for (const prop of props) {
        const name = `${tableName}.${prop.fieldNames[0]}`;
        const leavesIt = prop.default !== undefined || prop.defaultRaw !== undefined;
        if (leavesIt && !withDefault.has(name)) withoutDefault.push(name);
      }
    }
    expect(inEntities).toEqual(inDatabase);
    // A column that an insert may leave out gets its value from the database.
    expect(withoutDefault).toEqual([]);
    console.log(`${Object.keys(inEntities).length} entities agree with ${rows.length} columns`);
  });
});

/** PostgreSQL's name of the type of an entity's column. */
function columnType(declared: string): string {
  const names: Record<string, string> = {
    int: 'integer',
    timestamptz: 'timestamp with time zone',
  };
  const [, name = '', array = ''] = /^([^([]+)(?:\(\d+\))?(\[\])?$/.exec(declared) ?? [];
  return `${names[name] ?? name}${array}`;
}

/** No request may use these tables: in addition to the missing grants, a policy allows nothing. */
const SYSTEM_ONLY = ['signing_key', 'worker'];

interface Table {
  name: string;
  isForced: boolean;
  /** A role of the service has some right on it. */
  isReachable: boolean;
  hasPolicy: boolean;
}

async function tablesOf(admin: Client): Promise<Table[]> {
  const anything = 'select, insert, update, delete, truncate, references, trigger';
  const { rows } = await admin.query<Table>(
    `select c.oid::regclass::text as name, relrowsecurity and relforcerowsecurity as "isForced",
       (has_schema_privilege('matih_app', n.oid, 'usage') and has_table_privilege('matih_app', c.oid, '${anything}'))
         or (has_schema_privilege('matih_system', n.oid, 'usage') and has_table_privilege('matih_system', c.oid,
           '${anything}')) as "isReachable",
       exists(select 1 from pg_policy where polrelid = c.oid and 'matih_app'::regrole = any(polroles)) as "hasPolicy"
     from pg_class c join pg_namespace n on n.oid = relnamespace where relkind in ('r', 'p', 'v', 'm', 'f')
       and ${IN_SCHEMA} order by 1`,
  );
  return rows;
}

/** Tables that a role of the service can use without forced row-level security. */
async function leaks(admin: Client): Promise<string[]> {
  return (await tablesOf(admin))
    .filter(({ isReachable, isForced, hasPolicy }) => isReachable && !(isForced && hasPolicy))
    .map(({ name }) => name);
}

/** A value that fits a column of this type; `n` makes rows different. */
function valueFor(type: string, n: number): string {
  const values: Record<string, string> = {
    text: `'v${n}'`,
    uuid: 'gen_random_uuid()',
    json: `'{}'`,
    jsonb: `'{}'`,
    boolean: `${n === 1}`,
    integer: `${n}`,
    bigint: `${n}`,
    'double precision': `${n}`,
    'double precision[]': `'{${n}}'`,
    'timestamp with time zone': `'2026-01-01'::timestamptz + ${n} * interval '1 hour'`,
    bytea: `'\\x0${n}'`,
    'bigint[]': `'{}'`,
  };
  const value = values[type];
  if (value === undefined) throw new Error(`There is no sample value for the type ${type}: add one to this test.`);
  return value;
}

async function insertInto(admin: Client, table: string, tenant: string, n: number): Promise<string> {
  const { rows } = await admin.query<{ name: string; type: string }>(
    'select attname as name, format_type(atttypid, null) as type from pg_attribute where attrelid = ' +
      `$1::regclass and attnum > 0 and not attisdropped and attgenerated = ''`,
    [table],
  );
  const names = rows.map(({ name }) => `"${name}"`).join(', ');
  return `insert into ${table} (${names}) values (${rows.map(({ name, type }) => (name === 'tenant' ? `'${tenant}'` : valueFor(type, n))).join(', ')})`;
}

describe('row-level security', () => {
  it('is forced on every table that the roles of the service can use, and a new table without it is found', async () => {
    const { admin } = await newDatabase();
    expect(await leaks(admin)).toEqual([]);
    const tables = await tablesOf(admin);
    expect(tables.filter(({ isReachable }) => !isReachable).map(({ name }) => name)).toEqual(['schema_migration']);
    await admin.query('create table forgotten (tenant text); grant select on forgotten to matih_app');
    expect(await leaks(admin)).toEqual(['forgotten']);
    await admin.query(
      'alter table forgotten enable row level security; create policy p on forgotten to matih_app using (true)',
    );
    expect(await leaks(admin)).toEqual(['forgotten']);
  });

  it('applies to roles that cannot bypass it', async () => {
    const { admin } = await newDatabase();
    const { rows } = await admin.query(
      'select rolname, rolsuper, rolbypassrls, rolcreaterole, rolcanlogin from pg_roles where rolname like ' +
        `'matih\\_%' order by 1`,
    );
    const powerless = { rolsuper: false, rolbypassrls: false, rolcreaterole: false, rolcanlogin: false };
    expect(rows).toEqual([
      { rolname: 'matih_app', ...powerless },
      { rolname: 'matih_system', ...powerless },
    ]);
    const members = await admin.query(
      `select 1 from pg_auth_members where member in ('matih_app'::regrole, 'matih_system'::regrole)`,
    );
    expect(members.rows).toEqual([]);
    const definers = await admin.query(
      `select proname from pg_proc p join pg_namespace n on n.oid = pronamespace where prosecdef and ${IN_SCHEMA}`,
    );
    expect(definers.rows).toEqual([]);
  });

  it('every foreign key carries the tenant on both of its sides', async () => {
    const { admin } = await newDatabase();
    const { rows } = await admin.query<{ name: string; is: string }>(
      `select conrelid::regclass || '.' || conname as name, pg_get_constraintdef(oid) as is from ` +
        `pg_constraint where contype = 'f' and connamespace = 'public'::regnamespace`,
    );
    expect(rows.length).toBeGreaterThan(20);
    expect(rows.filter(({ is }) => !/^FOREIGN KEY \(tenant, [^)]+\) REFERENCES \w+\(tenant, /.test(is))).toEqual([]);
  });

  it('shows no row of another tenant in any table, and does not let one be written, changed, moved or removed', async () => {
    const { admin } = await newDatabase();
    const tables = (await tablesOf(admin))
      .filter(({ name, isReachable }) => isReachable && !SYSTEM_ONLY.includes(name))
      .map(({ name }) => name);
    // Row-level security alone must refuse: other constraints are removed, because they would need meaningful rows.
    const { rows: rules } = await admin.query<{ drop: string }>(
      `select format('alter table %s drop constraint %I cascade', conrelid::regclass, conname) as drop from ` +
        `pg_constraint where contype in ('c', 'f') and connamespace = 'public'::regnamespace`,
    );
    for (const { drop } of rules) await admin.query(drop).catch(() => undefined);
    for (const table of tables) {
      await admin.query(await insertInto(admin, table, 'acme', 1));
      await admin.query(await insertInto(admin, table, 'other', 2));
    }
    /** The number of changed rows, or the SQL state of the refusal; everything is rolled back. */
    const as = async (tenant: string | null, statement: string): Promise<number | string> => {
      await admin.query('begin');
      try {
        await admin.query('set local role matih_app');
        if (tenant !== null) await admin.query(`select set_config('matih.tenant', $1, true)`, [tenant]);
        return (await admin.query(statement)).rowCount ?? 0;
      } catch (error) {
        return (error as { code: string }).code;
      } finally {
        await admin.query('rollback');
      }
    };
    const REFUSED = '42501';
    let tries = 0;
    const holds = async (table: string, tenant: string | null, statement: string, ...allowed: (number | string)[]) => {
      tries++;
      expect(allowed, `${table} as ${tenant}: ${statement}`).toContain(await as(tenant, statement));
    };
    for (const table of tables) {
      const alien = await insertInto(admin, table, 'other', 3);
      const own = await insertInto(admin, table, 'acme', 3);
      await holds(table, 'acme', `select 1 from ${table}`, 1);
      await holds(table, 'acme', `select 1 from ${table} where tenant <> 'acme'`, 0);
      await holds(table, 'acme', own, 1);
      await holds(table, 'acme', alien, REFUSED);
      await holds(table, 'acme', `update ${table} set tenant = tenant where tenant = 'other'`, 0, REFUSED);
      await holds(table, 'acme', `update ${table} set tenant = 'other'`, REFUSED);
      await holds(table, 'acme', `delete from ${table} where tenant = 'other'`, 0, REFUSED);
      await holds(table, 'acme', `truncate ${table}`, REFUSED);
      for (const nobody of [null, '']) {
        await holds(table, nobody, `select 1 from ${table}`, 0);
        await holds(table, nobody, own, REFUSED);
        await holds(table, nobody, `delete from ${table}`, 0, REFUSED);
      }
    }
    for (const table of SYSTEM_ONLY) {
      await admin.query(await insertInto(admin, table, 'acme', 1));
      for (const statement of [
        `select 1 from ${table}`,
        await insertInto(admin, table, 'acme', 2),
        `delete from ${table}`,
        `update ${table} set id = id`,
      ]) {
        await holds(table, 'acme', statement, REFUSED);
      }
      await admin.query(`grant select on ${table} to matih_app`);
      await holds(table, 'acme', `select 1 from ${table}`, 0);
    }
    console.log(`row-level security: ${tries} statements tried on ${tables.length} tables`);
    expect(tables.length).toBeGreaterThan(25);
  });

  it('does not leak a tenant from one transaction to the next on the same connection', async () => {
    const { database } = await newDatabase();
    const db = await connect(database, 3);
    const tenants = ['acme', 'other', 'third', 'fourth', 'fifth'];
    const actor = (tenant: string) => ({
      principal: { subject: 'tess', tenant, role: Role.ENGINEER, expiresAt: new Date(Date.now() + 60_000) },
      requestId: 'r',
    });
    const INSERT = `insert into experiment (id, tenant, name, created_by) values (gen_random_uuid(), ?, ?, 'tess')`;
    const work = async (i: number) => {
      const tenant = tenants[i % tenants.length] ?? '';
      if (i % 7 === 3) {
        const [row] = await db.asSystem((em) =>
          sql<{ tenant: string | null; role: string }>(
            em,
            `select nullif(current_setting('matih.tenant', true), '') as tenant, current_user as role`,
          ),
        );
        expect(row).toEqual({ tenant: null, role: 'matih_system' });
        return;
      }
      const fails = i % 5 === 2;
      const done = db.transact(actor(tenant), async ({ em }) => {
        await sql(em, INSERT, [tenant, `e-${i}`]);
        if (i % 3 === 0) await sleep(2);
        const rows = await sql<{ tenant: string }>(em, 'select distinct tenant from experiment');
        expect(rows).toEqual([{ tenant }]);
        if (fails) await sql(em, INSERT, ['somebody', 'else']);
        const [state] = await sql<{ tenant: string; role: string }>(
          em,
          `select current_setting('matih.tenant') as tenant, current_user as role`,
        );
        expect(state).toEqual({ tenant, role: 'matih_app' });
      });
      if (fails) await expect(done).rejects.toThrow(/row-level security/);
      else await done;
    };
    await Promise.all(Array.from({ length: 300 }, (_, i) => work(i)));
    expect(await db.poolUse()).toMatchObject({ inUse: 0, waiting: 0 });
  });
});

it('the connections of transactions use the options of the URL', async () => {
  const { database } = await newDatabase();
  const open = (query: string) => connect({ ...database, url: `${database.url}?${query}` });
  // The server of these tests has no certificate.
  await expect(open('sslmode=require')).rejects.toThrow('The server does not support SSL connections');
  const db = await open('application_name=reports');
  const settings = `select current_setting('application_name') as name,
    current_setting('random_page_cost') as "pageCost"`;
  expect(await db.asSystem((em) => sql(em, settings))).toEqual([{ name: 'reports', pageCost: '0.1' }]);
});
