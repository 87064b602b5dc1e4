import type { Options } from '@mikro-orm/core';
import { Migrator } from '@mikro-orm/migrations';
import { MikroORM, type EntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import type { Pool, QueryResult } from 'pg';
import type { Principal } from '../modules/core/index.js';
import { AppError, ErrorCode } from '../errors.js';
import { columnTypes } from './column-types.js';
import { Migration0001 } from './migrations/0001-foundation.js';
import { Migration0002 } from './migrations/0002-tracking-and-registry.js';
import { Migration0003 } from './migrations/0003-retention.js';
import { Migration0004 } from './migrations/0004-pairs.js';
import { Migration0005 } from './migrations/0005-dataset-tables.js';
import { Migration0006 } from './migrations/0006-unknown-categories.js';
import { Migration0007 } from './migrations/0007-inputs.js';
import { Migration0008 } from './migrations/0008-batching.js';
import { Migration0009 } from './migrations/0009-training-warnings.js';
import { Migration0010 } from './migrations/0010-releases.js';
import { Migration0011 } from './migrations/0011-access.js';
import { Migration0011GroundTruth } from './migrations/0011-ground-truth.js';
import { Migration0012 } from './migrations/0012-artifact-paths.js';
import { Migration0013Jobs } from './migrations/0013-jobs.js';
import { Migration0013 } from './migrations/0013-small-objects.js';
import { Migration0014 } from './migrations/0014-imported-experiments.js';
import { Migration0014ObjectChanges } from './migrations/0014-object-changes.js';
import { Migration0015BatchInferenceParts } from './migrations/0015-batch-inference-parts.js';
import { Migration0016RunCollection } from './migrations/0016-run-collection.js';
import { Migration0016TrainedModels } from './migrations/0016-trained-models.js';
import { Migration0017Algorithms } from './migrations/0017-algorithms.js';
import { Migration0019Tuning } from './migrations/0019-tuning.js';
import { Migration0020Scheduler } from './migrations/0020-scheduler.js';
import { Migration0021OutsideReports } from './migrations/0021-outside-reports.js';
import { Migration0029RoomAndUse } from './migrations/0029-room-and-use.js';
import { Migration0030IdleStudies } from './migrations/0030-idle-studies.js';
import { Migration0033DeploymentLimits } from './migrations/0033-deployment-limits.js';
import { Migration0033Runtimes } from './migrations/0033-runtimes.js';
import { Migration0034Canaries } from './migrations/0034-canaries.js';
import { Migration0034TrafficPolicy } from './migrations/0034-traffic-policy.js';
import { Migration0035AbTests } from './migrations/0035-ab-tests.js';
import { Migration0037LanguageModels } from './migrations/0037-language-models.js';
import { Migration0039OutcomeIds } from './migrations/0039-outcome-ids.js';
import { Migration0043DeploymentSla } from './migrations/0043-deployment-sla.js';
import { Migration0044RequestLog } from './migrations/0044-request-log.js';
import { Migration0045DeploymentScaling } from './migrations/0045-deployment-scaling.js';
import { Migration0047AbTestLimits } from './migrations/0047-ab-test-limits.js';
import { Migration0048AbTestAnswers } from './migrations/0048-ab-test-answers.js';
import { Migration0049FanOut } from './migrations/0049-fan-out.js';
import { Migration0046LogArchive } from './migrations/0046-log-archive.js';
import { Migration0027Schedules } from './migrations/0027-schedules.js';
import { Migration0036Ensembles } from './migrations/0036-ensembles.js';
import { Migration0031HeardJobs } from './migrations/0031-heard-jobs.js';
import { DatabaseProbe } from './database-probe.js';
import { asOutage } from './outage.js';
import {
  giveBackDeadConnections,
  prepareNamed,
  type Prepared,
  sendAtOnce,
  sendBeginWithNext,
  watchStatements,
} from './pool.js';
import { giveUpSilentServer, withStatementLimit } from './statement-limit.js';
import { countRows, letRowsBeCounted, type OnRow } from './row-count.js';
import { asRefusedValue } from './refused-value.js';
import { APP_ROLE, checkServer, ensureRoles, explainRefusal, isRace, SYSTEM_ROLE } from './preparation.js';

/** A transaction of one tenant. Services receive it and never open their own. */
export interface Session {
  em: EntityManager;
  tenant: string;
  principal: Principal;
  requestId: string;
  /** Runs the action after the transaction has committed, and never when it rolled back. */
  afterCommit(action: () => void): void;
  /** Reports a change in this transaction to a mirror. */
  touch(type: string, id: string): void;
}

export interface Actor {
  principal: Principal;
  requestId: string;
  /** True when no request waits for it: its statements may take longer. */
  isBackground?: boolean;
  /** Called for each row that is read. If it throws, the transaction ends. */
  onRow?: OnRow | undefined;
}

export type Entities = NonNullable<Options['entities']>;

export interface DatabaseOptions {
  url: string;
  /** Entities of the sessions; empty for a database that only migrates or sends SQL. */
  entities: Entities;
  poolSize: number;
  /** The longest wait for a connection, and for the answer to a statement. 15 s when absent. */
  timeoutMs?: number;
  /** The same for a statement of background work. 2 minutes when absent. */
  backgroundTimeoutMs?: number;
  /**
   * A transaction that is idle for this long is ended, because a frozen process must not keep its locks. No limit when
   * absent.
   */
  idleInTransactionTimeoutMs?: number;
  /** Sees every SQL statement; tests count the statements. */
  onStatement?: (sql: string, params: readonly unknown[]) => void;
}

/** Stores what a transaction has changed, as its last statement. */
export type OnTouched = (em: EntityManager, tenant: string, touched: Touched[]) => Promise<void>;

export interface Touched {
  type: string;
  id: string;
}

const MIGRATION_TABLE = 'schema_migration';
const MIGRATIONS = [
  { name: '0001-foundation', class: Migration0001 },
  { name: '0002-tracking-and-registry', class: Migration0002 },
  { name: '0003-retention', class: Migration0003 },
  { name: '0004-pairs', class: Migration0004 },
  { name: '0005-dataset-tables', class: Migration0005 },
  { name: '0006-unknown-categories', class: Migration0006 },
  { name: '0007-inputs', class: Migration0007 },
  { name: '0008-batching', class: Migration0008 },
  { name: '0009-training-warnings', class: Migration0009 },
  { name: '0010-releases', class: Migration0010 },
  { name: '0011-access', class: Migration0011 },
  { name: '0011-ground-truth', class: Migration0011GroundTruth },
  { name: '0012-artifact-paths', class: Migration0012 },
  { name: '0013-small-objects', class: Migration0013 },
  { name: '0013-jobs', class: Migration0013Jobs },
  { name: '0014-imported-experiments', class: Migration0014 },
  { name: '0014-object-changes', class: Migration0014ObjectChanges },
  { name: '0015-batch-inference-parts', class: Migration0015BatchInferenceParts },
  { name: '0016-run-collection', class: Migration0016RunCollection },
  { name: '0016-trained-models', class: Migration0016TrainedModels },
  { name: '0017-algorithms', class: Migration0017Algorithms },
  { name: '0019-tuning', class: Migration0019Tuning },
  { name: '0020-scheduler', class: Migration0020Scheduler },
  { name: '0021-outside-reports', class: Migration0021OutsideReports },
  { name: '0029-room-and-use', class: Migration0029RoomAndUse },
  { name: '0030-idle-studies', class: Migration0030IdleStudies },
  { name: '0033-runtimes', class: Migration0033Runtimes },
  { name: '0033-deployment-limits', class: Migration0033DeploymentLimits },
  { name: '0027-schedules', class: Migration0027Schedules },
  { name: '0034-traffic-policy', class: Migration0034TrafficPolicy },
  { name: '0035-ab-tests', class: Migration0035AbTests },
  { name: '0036-ensembles', class: Migration0036Ensembles },
  { name: '0031-heard-jobs', class: Migration0031HeardJobs },
  { name: '0034-canaries', class: Migration0034Canaries },
  { name: '0037-language-models', class: Migration0037LanguageModels },
  { name: '0039-outcome-ids', class: Migration0039OutcomeIds },
  { name: '0043-deployment-sla', class: Migration0043DeploymentSla },
  { name: '0044-request-log', class: Migration0044RequestLog },
  { name: '0045-deployment-scaling', class: Migration0045DeploymentScaling },
  { name: '0047-ab-test-limits', class: Migration0047AbTestLimits },
  { name: '0048-ab-test-answers', class: Migration0048AbTestAnswers },
  { name: '0049-fan-out', class: Migration0049FanOut },
  { name: '0046-log-archive', class: Migration0046LogArchive },
];
/**
 * Planner settings. The tables that searches read are in memory, where reading a page costs less than reading its rows.
 * Parallel workers, merge joins and memoize are off, because considering them takes up to a third of a search's time.
 */
export const PLANNER = Object.entries({
  random_page_cost: 0.1,
  seq_page_cost: 0.1,
  max_parallel_workers_per_gather: 0,
  enable_mergejoin: 'off',
  enable_memoize: 'off',
})
  .map(([name, value]) => `-c ${name}=${value}`)
  .join(' ');
const DEFAULT_TIMEOUT_MS = 15_000;
const DEFAULT_BACKGROUND_TIMEOUT_MS = 120_000;
/** The longest step of a migration, and the longest wait for another process that migrates. */
const MIGRATION_TIMEOUT_MS = 30 * 60_000;
const MIGRATION_LOCK_TIMEOUT_MS = 10 * 60_000;
const LOCK_NOT_AVAILABLE = '55P03';

export class Database {
  private onTouched: OnTouched | undefined;

  private constructor(
    private readonly orm: MikroORM,
    private readonly backgroundTimeoutMs: number,
    private readonly probe: DatabaseProbe,
  ) {}

  static async connect(options: DatabaseOptions): Promise<Database> {
    const { timeoutMs = DEFAULT_TIMEOUT_MS, backgroundTimeoutMs = DEFAULT_BACKGROUND_TIMEOUT_MS } = options;
    const orm = await MikroORM.init({
      clientUrl: options.url,
      entities: [...options.entities],
      discovery: { warnWhenNoEntities: false },
      pool: { min: 0, max: options.poolSize, idleTimeoutMillis: 30_000 },
      extensions: [Migrator],
      migrations: { migrationsList: MIGRATIONS, snapshot: false, silent: true, tableName: MIGRATION_TABLE },
      ignoreUndefinedInQuery: true,
      driverOptions: {
        // The whole URL: from `clientUrl` the ORM would take only host, port, user, password and database.
        connectionString: options.url,
        idle_in_transaction_session_timeout: options.idleInTransactionTimeoutMs,
        connectionTimeoutMillis: timeoutMs,
        statement_timeout: timeoutMs,
        keepAlive: true,
        options: PLANNER,
        types: columnTypes(),
        onPoolCreated: (pool: Pool) => {
          letRowsBeCounted(pool);
          giveUpSilentServer(pool, timeoutMs);
          giveBackDeadConnections(pool);
          sendBeginWithNext(pool);
          prepareNamed(pool);
          if (options.onStatement) watchStatements(pool, options.onStatement);
        },
      },
    });
    try {
      await orm.connect();
    } catch (error) {
      await orm.close(true);
      const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
      throw new AppError(
        ErrorCode.UNAVAILABLE,
        `Cannot reach PostgreSQL at ${describeUrl(options.url)}: ${reason}. Check DATABASE_URL.`,
        {
          field: 'DATABASE_URL',
        },
      );
    }
    return new Database(orm, backgroundTimeoutMs, new DatabaseProbe(options.url));
  }

  /**
   * Creates the roles and migrates the schema to the newest version. Several processes may call it at the same time.
   */
  async migrate(): Promise<void> {
    await withStatementLimit(MIGRATION_TIMEOUT_MS, () => this.applyMigrations());
  }

  private async applyMigrations(): Promise<void> {
    const em = this.orm.em.fork();
    await checkServer(em);
    for (let tries = 3; ; tries--) {
      try {
        await em.fork().transactional((transaction) => ensureRoles(transaction));
        break;
      } catch (error) {
        if (tries === 0 || !isRace(error)) throw error;
      }
    }
    try {
      await em.transactional(async (locked) => {
        await locked.execute(
          `select set_config('lock_timeout', '${MIGRATION_LOCK_TIMEOUT_MS}', true), ` +
            `set_config('statement_timeout', '${MIGRATION_TIMEOUT_MS}', true)`,
        );
        await locked.execute(`select pg_advisory_xact_lock(hashtext('matih.migrate'))`);
        await refuseNewer(locked);
        await this.orm.migrator.up({ transaction: locked.getTransactionContext() });
      });
    } catch (error) {
      if ((error as { code?: string }).code === LOCK_NOT_AVAILABLE)
        throw new AppError(
          ErrorCode.UNAVAILABLE,
          'Another process has been setting up the tables of the database for 10 minutes: wait for it or end ' +
            'it, then ' +
            'start again.',
          {},
          { cause: error },
        );
      throw await explainRefusal(em, error);
    }
  }

  /** Migrates down to an empty schema, or until this migration is the last one. */
  async migrateDown(last: string | 0 = 0): Promise<void> {
    await this.orm.migrator.down({ to: last });
  }

  /** Runs one use case: commits when `work` returns, rolls back when it throws. */
  async transact<T>(actor: Actor, work: (session: Session) => Promise<T>): Promise<T> {
    const tenant = actor.principal.tenant;
    const actions: (() => void)[] = [];
    // The role is set like a variable, so that both are set in one statement.
    const settings = { 'matih.tenant': tenant, role: APP_ROLE };
    const inTransaction = async (em: EntityManager) => {
      const touched: Touched[] = [];
      const { principal, requestId } = actor;
      const afterCommit = (action: () => void) => void actions.push(action);
      const touch = (type: string, id: string) => void touched.push({ type, id });
      const done = await work({ em, tenant, principal, requestId, afterCommit, touch });
      await this.notifyTouched(em, tenant, touched);
      return done;
    };
    const { onRow, isBackground = false } = actor;
    const run = () =>
      isBackground ? this.runInBackground(settings, inTransaction) : this.run(settings, inTransaction);
    const result = await (onRow ? countRows(onRow, run) : run());
    for (const action of actions) action();
    return result;
  }

  /** Sends one statement like `sendAtOnce`, without waiting for the disk: a power cut may undo it. */
  async sendUnflushed(actor: Actor, statement: Prepared): Promise<void> {
    await this.send(actor, { synchronous_commit: 'off' }, [statement]);
  }

  /**
   * Runs statements as the actor's tenant, in one transaction and one round trip. Returns the rows of the last one.
   * Mirrors are not told: when a mirror is configured, do not change data with it that the mirror follows.
   */
  async sendAtOnce(actor: Actor, statements: readonly Prepared[]): Promise<object[]> {
    return (await this.send(actor, {}, statements)).rows as object[];
  }

  private async send(
    { principal }: Actor,
    settings: Record<string, string>,
    statements: readonly Prepared[],
  ): Promise<QueryResult> {
    try {
      const pool = await this.orm.driver.getConnection().getNativeClient();
      // Such statements are planned once per connection, for all parameters.
      const all = {
        'matih.tenant': principal.tenant,
        role: APP_ROLE,
        plan_cache_mode: 'force_generic_plan',
        ...settings,
      };
      return await sendAtOnce(pool, all, statements);
    } catch (error) {
      this.probe.noteFailure(error);
      throw asRefusedValue(asOutage(error));
    }
  }

  /** From now on each transaction of this process that has changed something ends with `onTouched`. */
  setTouchedListener(onTouched: OnTouched): void {
    this.onTouched = onTouched;
  }

  /** Whether changes of transactions are reported to somebody. */
  get isMirrored(): boolean {
    return this.onTouched !== undefined;
  }

  /** For work of the service itself, which has no session. */
  async notifyTouched(em: EntityManager, tenant: string, touched: Touched[]): Promise<void> {
    if (this.onTouched && touched.length > 0) await this.onTouched(em, tenant, touched);
  }

  /** Runs work of the service itself over all tenants: relays, reconcilers, sweepers. Never for a request. */
  async asSystem<T>(work: (em: EntityManager) => Promise<T>): Promise<T> {
    return this.runInBackground({ role: SYSTEM_ROLE }, work);
  }

  /** With the longer limits of work for which no request waits. */
  private runInBackground<T>(variables: Record<string, string>, work: (em: EntityManager) => Promise<T>): Promise<T> {
    const limitMs = this.backgroundTimeoutMs;
    return withStatementLimit(limitMs, () => this.run({ ...variables, statement_timeout: String(limitMs) }, work));
  }

  private async run<T>(variables: Record<string, string>, work: (em: EntityManager) => Promise<T>): Promise<T> {
    try {
      return await this.orm.em.fork().transactional((em) => work(em), { sessionContext: { variables } });
    } catch (error) {
      this.probe.noteFailure(error);
      throw asRefusedValue(asOutage(error));
    }
  }

  /** Connections that transactions hold now, and transactions that wait for one. */
  async poolUse(): Promise<{ inUse: number; waiting: number }> {
    const pool = await this.orm.driver.getConnection().getNativeClient();
    return { inUse: pool.totalCount - pool.idleCount, waiting: pool.waitingCount };
  }

  /** What is wrong with the database now, within 2 s; empty when all is well. */
  problems(): Promise<string[]> {
    return this.probe.problems();
  }

  async close(): Promise<void> {
    await this.probe.close();
    await this.orm.close(true);
  }
}

/** Refuses a schema with migrations that this release does not know. */
async function refuseNewer(em: EntityManager): Promise<void> {
  const kysely = em.getKysely<{ [MIGRATION_TABLE]: { name: string } }>();
  const isThere = sql<boolean>`to_regclass(${MIGRATION_TABLE}) is not null`.as('isThere');
  const { isThere: exists } = await kysely.selectNoFrom(isThere).executeTakeFirstOrThrow();
  if (!exists) return;
  const executed = await kysely.selectFrom(MIGRATION_TABLE).select('name').orderBy('name', 'desc').execute();
  const newer = executed.find(({ name }) => !MIGRATIONS.some((migration) => migration.name === name));
  if (!newer) return;
  const message =
    `The database was set up by a newer version of the service (its schema has ${newer.name}): run that ` +
    'version, or restore a backup.';
  throw new AppError(ErrorCode.UNAVAILABLE, message, { field: 'DATABASE_URL' });
}

/** The URL without its password. */
function describeUrl(url: string): string {
  try {
    const { hostname, port, pathname } = new URL(url);
    return `${hostname}:${port || 5432}${pathname}`;
  } catch {
    return 'a malformed address';
  }
}
