import type { EntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { AppError, ErrorCode } from '../errors.js';

/** The roles under which row-level security applies; neither can bypass it. */
export const APP_ROLE = 'matih_app';
export const SYSTEM_ROLE = 'matih_system';
const ROLES = [APP_ROLE, SYSTEM_ROLE];

const MIN_VERSION = 150_000;

interface Server {
  version: number;
  encoding: string;
  user: string;
  database: string;
  schema: string | null;
}

/** A row of the server's catalogue of roles. */
interface RoleRow {
  oid: number;
  rolname: string;
  rolsuper: boolean;
  rolbypassrls: boolean;
}

/** Checks the requirements of the service; each error is one sentence that says what to do. */
export async function checkServer(em: EntityManager): Promise<void> {
  const { version, encoding, schema, user } = await describeServer(em);
  if (version < MIN_VERSION)
    throw unusable(`PostgreSQL ${MIN_VERSION / 10_000} or newer is needed, this is ${Math.floor(version / 10_000)}`);
  if (encoding !== 'UTF8') throw unusable(`The database must have the encoding UTF8, this one has ${encoding}`);
  if (schema !== 'public') {
    throw unusable(
      `Tables of the user ${identifier(user)} would go to the schema ${schema ?? '(none)'}: run ALTER ROLE ` +
        `${identifier(user)} SET search_path = public`,
    );
  }
}

/**
 * Roles belong to the whole server: another database may have created them already, and a restored server may lack
 * them. The user of DATABASE_URL need not be a superuser, but must be allowed to become either role.
 */
export async function ensureRoles(em: EntityManager): Promise<void> {
  const { user, version } = await describeServer(em);
  const roles = await em
    .getKysely<{ pg_roles: RoleRow }>()
    .selectFrom('pg_roles')
    .select((select) => [
      'rolname as name',
      sql<boolean>`rolsuper or rolbypassrls`.as('bypasses'),
      select
        .fn<boolean>('pg_has_role', [sql`current_user`, 'oid', select.val(version >= 160_000 ? 'SET' : 'MEMBER')])
        .as('usable'),
    ])
    .where('rolname', 'in', ROLES)
    .execute();
  const bypassing = roles.find(({ bypasses }) => bypasses);
  if (bypassing)
    throw unusable(
      `The role ${bypassing.name} could bypass row-level security: run ALTER ROLE ${bypassing.name} ` +
        'NOSUPERUSER NOBYPASSRLS',
    );
  const missing = ROLES.filter((name) => !roles.some((role) => role.name === name));
  const unusableRoles = ROLES.filter((name) => !roles.some((role) => role.name === name && role.usable));
  const statements = missing.map((name) => `CREATE ROLE ${name} NOLOGIN`);
  if (unusableRoles.length > 0) statements.push(`GRANT ${unusableRoles.join(', ')} TO ${identifier(user)}`);
  try {
    for (const statement of statements) await em.execute(statement);
  } catch (error) {
    if (!isRefused(error)) throw error;
    throw unusable(
      `The user ${identifier(user)} may not set up the roles of the service: give it CREATEROLE, or run as a ` +
        `superuser: ${statements.join('; ')}`,
      error,
    );
  }
}

/** Explains a refusal in the middle of the migration. */
export async function explainRefusal(em: EntityManager, error: unknown): Promise<unknown> {
  if (!isRefused(error)) return error;
  const { user, database } = await describeServer(em);
  const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
  return unusable(
    `The user ${identifier(user)} may not set up its tables (${reason}): run as a superuser: ALTER DATABASE ` +
      `${identifier(database)} OWNER TO ${identifier(user)}`,
    error,
  );
}

/** Several databases of one server may be set up at the same time; the second one retries and finds the roles. */
export function isRace(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return code === '42710' || code === '23505' || /tuple concurrently updated/.test(message ?? '');
}

async function describeServer(em: EntityManager): Promise<Server> {
  return em
    .getKysely()
    .selectNoFrom([
      sql<number>`current_setting('server_version_num')::int`.as('version'),
      sql<string>`current_setting('server_encoding')`.as('encoding'),
      sql<string>`current_user`.as('user'),
      sql<string>`current_database()`.as('database'),
      sql<string | null>`current_schema()`.as('schema'),
    ])
    .executeTakeFirstOrThrow();
}

function isRefused(error: unknown): boolean {
  return (error as { code?: string }).code === '42501';
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function unusable(sentence: string, cause?: unknown): AppError {
  return new AppError(ErrorCode.UNAVAILABLE, `${sentence}.`, { field: 'DATABASE_URL' }, { cause });
}
