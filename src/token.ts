import './node-version.js';
import './production.js';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { serviceTokens } from './adapters/auth/service-tokens.js';
import { readConfig, type Config } from './config.js';
import { createLiveEvents } from './implementations.js';
import type { AccessToken } from './db/entities/platform/access-token.entity.js';
import { Database, type Actor } from './db/database.js';
import { runningEmbedded, startEmbeddedPostgres } from './db/embedded.js';
import { UUID, Role, TENANT, SCOPES } from './modules/core/index.js';
import { AppError, badInput, ErrorCode } from './errors.js';
import { loadModules } from './modules.js';
import { AccessTokenService, SigningKeys } from './modules/platform/index.js';

const HELP = `npm run -s token -- issue|list|revoke|rotate-key [flags]

  issue --name NAME --role VIEWER|ENGINEER|ADMIN [--scope SCOPE] [--endpoint NAME …] [--run ID] [--life 90d]
                      prints a new token, once
  list [--all]        those that hold; --all: also revoked and expired ones
  revoke ID           ends a token: every process refuses it within five seconds
  rotate-key          signs with a new key from now on; --give-up-others ends every token that another key has signed

  --scope     everything (default), read, predict (with --endpoint) or write-run (with --run)
  --life      a number with s, m, h or d: 60s to 3660d; 90d when absent
  --tenant    whose tokens; "default" when absent
  --json      one line of JSON
  --help      this text

The database is that of DATABASE_URL or, without it, the one in DATA_DIR, whether a service runs on it
  or not. Whoever may write to it may issue tokens.
`;

const OPTIONS = {
  name: { type: 'string' },
  role: { type: 'string' },
  scope: { type: 'string' },
  endpoint: { type: 'string', multiple: true },
  run: { type: 'string' },
  life: { type: 'string' },
  tenant: { type: 'string' },
  all: { type: 'boolean' },
  'give-up-others': { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

const UNITS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;
const MAX_LISTED = 500;

type Flags = ReturnType<typeof read>['flags'];

async function main(): Promise<void> {
  const { command, id, flags } = read(process.argv.slice(2));
  if (flags.help || command === undefined) {
    process.stdout.write(HELP);
    return;
  }
  // The whole command line is checked before anything is opened.
  const run = commandOf(command, id, flags);
  const actor = actorOf(flags.tenant ?? 'default');
  const config = readConfig({ ...process.env, ROLE: 'all', ...NO_OTHER_TOKENS });
  const database = await openDatabase(config);
  try {
    const entities = (await loadModules()).flatMap((module) => module.entities);
    const db = await Database.connect({ url: database.url, entities, poolSize: 2 });
    const live = await createLiveEvents(config, database.url, pino({ level: 'silent' }));
    try {
      await db.migrate();
      const keys = new SigningKeys(db, serviceTokens);
      const tokens = new AccessTokenService(db, live, keys, serviceTokens);
      const { json, text } = await run({ db, keys, tokens, actor });
      process.stdout.write(`${flags.json ? JSON.stringify(json) : text}\n`);
    } finally {
      await live.close();
      await db.close();
    }
  } finally {
    await database.close();
  }
}

/** The secret of other issuers does not matter here. */
const NO_OTHER_TOKENS = { AUTH_JWKS_URL: undefined, AUTH_JWT_SECRET: 'x'.repeat(32) };

/**
 * The database of the settings, or of a service that runs on this data folder, or of that folder itself, started for
 * this command.
 */
async function openDatabase({
  DATABASE_URL: url,
  DATA_DIR: dataDir,
}: Config): Promise<{ url: string; close(): Promise<void> }> {
  const running = url ?? (await runningEmbedded(dataDir));
  if (running !== null) return { url: running, close: async () => undefined };
  const log = { info: () => undefined, warn: (message: string) => void process.stderr.write(`${message}\n`) };
  const started = await startEmbeddedPostgres({ dataDir, log });
  return { url: started.url, close: () => started.stop() };
}

interface Tools {
  db: Database;
  keys: SigningKeys;
  tokens: AccessTokenService;
  actor: Actor;
}

type Run = (tools: Tools) => Promise<{ json: unknown; text: string }>;

function commandOf(command: string, id: string | undefined, flags: Flags): Run {
  if (command === 'issue') return issue(flags);
  if (command === 'list') return list(flags);
  if (command === 'rotate-key') return rotateKey(flags);
  if (command !== 'revoke') throw badInput('the command', 'issue, list, revoke or rotate-key', command);
  if (id === undefined || !UUID.test(id))
    throw badInput('revoke', 'the id of a token, which list shows', id ?? 'nothing');
  return async ({ db, tokens, actor }) => {
    const revoked = await db.transact(actor, (session) => tokens.revoke(session, id));
    return { json: shown(revoked), text: `Token "${revoked.name}" (${revoked.id}) holds no longer.` };
  };
}

function issue(flags: Flags): Run {
  const scope = SCOPES.find((one) => one === (flags.scope ?? 'everything').toUpperCase().replace('-', '_'));
  if (!scope) throw badInput('--scope', 'everything, read, predict or write-run', flags.scope);
  const role = Object.values(Role).find((one) => one === flags.role?.toUpperCase());
  if (!role) throw badInput('--role', 'VIEWER, ENGINEER or ADMIN', flags.role ?? 'nothing');
  const { name } = flags;
  if (name === undefined) throw badInput('--name', 'what the token is for', 'nothing');
  if (flags.run !== undefined && !UUID.test(flags.run)) throw badInput('--run', 'the id of a run (a UUID)', flags.run);
  const lifeSeconds = flags.life === undefined ? null : secondsOf(flags.life);
  const input = { name, role, scope, endpointNames: flags.endpoint ?? null, runId: flags.run ?? null, lifeSeconds };
  return async ({ tokens, actor }) => {
    const { token, accessToken } = await tokens.issue(actor, input);
    return { json: { token, ...shown(accessToken) }, text: token };
  };
}

function list(flags: Flags): Run {
  return async ({ db, tokens, actor }) => {
    const { nodes } = await db.transact(actor, (session) =>
      tokens.list(
        session,
        flags.all ? {} : { active: true },
        { first: MAX_LISTED },
        { field: 'createdAt', direction: 'DESC' },
      ),
    );
    const lines = nodes.map(({ id, name, role, scope, expiresAt, lastUsedAt, revokedAt }) => {
      const end = revokedAt ? `revoked ${revokedAt.toISOString()}` : `until ${expiresAt.toISOString()}`;
      return (
        `${id}  ${role.padEnd(8)}  ${scope.padEnd(10)}  ${end}  used ` +
        `${lastUsedAt?.toISOString() ?? 'never'}  ${name}`
      );
    });
    return { json: nodes.map(shown), text: lines.join('\n') || 'There are none.' };
  };
}

function rotateKey(flags: Flags): Run {
  const giveUpOthers = flags['give-up-others'] ?? false;
  return async ({ keys }) => {
    const { id } = await keys.rotate({ giveUpOthers });
    return {
      json: { keyId: id },
      text: `Key ${id} signs from now on${giveUpOthers ? '; what others have signed holds no longer' : ''}.`,
    };
  };
}

function shown({
  id,
  tenant,
  name,
  role,
  scope,
  runId,
  createdAt,
  expiresAt,
  lastUsedAt,
  revokedAt,
}: AccessToken): object {
  return { id, tenant, name, role, scope, runId, createdAt, expiresAt, lastUsedAt, revokedAt };
}

function secondsOf(life: string): number {
  const [, number, unit] = /^(\d{1,9})([smhd])$/.exec(life) ?? [];
  if (number === undefined) throw badInput('--life', 'a number with s, m, h or d, e.g. 90d', life);
  return Number(number) * UNITS[unit as keyof typeof UNITS];
}

function read(args: string[]) {
  try {
    const { values: flags, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true });
    const [command, id, ...rest] = positionals;
    if (rest.length > 0) throw new Error(`Nothing is expected after "${id}"`);
    return { command, id, flags };
  } catch (error) {
    const message = `${error instanceof Error ? error.message.split('.')[0] : String(error)}. See npm run -s token -- --help.`;
    throw new AppError(ErrorCode.BAD_USER_INPUT, message, {}, { cause: error });
  }
}

function actorOf(tenant: string): Actor {
  if (!TENANT.test(tenant)) throw badInput('--tenant', 'lower-case letters, digits and dashes, at most 63', tenant);
  const principal = { subject: 'operator', tenant, role: Role.ADMIN, expiresAt: new Date(Date.now() + 60_000) };
  return { principal, requestId: `token-${process.pid}` };
}

main().catch((error: unknown) => {
  process.stderr.write(
    `${error instanceof AppError ? error.message : error instanceof Error ? error.stack : String(error)}\n`,
  );
  process.exit(1);
});
