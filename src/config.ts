import { resolve } from 'node:path';
import { z } from 'zod';
import { AppError, ErrorCode, quote } from './errors.js';

/** A whole number in a range; the sentence is the same whatever is wrong with what came. */
const whole = (min: number, max = Number.MAX_SAFE_INTEGER) => {
  const error = max === Number.MAX_SAFE_INTEGER ? `a whole number from ${min}` : `a whole number from ${min} to ${max}`;
  return z.coerce.number({ error }).int(error).min(min, error).max(max, error);
};
const url = (...protocols: string[]) =>
  z
    .string()
    .refine(
      (text) => URL.canParse(text) && protocols.includes(new URL(text).protocol),
      `an address that begins with ${protocols.join(' or ')}//`,
    );
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean),
);

const flag = z
  .enum(['true', 'false'], { error: 'true or false' })
  .default('false')
  .transform((text) => text === 'true');

interface Setting<T extends z.ZodType = z.ZodType> {
  schema: T;
  /** One sentence; units and default included where the name does not say them. */
  about: string;
}

const setting = <T extends z.ZodType>(schema: T, about: string): Setting<T> => ({ schema, about });

/** Every setting of the service: the name in the environment, how it is read, what it is for. */
export const SETTINGS = {
  ROLE: setting(
    z.enum(['all', 'api', 'worker']).default('all'),
    'What this process does: everything, only the API, or only background jobs.',
  ),
  PORT: setting(whole(0, 65_535).default(8000), 'TCP port of the API; 0 takes any free one.'),
  HOST: setting(z.string().min(1).default('127.0.0.1'), 'Address to listen on; 0.0.0.0 for all.'),
  PUBLIC_URL: setting(
    url('http:', 'https:').optional(),
    'Address under which MLflow clients reach this service, for signed upload addresses; absent: as each ' +
      'request names it.',
  ),
  DATA_DIR: setting(
    z
      .string()
      .min(1)
      .default('.data')
      .transform((path) => resolve(path)),
    'Folder of the embedded database, artifacts and caches.',
  ),
  DATABASE_URL: setting(
    url('postgres:', 'postgresql:').optional(),
    'Your PostgreSQL (15 or newer); absent: an embedded one in DATA_DIR.',
  ),
  DATABASE_POOL_SIZE: setting(whole(2).max(500).default(20), 'Connections that this process may hold to PostgreSQL.'),
  REDIS_URL: setting(
    url('redis:', 'rediss:').optional(),
    'Your Redis, for queues, wake-ups and caches; absent: PostgreSQL does it.',
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
    'Bucket of all artifacts.',
  ),
  S3_CACHE_BYTES: setting(
    whole(0).default(20 * 1024 ** 3),
    'Downloads from S3 that are kept in DATA_DIR, in bytes; what is in use stays beyond that.',
  ),
  AUTH_JWT_SECRET: setting(
    z.string().min(32, 'at least 32 characters').optional(),
    'HS256 secret of the bearer tokens; absent with the embedded database: made once and kept in DATA_DIR.',
  ),
  AUTH_JWKS_URL: setting(
    url('https:', 'http:').optional(),
    'Public keys (JWKS) of the bearer tokens, instead of AUTH_JWT_SECRET.',
  ),
  AUTH_ISSUER: setting(z.string().min(1).default('matih'), 'The iss that a token must carry.'),
  AUTH_AUDIENCE: setting(z.string().min(1).default('matih-ml'), 'The aud that a token must carry.'),
  ALLOWED_ORIGINS: setting(
    list.default(['http://localhost:3001', 'http://127.0.0.1:3001']),
    'Web origins that may call from a browser, separated by commas.',
  ),
  DATASET_DIRS: setting(
    list.default([]).transform((paths) => paths.map((path) => resolve(path))),
    'Folders on this machine whose files may be registered as datasets, separated by commas.',
  ),
  LOG_LEVEL: setting(
    z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
    'Least severity that is logged.',
  ),
  MAX_UPLOAD_BYTES: setting(whole(1).default(5 * 1024 ** 3), 'Largest uploaded file, in bytes.'),
  MAX_BODY_BYTES: setting(whole(1).default(8 * 1024 ** 2), 'Largest GraphQL request, in bytes.'),
  MAX_ANSWER_BYTES: setting(
    whole(1024, 256 * 1024 ** 2).default(16 * 1024 ** 2),
    'Largest answer to a GraphQL operation, in bytes; the rows behind it may have twice as many.',
  ),
  MAX_QUERY_DEPTH: setting(whole(1).default(14), 'Deepest nesting of a GraphQL document.'),
  MAX_QUERY_COST: setting(
    whole(1).default(50_000),
    'Largest estimated cost of a GraphQL document (fields, times page sizes).',
  ),
  PYTHON_PATH: setting(
    z.string().min(1).optional(),
    'Python that converts models of other frameworks to ONNX, with the extras of python/ installed; absent: ' +
      'none are converted.',
  ),
  CONVERSION_SANDBOX: setting(
    z.enum(['bubblewrap', 'process']).default('bubblewrap'),
    'What a model that must be unpickled is kept in: bubblewrap, or only a process of its own, for models ' +
      'that you trust.',
  ),
  CONVERSION_MEMORY_BYTES: setting(
    whole(1).default(8 * 1024 ** 3),
    'Address space that one conversion may take, in bytes.',
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
  WORKER_CONCURRENCY: setting(whole(1, 64).default(2), 'Background jobs that run at once in this process.'),
  INFERENCE_HOSTS: setting(whole(1, 64).default(2), 'Processes that run models for online predictions.'),
  INFERENCE_MEMORY_BYTES: setting(
    whole(1).default(2 * 1024 ** 3),
    'Resident memory that one of them may reach, in bytes.',
  ),
  PREDICT_DEADLINE_MS: setting(
    whole(1, 600_000).default(5_000),
    'Longest that one prediction may take, in milliseconds.',
  ),
  MONITORING_INTERVAL_MS: setting(
    whole(200).default(15_000),
    'Time between two looks at live traffic, in milliseconds.',
  ),
  MONITORING_MIN_ROWS: setting(whole(1).default(200), 'Fewest logged rows that make a window for drift.'),
  RECONCILE_INTERVAL_MS: setting(
    whole(100).default(5_000),
    'Time between two looks for lost or stalled jobs, in milliseconds.',
  ),
  JOB_HEARTBEAT_TIMEOUT_MS: setting(
    whole(1_000).default(20_000),
    'A running job without a sign of life for so long is given to another worker, and a child process is ended, in ' +
      'milliseconds.',
  ),
  WEBHOOK_ALLOW_HTTP: setting(flag, 'Whether webhooks may call http:// addresses besides https://.'),
  WEBHOOK_ALLOWED_HOSTS: setting(
    list.default([]),
    'Host names, IP addresses and networks (10.1.0.0/16) that webhooks may call though they are private, ' +
      'separated by commas.',
  ),
  WEBHOOK_CONCURRENCY: setting(whole(1, 256).default(16), 'Webhook messages on their way at once from this process.'),
  WEBHOOK_BACKOFF_MS: setting(
    whole(1, 600_000).default(10_000),
    'Time between the first two attempts at a webhook delivery, in milliseconds; each further wait is four ' +
      'times as long.',
  ),
  WEBHOOK_LOG_DAYS: setting(whole(1, 3_650).default(30), 'How long ended webhook deliveries are kept, in days.'),
  EVENT_LOG_DAYS: setting(
    whole(0, 36_500).default(90),
    'How long lifecycle events and the steps of ended jobs are kept, in days; 0 for ever. Webhook deliveries ' +
      'go with their events.',
  ),
  TRAFFIC_LOG_DAYS: setting(
    whole(0, 36_500).default(400),
    'How long the counters of each minute of traffic are kept, in days; 0 for ever.',
  ),
  AUDIT_LOG_DAYS: setting(whole(0, 36_500).default(0), 'How long audit rows are kept, in days; 0 for ever.'),
  MLFLOW_TRACKING_URI: setting(
    url('http:', 'https:').optional(),
    'Another MLflow server, to which experiments, runs, versions, stages and aliases of all tenants are ' +
      'mirrored; absent: to none.',
  ),
  MLFLOW_TRACKING_TOKEN: setting(z.string().min(1).optional(), 'Bearer token for MLFLOW_TRACKING_URI.'),
  MLFLOW_TRACKING_USERNAME: setting(z.string().min(1).optional(), 'User at MLFLOW_TRACKING_URI, instead of a token.'),
  MLFLOW_TRACKING_PASSWORD: setting(z.string().min(1).optional(), 'Password of MLFLOW_TRACKING_USERNAME.'),
  MLFLOW_IMPORT_ALLOW_HTTP: setting(
    flag,
    'Whether imports may read MLflow servers at http:// addresses besides https://.',
  ),
  MLFLOW_IMPORT_ALLOWED_HOSTS: setting(
    list.default([]),
    'Host names, IP addresses and networks (10.1.0.0/16) that imports from MLflow may call though they are ' +
      'private, separated by commas.',
  ),
  SYSTEM_METRICS_INTERVAL_MS: setting(
    whole(0, 3_600_000).default(10_000),
    'Time between two looks of a training at its machine, logged as system metrics of its run, in ' +
      'milliseconds; 0 for none.',
  ),
  SHUTDOWN_GRACE_MS: setting(
    whole(1).default(20_000),
    'Longest that work in flight may take after SIGTERM, in milliseconds.',
  ),
} as const satisfies Record<string, Setting>;

type SettingName = keyof typeof SETTINGS;
type RawConfig = { [K in SettingName]: z.output<(typeof SETTINGS)[K]['schema']> };

export interface Config extends RawConfig {
  /** True when this process brings its own PostgreSQL. */
  embedded: boolean;
}

/** Reads the settings; every wrong one is a BAD_USER_INPUT that names it. */
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
  // The loop above has parsed each value with the schema of its own name.
  const config = { ...(values as RawConfig), embedded: values['DATABASE_URL'] === undefined };
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

/** The flags of `npm start --`; an unknown one is refused. */
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

/** One row per setting: name, default, what it is for. */
export function describeSettings(): { name: string; default: string; about: string }[] {
  return Object.entries(SETTINGS).map(([name, { schema, about }]) => {
    const value = name === 'DATA_DIR' ? '.data' : schema.safeParse(undefined).data;
    const text = value === undefined ? '—' : Array.isArray(value) ? value.join(',') || '—' : String(value);
    return { name, default: text, about };
  });
}
