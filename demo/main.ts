import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ApiClient } from './client.ts';
import { Flights } from './flights.ts';
import { Scenario } from './scenario.ts';
import { startService, type ServiceProcess } from './service.ts';
import { duration, Terminal } from './terminal.ts';
import { Walk } from './walk.ts';

const FLIGHTS = fileURLToPath(new URL('../node_modules/vega-datasets/data/flights-3m.parquet', import.meta.url));
/** Beside the data of `npm start`, never in the same folder. */
const DEMO_DATA_DIR = '.data-demo';
const FLAGS = ['--once', '--json', '--help'];
const HELP = `npm run demo -- [--once] [--json]

  Starts the service on an embedded database and walks a model through its whole life on real flights,
  through the public GraphQL API. Then it keeps serving.

  --once   end after the walk; exit code 0 only if every step held
  --json   print nothing but one JSON line at the end: {ok, steps: [{name, ok, ms, figures}]}

  PORT and DATA_DIR are settings,
    as with npm start; the demo's DATA_DIR is ${DEMO_DATA_DIR}, and with --once a temporary folder.
`;

async function main(): Promise<number> {
  const flags = process.argv.slice(2);
  const unknown = flags.find((flag) => !FLAGS.includes(flag));
  if (unknown) {
    process.stderr.write(`Unknown flag "${unknown}"; there are ${FLAGS.join(', ')}.\n`);
    return 1;
  }
  if (flags.includes('--help')) {
    process.stdout.write(HELP);
    return 0;
  }
  const once = flags.includes('--once');
  const json = flags.includes('--json');
  const terminal = new Terminal(json);
  const walk = new Walk(terminal);
  const startedAt = performance.now();
  const folder = await mkdtemp(join(tmpdir(), 'matih-demo-'));
  const dataDir = process.env['DATA_DIR'] ?? (once ? join(folder, 'data') : DEMO_DATA_DIR);
  let service: ServiceProcess | null = null;
  let ok = false;
  try {
    terminal.title('MATIH ML Service: will this flight be late?');
    terminal.line(
      'A classifier learns from real US flights of 2001 which ones are more than 15 minutes late. Then it ' +
        'lives its whole life:',
    );
    terminal.line(
      'gates with evidence before each stage, predictions, drift found in live traffic, retraining, a ' +
        'shadow, a rollback, a canary, an A/B test.',
    );
    terminal.line(
      'An MLflow server records runs and versions; here the same service also trains, proves, serves and watches them.',
    );
    await walk.step('Start the service: database, queue, API, workers', async () => {
      service = await startService({
        LOG_LEVEL: process.env['LOG_LEVEL'] ?? 'error',
        MONITORING_INTERVAL_MS: '2000',
        RECONCILE_INTERVAL_MS: '1000',
        DATA_DIR: dataDir,
        ...(once && { PORT: process.env['PORT'] ?? '0' }),
      });
      terminal.note(`${service.url}, data in ${once ? 'a temporary folder' : resolve(dataDir)}`);
      return { url: service.url };
    });
    const { url, token } = service as unknown as ServiceProcess;
    const api = new ApiClient(url, token);
    const flights = await Flights.open(FLIGHTS);
    const scenario = new Scenario({
      api,
      flights,
      terminal,
      walk,
      folder,
      suffix: once ? '' : `-${new Date().toISOString().slice(5, 19).replaceAll(/[-:T]/g, '')}`,
    });
    await scenario.run();
    ok = true;
    await api.close();
    terminal.title(`All ${walk.steps.length} steps held, in ${duration(performance.now() - startedAt)}.`);
    if (!once) invite(terminal, url, token, scenario, resolve(dataDir));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`The demo stopped: ${message}\n`);
  }
  if (!once && ok) {
    await new Promise<void>((end) => process.once('SIGINT', end).once('SIGTERM', end).once('SIGHUP', end));
  }
  await (service as ServiceProcess | null)?.stop();
  await rm(folder, { recursive: true, force: true });
  if (json) process.stdout.write(`${JSON.stringify({ ok, steps: walk.steps })}\n`);
  return ok ? 0 : 1;
}

function invite(terminal: Terminal, url: string, token: string, scenario: Scenario, dataDir: string): void {
  terminal.title('It keeps serving. Look around:');
  terminal.line(`  GraphiQL   ${url}/graphiql/#token=${token}`);
  terminal.line(`  GraphQL    ${url}/graphql`);
  terminal.line(`  Metrics    ${url}/metrics`);
  terminal.line(`  Token      ${token}`);
  terminal.line(`  Data       ${dataDir} (delete the folder to begin anew)`);
  for (const { title, query } of scenario.closingQueries())
    terminal.line(`\n  ${terminal.style('1', title)}\n  ${query}`);
  terminal.line('\nCtrl-C ends it.');
}

process.exitCode = await main();
process.exit();
