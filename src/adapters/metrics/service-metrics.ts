import { Counter, Gauge, type Registry } from '@prometheus-io/client';
import { OutcomeTally } from './outcome-tally.js';

/** Numbers of database rows that are shown as gauges. */
export interface ServiceFigures {
  jobs: { kind: string; status: string; count: number }[];
  openAlerts: { kind: string; count: number }[];
}

export interface EngineFigures {
  queuedRows: number;
  hostRestarts: number;
  readyHosts: number;
}

/** What the server of a runtime has counted for a deployment since its model was loaded there. */
export interface ServerFigures {
  runtime: string;
  deploymentId: string;
  succeeded: number;
  failed: number;
  rows: number;
  batches: number;
  queueMs: number;
  computeMs: number;
  batchSizes: readonly { rows: number; batches: number }[];
}

/** Where the gauges read their values at each scrape. */
export interface MetricsSources {
  figures(): Promise<ServiceFigures>;
  /** By the purpose of the runtime. */
  engines: Record<string, () => EngineFigures>;
  servers(): Promise<readonly ServerFigures[]>;
  pool(): Promise<{ inUse: number; waiting: number }>;
  /** What the buffers for predictions have dropped because they were full. */
  dropped(): Record<'prediction_log' | 'shadow_copy' | 'counted_minute' | 'ab_test_key', number>;
  sockets(): number;
  subscriptions(): number;
}

const PREDICT_BUCKETS_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const OPERATION_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60];
/** /metrics needs no token, so the database is asked at most once in this time, however often it is scraped. */
const FIGURES_LIFETIME_MS = 5_000;
const SERVERS_LIFETIME_MS = 2_000;

/**
 * The metrics of one process, for Prometheus. No label has a name that a client chose, so that the number of labels is
 * limited: versions are counted only where an engineer has deployed them as members.
 */
export class ServiceMetrics {
  private readonly operations = new OutcomeTally('field', OPERATION_BUCKETS_SECONDS);
  private readonly predictions = new OutcomeTally('mode', PREDICT_BUCKETS_SECONDS);
  private readonly predictedRows = new Counter({
    name: 'matih_predicted_rows_total',
    help: 'Rows that were answered, by mode.',
    labelNames: ['mode'],
    registers: [],
  });

  private readonly members = new Counter({
    name: 'matih_ensemble_member_answers_total',
    help:
      'Requests to a member of an ensemble that is deployed on FAN_OUT, by the id of its version and code (OK, or why ' +
      'its answer was not used).',
    labelNames: ['version', 'code'],
    registers: [],
  });

  observeOperation(field: string, code: string, seconds: number): void {
    this.operations.add(field, code, seconds);
  }

  observePrediction(mode: string, errorCode: string | null, rows: number, latencyMs: number): void {
    this.predictions.add(mode, errorCode ?? 'OK', latencyMs / 1000);
    if (errorCode === null) this.predictedRows.inc({ mode }, rows);
  }

  observeMember(version: string, errorCode: string | null): void {
    this.members.inc({ version, code: errorCode ?? 'OK' });
  }

  register(registry: Registry, sources: MetricsSources): void {
    this.operations.register(
      registry,
      {
        name: 'matih_graphql_operations_total',
        help:
          'GraphQL operations over HTTP by their first root field and how they ended: OK or the code of ' +
          'their first error.',
      },
      {
        name: 'matih_graphql_operation_duration_seconds',
        help: 'Time from a GraphQL operation to its answer, over HTTP, by its first root field.',
      },
    );
    this.predictions.register(
      registry,
      {
        name: 'matih_predictions_total',
        help: 'Prediction requests that reached a model, by mode (LIVE or SHADOW) and code (OK, or what failed).',
      },
      {
        name: 'matih_predict_duration_seconds',
        help: 'Time from a prediction request to the answer of its model, queueing and batching included, by mode.',
      },
    );
    registry.registerMetric(this.predictedRows);
    registry.registerMetric(this.members);
    const gauge = (name: string, help: string, read: () => number) =>
      registry.registerMetric(
        new Gauge({
          name,
          help,
          registers: [],
          collect() {
            this.set(read());
          },
        }),
      );
    gauge('matih_websockets', 'Open WebSockets.', () => sources.sockets());
    gauge('matih_subscriptions', 'Operations that run on WebSockets.', () => sources.subscriptions());
    registerDropped(registry, sources.dropped);
    registerEngines(registry, sources.engines);
    registerServers(registry, remembered(sources.servers, SERVERS_LIFETIME_MS));
    registerPool(registry, sources.pool);
    registerFigures(registry, remembered(sources.figures, FIGURES_LIFETIME_MS));
  }
}

function registerDropped(registry: Registry, dropped: MetricsSources['dropped']): void {
  registry.registerMetric(
    new Gauge({
      name: 'matih_dropped',
      help:
        'Dropped by full buffers behind predictions since the start of this process: requests not logged, ' +
        'copies not sent to a shadow, minutes not counted, predictions not counted by their key in A/B tests.',
      labelNames: ['what'],
      registers: [],
      collect() {
        for (const [what, count] of Object.entries(dropped())) this.set({ what }, count);
      },
    }),
  );
}

function registerEngines(registry: Registry, engines: MetricsSources['engines']): void {
  const gauge = (name: string, help: string, read: (figures: EngineFigures) => number) =>
    registry.registerMetric(
      new Gauge({
        name,
        help,
        labelNames: ['engine'],
        registers: [],
        collect() {
          for (const [engine, figures] of Object.entries(engines)) this.set({ engine }, read(figures()));
        },
      }),
    );
  gauge('matih_inference_queue_rows', 'Rows that wait for a model host.', (figures) => figures.queuedRows);
  gauge('matih_inference_hosts', 'Model hosts that are up.', (figures) => figures.readyHosts);
  gauge(
    'matih_inference_host_restarts',
    'Model hosts that had to be replaced since the start of this process.',
    (figures) => figures.hostRestarts,
  );
}

/** When a server does not answer, only its figures are missing. */
function registerServers(registry: Registry, servers: () => Promise<readonly ServerFigures[] | null>): void {
  const LABELS = ['runtime', 'deployment'];
  type Values = readonly (readonly [labels: Record<string, string>, value: number])[];
  const gauge = (name: string, help: string, labels: string[], read: (figures: ServerFigures) => Values) =>
    registry.registerMetric(
      new Gauge({
        name,
        help: `${help} Counted by the server since it loaded the model; deployments of one version share it.`,
        labelNames: [...LABELS, ...labels],
        registers: [],
        async collect() {
          const all = (await servers()) ?? [];
          this.reset();
          for (const figures of all) {
            const { runtime, deploymentId: deployment } = figures;
            for (const [more, value] of read(figures)) this.set({ runtime, deployment, ...more }, value);
          }
        },
      }),
    );
  gauge('matih_server_requests', 'Requests by how they ended.', ['outcome'], ({ succeeded, failed }) => [
    [{ outcome: 'success' }, succeeded],
    [{ outcome: 'failure' }, failed],
  ]);
  gauge('matih_server_rows', 'Rows of the requests.', [], ({ rows }) => [[{}, rows]]);
  gauge('matih_server_seconds', 'Time of the requests in the queue and in the model.', ['in'], (figures) => [
    [{ in: 'queue' }, figures.queueMs / 1000],
    [{ in: 'compute' }, figures.computeMs / 1000],
  ]);
  gauge('matih_server_batches', 'Runs of the model by their rows.', ['rows'], ({ batchSizes }) =>
    batchSizes.map(({ rows, batches }) => [{ rows: String(rows) }, batches] as const),
  );
}

function registerPool(registry: Registry, pool: MetricsSources['pool']): void {
  registry.registerMetric(
    new Gauge({
      name: 'matih_database_connections',
      help: 'Database connections in use, and requests that wait for one.',
      labelNames: ['state'],
      registers: [],
      async collect() {
        const { inUse, waiting } = await pool();
        this.set({ state: 'in_use' }, inUse);
        this.set({ state: 'waiting' }, waiting);
      },
    }),
  );
}

/** When the database does not answer, only its figures are missing. */
function registerFigures(registry: Registry, figures: () => Promise<ServiceFigures | null>): void {
  registry.registerMetric(
    new Gauge({
      name: 'matih_jobs',
      help: 'Background jobs of all tenants by kind and state; ended ones of the last hour.',
      labelNames: ['kind', 'status'],
      registers: [],
      async collect() {
        const jobs = (await figures())?.jobs ?? [];
        this.reset();
        for (const { kind, status, count } of jobs) this.set({ kind, status }, count);
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: 'matih_open_alerts',
      help: 'Open alerts of all tenants by kind.',
      labelNames: ['kind'],
      registers: [],
      async collect() {
        const openAlerts = (await figures())?.openAlerts ?? [];
        this.reset();
        for (const { kind, count } of openAlerts) this.set({ kind }, count);
      },
    }),
  );
}

/** Caches the last answer for this long; null when reading failed. */
function remembered<T>(read: () => Promise<T>, lifetimeMs: number): () => Promise<T | null> {
  let last: Promise<T | null> = Promise.resolve(null);
  let readAt = -Infinity;
  return () => {
    if (Date.now() - readAt >= lifetimeMs) {
      readAt = Date.now();
      last = read().catch(() => null);
    }
    return last;
  };
}
