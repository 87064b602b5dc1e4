import { resolve } from 'node:path';
import { z } from 'zod';
import { AppError, ErrorCode, quote } from './errors.js';
import { MODULE_SETTINGS } from './modules.js';
import { list, setting, url, whole, type Settings, type SettingValues } from './settings.js';

/** Settings of the whole process; the settings of a module are in its settings.ts. */
const CORE_SETTINGS = {
  ROLE: setting(
    z.enum(['all', 'api', 'worker']).default('all'),
    'Work of this process: everything, only the API, or only background jobs.',
  ),
  PORT: setting(whole(0, 65_535).default(8000), 'TCP port of the API; 0 takes any free one.'),
  GRPC_PORT: setting(
    whole(0, 65_535).optional(),
    'TCP port of all gRPC protocols, in processes that serve the API; 0 takes any free one, as PORT=0 does for both.',
    '8001',
  ),
  HOST: setting(z.string().min(1).default('127.0.0.1'), 'Address to listen on; 0.0.0.0 for all.'),
  PUBLIC_URL: setting(
    url('http:', 'https:').optional(),
    'Address at which MLflow clients and work on a cluster reach this service; absent: signed upload addresses have ' +
      'that of each request, and there is no work on a cluster.',
  ),
  DATA_DIR: setting(
    z
      .string()
      .min(1)
      .default('.data')
      .transform((path) => resolve(path)),
    'Folder of the embedded database, artifacts and caches.',
    '.data',
  ),
  DATABASE_URL: setting(
    url('postgres:', 'postgresql:').optional(),
    'Your PostgreSQL (15 or newer); absent: an embedded one in DATA_DIR.',
  ),
  DATABASE_POOL_SIZE: setting(
    whole(2).max(500).default(20),
    'Maximum number of connections of this process to PostgreSQL.',
  ),
  DATABASE_TIMEOUT_MS: setting(
    whole(100, 600_000).default(15_000),
    'Maximum time that a request waits for a connection to PostgreSQL, and for the answer to each ' +
      'statement, in milliseconds.',
  ),
  DATABASE_BACKGROUND_TIMEOUT_MS: setting(
    whole(100, 86_400_000).default(120_000),
    'Maximum time that background work waits for the answer to a statement, in milliseconds.',
  ),
  REDIS_URL: setting(
    url('redis:', 'rediss:').optional(),
    'Your Redis, for queues, wake-ups and caches; absent: PostgreSQL is used.',
  ),
  REDIS_TIMEOUT_MS: setting(
    whole(100, 600_000).default(5_000),
    'Maximum time to wait for an answer of Redis, also at the start, in milliseconds.',
  ),
  S3_ENDPOINT: setting(url('http:', 'https:').optional(), 'Your S3 or MinIO; absent: a folder in DATA_DIR.'),
  S3_ACCESS_KEY: setting(z.string().min(1).optional(), 'Access key of S3_ENDPOINT.'),
  S3_SECRET_KEY: setting(z.string().min(1).optional(), 'Secret key of S3_ENDPOINT.'),
  S3_BUCKET: setting(
    z
      .string()
      .regex(
        /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
        'a bucket name of 3 to 63 lower-case letters, digits, dots and dashes',
      )
      .default('matih-ml'),
    'Bucket for all artifacts.',
  ),
  S3_CACHE_BYTES: setting(
    whole(0).default(20 * 1024 ** 3),
    'Maximum size of the S3 cache in DATA_DIR, in bytes; files in use are kept even beyond it.',
  ),
  AUTH_JWT_SECRET: setting(
    z.string().min(32, 'at least 32 characters').optional(),
    'HS256 secret of the bearer tokens; absent with the embedded database: generated once and stored in DATA_DIR.',
  ),
  AUTH_JWKS_URL: setting(
    url('https:', 'http:').optional(),
    'Public keys (JWKS) of the bearer tokens, instead of AUTH_JWT_SECRET.',
  ),
  AUTH_ISSUER: setting(z.string().min(1).default('matih'), 'Required `iss` claim of a token.'),
  AUTH_AUDIENCE: setting(z.string().min(1).default('matih-ml'), 'Required `aud` claim of a token.'),
  ALLOWED_ORIGINS: setting(
    list.default(['http://localhost:3001', 'http://127.0.0.1:3001']),
    'Web origins that may call from a browser, separated by commas.',
  ),
  LOG_LEVEL: setting(
    z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
    'Lowest severity that is logged.',
  ),
  MAX_BODY_BYTES: setting(whole(1).default(8 * 1024 ** 2), 'Maximum size of a GraphQL request, in bytes.'),
  MAX_ANSWER_BYTES: setting(
    whole(1024, 256 * 1024 ** 2).default(16 * 1024 ** 2),
    'Maximum size of one answer (GraphQL, MLflow’s protocol, REST), in bytes; the rows that are read for it ' +
      'may have twice as many bytes.',
  ),
  MAX_QUERY_DEPTH: setting(whole(1).default(14), 'Maximum nesting depth of a GraphQL document.'),
  MAX_QUERY_COST: setting(
    whole(1).default(50_000),
    'Maximum estimated cost of a GraphQL document (fields, times page sizes).',
  ),
  CHILD_MEMORY_BYTES: setting(
    whole(64 * 1024 ** 2).optional(),
    'Resident memory that one child process may reach (a training, an evaluation, a reading of a file), in bytes; ' +
      'absent: three quarters of the memory of the machine.',
  ),
  CHILD_FILE_BYTES: setting(
    whole(1024 ** 2).default(64 * 1024 ** 3),
    'Largest file that one child process may write, in bytes.',
  ),
  SHUTDOWN_GRACE_MS: setting(
    whole(1).default(20_000),
    'Maximum time to finish running work after SIGTERM, in milliseconds.',
  ),
} as const satisfies Settings;

const SETTINGS: Settings = { ...CORE_SETTINGS, ...MODULE_SETTINGS };

type CoreSettings = SettingValues<typeof CORE_SETTINGS>;

/** Each module adds its own settings. */
export interface Config extends CoreSettings {
  /** True when this process starts its own PostgreSQL. */
  embedded: boolean;
}

/** Reads the settings; each wrong one is a BAD_USER_INPUT that names it. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  refuseNearMisses(env);
  const values: Record<string, unknown> = {};
  for (const [name, { schema }] of Object.entries(SETTINGS)) {
    const raw = env[name] === '' ? undefined : env[name];
    const parsed = schema.safeParse(raw);
    if (!parsed.success) {
      const shown = /SECRET|KEY|URL|URI|TOKEN|PASSWORD/.test(name) ? '(hidden)' : quote(raw);
      const expected = parsed.error.issues.map((issue) => issue.message).join('; ');
      throw new AppError(ErrorCode.BAD_USER_INPUT, `Setting ${name} is ${shown}: ${expected}.`, {
        field: name,
        expected,
      });
    }
    values[name] = parsed.data;
  }
  // The loop above has parsed each value with the schema of its name.
  const config = { ...(values as Omit<Config, 'embedded'>), embedded: values['DATABASE_URL'] === undefined };
  checkTogether(config);
  return config;
}

function checkTogether(config: Config): void {
  const refuse = (field: string, sentence: string) => new AppError(ErrorCode.BAD_USER_INPUT, sentence, { field });
  if (config.embedded && config.ROLE !== 'all') {
    throw refuse('DATABASE_URL', `ROLE=${config.ROLE} needs DATABASE_URL: only ROLE=all brings its own database.`);
  }
  if (config.AUTH_JWKS_URL && config.AUTH_JWT_SECRET) {
    throw refuse('AUTH_JWKS_URL', 'Set AUTH_JWT_SECRET or AUTH_JWKS_URL, not both.');
  }
  if (!config.embedded && !config.AUTH_JWKS_URL && !config.AUTH_JWT_SECRET) {
    throw refuse(
      'AUTH_JWT_SECRET',
      'With DATABASE_URL, set AUTH_JWT_SECRET (32 characters or more) or AUTH_JWKS_URL: there is no default secret.',
    );
  }
  if (config.MLFLOW_TRACKING_URI && /[?#@]/.test(config.MLFLOW_TRACKING_URI)) {
    throw refuse(
      'MLFLOW_TRACKING_URI',
      'MLFLOW_TRACKING_URI is an address alone: a user goes into MLFLOW_TRACKING_USERNAME and ' +
        'MLFLOW_TRACKING_PASSWORD.',
    );
  }
  if (config.S3_ENDPOINT && !(config.S3_ACCESS_KEY && config.S3_SECRET_KEY)) {
    throw refuse('S3_ACCESS_KEY', 'S3_ENDPOINT needs S3_ACCESS_KEY and S3_SECRET_KEY.');
  }
  if (config.RAY_SERVE_URL && !config.RAY_ADDRESS) {
    throw refuse('RAY_SERVE_URL', 'RAY_SERVE_URL needs RAY_ADDRESS, the cluster on which Ray Serve runs.');
  }
  if (config.TRITON_REPOSITORY?.startsWith('s3://') && !config.S3_ENDPOINT) {
    throw refuse('TRITON_REPOSITORY', 'TRITON_REPOSITORY in a bucket (s3://…) needs S3_ENDPOINT with its keys.');
  }
}

function refuseNearMisses(env: NodeJS.ProcessEnv): void {
  const known = Object.keys(SETTINGS);
  for (const name of Object.keys(env)) {
    if (name in SETTINGS) continue;
    const meant = known.find((candidate) => editDistance(name, candidate) <= (candidate.length >= 8 ? 2 : 1));
    if (meant)
      throw new AppError(ErrorCode.BAD_USER_INPUT, `There is no setting ${name}; did you mean ${meant}?`, {
        field: name,
        expected: meant,
      });
  }
}

/** Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 3;
  const rows = Array.from({ length: a.length + 1 }, (_, i) =>
    Array.from({ length: b.length + 1 }, (_, j) => (i === 0 ? j : j === 0 ? i : 0)),
  );
  const at = (i: number, j: number) => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      let best = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, at(i - 2, j - 2) + 1);
      (rows[i] as number[])[j] = best;
    }
  }
  return at(a.length, b.length);
}

export interface CommandLine {
  help: boolean;
  json: boolean;
}

const FLAGS = ['--help', '--json'] as const;

/** Reads the flags of `npm start --`; an unknown one is refused. */
export function readFlags(args: string[]): CommandLine {
  for (const arg of args) {
    if (!(FLAGS as readonly string[]).includes(arg)) {
      throw new AppError(
        ErrorCode.BAD_USER_INPUT,
        `Unknown flag ${quote(arg)}; there are ${FLAGS.join(' and ')}. Settings come from the environment: ` +
          'npm start -- --help lists them.',
        { field: arg },
      );
    }
  }
  return { help: args.includes('--help'), json: args.includes('--json') };
}

/** One row per setting: name, default, purpose. */
export function describeSettings(): { name: string; default: string; about: string }[] {
  return Object.entries(SETTINGS).map(([name, { schema, about, shownDefault }]) => {
    const value = shownDefault ?? schema.safeParse(undefined).data;
    const text = value === undefined ? '—' : Array.isArray(value) ? value.join(',') || '—' : String(value);
    return { name, default: text, about };
  });
}
