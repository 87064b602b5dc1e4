import { join } from 'node:path';
import { Client } from 'pg';
import { v7 as uuidv7 } from 'uuid';
import type { Column } from '../../src/modules/model-contract/rules/dataset-column.js';
import {
  buildCategoricalReference,
  buildNumericReference,
  buildPredictionReference,
  type ReferenceProfile,
} from '../../src/modules/model-contract/rules/drift.js';
import { LATENCY_BUCKETS, latencyBucket } from '../../src/modules/model-contract/rules/latency-histogram.js';
import { readColumns } from '../../src/adapters/dataset-files/dataset-reader.js';
import { parquetTable } from './tables.js';

/** A flight of January or February 2001, and the probability that flights of its airport are late. */
export interface Flight {
  distance: number;
  origin: string;
  score: number;
}

export interface FlightWorld {
  reference: ReferenceProfile;
  /** Flights that are not in the reference, in random order. */
  usual: Flight[];
  /** Flights only from airports of the far west. */
  elsewhere: Flight[];
}

const FLIGHTS = join(process.cwd(), 'node_modules/vega-datasets/data/flights-3m.parquet');
const WEST = new Set(['HNL', 'OGG', 'ANC', 'LIH', 'KOA', 'SEA', 'PDX', 'SJC', 'OAK', 'SAN', 'SMF']);

/** Real flights: a reference profile of one half of a sample, and the other half as traffic. */
export async function flightWorld(): Promise<FlightWorld> {
  const window = { column: 'date', from: '2001-01-01T00:00:00.000Z', to: '2001-03-01T00:00:00.000Z' };
  const read = await readColumns(await parquetTable(FLIGHTS), {
    columns: ['distance', 'origin', 'delay'],
    window,
    sample: { rows: 60_000, seed: 1 },
  });
  const numbers = (name: string) =>
    (read.columns.find((column) => column.name === name) as Extract<Column, { values: Float64Array }>).values;
  const origins = read.columns.find((column) => column.name === 'origin')!.values as string[];
  const distances = numbers('distance');
  const delays = numbers('delay');
  const shuffled = Array.from(origins.keys()).sort((a, b) => ((a * 7919) % 60_013) - ((b * 7919) % 60_013));
  const known = shuffled.slice(0, 30_000);
  const late = Map.groupBy(known, (row) => origins[row]!);
  const lateShare = (origin: string) => {
    const rows = late.get(origin) ?? [];
    return (rows.filter((row) => delays[row]! > 15).length + 2) / (rows.length + 10);
  };
  const flight = (row: number): Flight => ({
    distance: distances[row]!,
    origin: origins[row]!,
    score: lateShare(origins[row]!),
  });
  const seen = known.map(flight);
  const unseen = shuffled.slice(30_000).map(flight);
  return {
    reference: {
      features: {
        distance: buildNumericReference(Float64Array.from(seen, ({ distance }) => distance)),
        origin: buildCategoricalReference(seen.map(({ origin }) => origin)),
      },
      prediction: buildPredictionReference(Float64Array.from(seen, ({ score }) => score)),
    },
    usual: unseen,
    elsewhere: unseen.filter(({ origin }) => WEST.has(origin)),
  };
}

export interface ServedModel {
  tenant: string;
  modelId: string;
  versionId: string;
  endpointId: string;
  deploymentId: string;
}

/**
 * Writes the rows that serving would write, without running models: the database's superuser is not limited by
 * row-level security.
 */
export class TrafficWriter {
  private constructor(private readonly client: Client) {}

  static async connect(url: string): Promise<TrafficWriter> {
    const client = new Client({ connectionString: url });
    await client.connect();
    return new TrafficWriter(client);
  }

  end(): Promise<void> {
    return this.client.end();
  }

  async query<T extends object>(text: string, values: unknown[] = []): Promise<T[]> {
    return (await this.client.query<T>(text, values)).rows;
  }

  /** A model with a version, an endpoint, and a deployment that takes all its traffic. */
  async serve(
    reference: ReferenceProfile | null,
    { tenant = 'acme', slaMs = 50, runId = null as string | null } = {},
  ): Promise<ServedModel> {
    const [modelId, versionId, endpointId, deploymentId] = [uuidv7(), uuidv7(), uuidv7(), uuidv7()];
    const name = `m-${modelId.slice(-12)}`;
    await this.query(
      'insert into model (id, tenant, name, folder, model_type, framework, task, created_by) values ($1, $2, ' +
        `$3, $3, 'LOGISTIC_REGRESSION', 'matih', 'CLASSIFICATION', 'tess')`,
      [modelId, tenant, name],
    );
    await this.query(
      `insert into model_version (id, tenant, model_id, version, semantic_version, stage, status, run_id,
        object_key, source_key, size_bytes, sha256, signature, reference, created_by)
       values ($1, $2, $3, 1, '1.0.0', 'PRODUCTION', 'READY', $4, 'none', 'none', 1, 'none',
         '{"inputs": [], "outputs": []}', $5, 'tess')`,
      [versionId, tenant, modelId, runId, reference && JSON.stringify(reference)],
    );
    await this.query(
      'insert into endpoint (id, tenant, name, model_id, sla_latency_p95_ms, log_sample_rate, created_by) ' +
        `values ($1, $2, $3, $4, $5, 1, 'tess')`,
      [endpointId, tenant, name, modelId, slaMs],
    );
    await this.query(
      `insert into deployment (id, tenant, endpoint_id, model_version_id, mode, weight_bps, runtime, status, created_by)
       values ($1, $2, $3, $4, 'LIVE', 10000, 'ONNX', 'READY', 'tess')`,
      [deploymentId, tenant, endpointId, versionId],
    );
    return { tenant, modelId, versionId, endpointId, deploymentId };
  }

  /** Logs flights, ten rows per request. */
  async log(served: ServedModel, flights: readonly Flight[]): Promise<void> {
    for (let at = 0; at < flights.length; at += 10) {
      const rows = flights.slice(at, at + 10);
      const inputs = { distance: rows.map(({ distance }) => distance), origin: rows.map(({ origin }) => origin) };
      await this.query(
        `insert into prediction_log (id, tenant, endpoint_id, deployment_id, model_version_id, mode, request_id,
          rows, latency_ms, inputs, scores)
         values ($1, $2, $3, $4, $5, 'LIVE', 'r', $6, 1, $7, $8)`,
        [
          uuidv7(),
          served.tenant,
          served.endpointId,
          served.deploymentId,
          served.versionId,
          rows.length,
          JSON.stringify(inputs),
          JSON.stringify(rows.map(({ score }) => score)),
        ],
      );
    }
  }

  /** Adds requests to the counters of the current minute. */
  async count(
    served: Pick<ServedModel, 'tenant' | 'deploymentId'>,
    { requests, errors = 0, latencyMs = 2 }: { requests: number; errors?: number; latencyMs?: number },
  ): Promise<void> {
    const counts = new Array<number>(LATENCY_BUCKETS).fill(0);
    counts[latencyBucket(latencyMs)] = requests;
    await this.query(
      `insert into deployment_minute as m (tenant, deployment_id, minute, requests, rows, errors, latency_counts)
       values ($1, $2, date_trunc('minute', now()), $3, $3, $4, $5)
       on conflict (deployment_id, minute) do update set requests = m.requests + excluded.requests,
         rows = m.rows + excluded.rows, errors = m.errors + excluded.errors,
         latency_counts = (select array_agg(a + b order by n) from unnest(m.latency_counts,
           excluded.latency_counts) with ordinality as u(a, b, n))`,
      [served.tenant, served.deploymentId, requests, errors, counts],
    );
  }
}
