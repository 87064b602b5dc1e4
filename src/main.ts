import './node-version.js';
import './production.js';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { pino } from 'pino';
import type { RunningApp } from './app.js';
import { describeSettings, readConfig, readFlags, type CommandLine, type Config } from './config.js';
import type { EmbeddedPostgres } from './db/embedded.js';
import { Role } from './modules/core/index.js';
import { loadModules } from './modules.js';
import { AppError } from './errors.js';

const TOKEN_LIFETIME_SECONDS = 12 * 60 * 60;

async function main(): Promise<void> {
  const flags = readFlags(process.argv.slice(2));
  if (flags.help) {
    printHelp();
    return;
  }
  const config = readConfig(process.env);
  // Compiled code is kept between starts; without it, or if it cannot be written, a start only takes longer.
  enableCompileCache(join(config.DATA_DIR, 'compile-cache'));
  const logger = pino(
    { level: config.LOG_LEVEL, base: { role: config.ROLE }, serializers: { err: describeError } },
    pino.destination({ dest: 2, sync: false }),
  );
  let embedded: EmbeddedPostgres | null = null;
  let app: RunningApp | null = null;
  let stopping: Promise<void> | null = null;
  const stop = (signal: string) => {
    stopping ??= (async () => {
      logger.info({ signal }, 'draining');
      const deadline = setTimeout(() => {
        logger.error('work in flight did not end in time');
        process.exit(1);
      }, config.SHUTDOWN_GRACE_MS);
      await app?.close();
      await embedded?.stop();
      clearTimeout(deadline);
      logger.info('stopped');
      logger.flush();
      process.exit(0);
    })();
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  try {
    // A wrong setting is reported at once; slow modules load while the database starts.
    const loading = Promise.all([import('./app.js'), loadModules()]);
    if (config.DATABASE_URL === undefined) {
      const { startEmbeddedPostgres } = await import('./db/embedded.js');
      const log = { info: (message: string) => logger.info(message), warn: (message: string) => logger.warn(message) };
      embedded = await startEmbeddedPostgres({ dataDir: config.DATA_DIR, log });
    }
    const [{ startApp }] = await loading;
    app = await startApp(config, logger, { databaseUrl: embedded?.url ?? config.DATABASE_URL ?? '' });
  } catch (error) {
    await embedded?.stop();
    throw error;
  }
  await announce(app, config, flags, embedded);
}

async function announce(
  app: RunningApp,
  config: Config,
  flags: CommandLine,
  embedded: EmbeddedPostgres | null,
): Promise<void> {
  const { http, context } = app;
  // Only a service that starts its own database prints a token, because it runs on somebody's own machine.
  const token =
    embedded && context.localTokens
      ? await context.localTokens.issue(
          { subject: 'local-admin', tenant: 'default', role: Role.ADMIN },
          TOKEN_LIFETIME_SECONDS,
        )
      : undefined;
  const url = http?.url;
  if (flags.json) {
    const line = {
      url,
      graphqlUrl: url && `${url}/graphql`,
      wsUrl: url && `${url.replace('http', 'ws')}/graphql`,
      grpcAddress: http?.grpcAddress,
      token,
    };
    process.stdout.write(`${JSON.stringify(line)}\n`);
    return;
  }
  const lines = [`MATIH ML Service is ready (${config.ROLE}).`];
  if (url)
    lines.push(
      `  GraphQL    ${url}/graphql`,
      `  GraphiQL   ${url}/graphiql/${token ? `#token=${token}` : ''}`,
      `  Metrics    ${url}/metrics`,
      `  Inference  ${url}/v2, gRPC ${http?.grpcAddress}`,
    );
  if (embedded)
    lines.push(`  Database   ${embedded.url.replace(/:[^:@/]+@/, ':***@')} (embedded in ${config.DATA_DIR})`);
  if (token) lines.push(`  Token      ${token}`, '             (ADMIN of tenant "default", for 12 hours)');
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** The parts of an error that are worth a line. Drivers attach their whole connection to it, including the password. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, stack, cause } = error;
  const { code } = error as { code?: unknown };
  return { type: name, message, code, stack, ...(cause instanceof Error && { cause: describeError(cause) }) };
}

function printHelp(): void {
  const rows = describeSettings();
  const nameWidth = Math.max(...rows.map((row) => row.name.length));
  const text = rows.map(({ name, default: value, about }) => `  ${name.padEnd(nameWidth)}  ${about} [${value}]`);
  process.stdout.write(
    `npm start -- [--json] [--help]\n\n  --json  when ready, print one line {url, graphqlUrl, wsUrl, ` +
      `token}\n  --help  this text\n\nSettings, from the environment [default]:\n${text.join('\n')}\n`,
  );
}

main().catch((error: unknown) => {
  // A known fault is one sentence; anything else is a bug, and the log shows where it is.
  process.stderr.write(
    `${error instanceof AppError ? error.message : error instanceof Error ? error.stack : String(error)}\n`,
  );
  process.exit(1);
});
