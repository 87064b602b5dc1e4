import type { EntityName, FilterQuery } from '@mikro-orm/core';
import DataLoader from 'dataloader';
import { Dataset } from '../db/entities/tracking/dataset.entity.js';
import { Experiment } from '../db/entities/tracking/experiment.entity.js';
import { Run } from '../db/entities/tracking/run.entity.js';
import type { Session } from '../db/database.js';
import { sql } from '../db/sql.js';

type RunInSession = <T>(work: (session: Session) => Promise<T>) => Promise<T>;

export interface KeyValueRow {
  key: string;
  value: string;
}

export interface LatestMetricRow {
  key: string;
  value: number;
  step: number;
  loggedAt: Date;
}

export interface RunDatasetRow {
  runId: string;
  datasetId: string;
  role: 'TRAINING' | 'EVALUATION' | 'BATCH_INPUT';
}

export interface ArtifactRow {
  id: string;
  path: string;
  sizeBytes: number;
  sha256: string;
  contentType: string;
  createdAt: Date;
}

export interface CheckpointRow {
  epoch: number;
  attempt: number;
  sizeBytes: number;
  sha256: string;
  createdAt: Date;
}

/** Per request: the reads of one turn become one statement per kind. */
export interface Loaders {
  dataset: DataLoader<string, Dataset | null>;
  experiment: DataLoader<string, Experiment | null>;
  run: DataLoader<string, Run | null>;
  runParams: DataLoader<string, KeyValueRow[]>;
  runTags: DataLoader<string, KeyValueRow[]>;
  runLatestMetrics: DataLoader<string, LatestMetricRow[]>;
  runDatasets: DataLoader<string, RunDatasetRow[]>;
  runArtifacts: DataLoader<string, ArtifactRow[]>;
  /** The newest hundred runs of each dataset. */
  datasetRuns: DataLoader<string, RunDatasetRow[]>;
  jobCheckpoints: DataLoader<string, CheckpointRow[]>;
}

const LINEAGE = 'run_id as "runId", dataset_id as "datasetId", role';
const NEWEST_LINEAGE = `(select * from (
  select *, row_number() over (partition by tenant, dataset_id order by created_at desc, id desc) as n from run_dataset) numbered where n <= 100) newest`;
const ARTIFACT = 'id, path, size_bytes::float8 as "sizeBytes", sha256, content_type as "contentType", created_at as "createdAt"';
const CHECKPOINT = 'epoch, attempt, size_bytes::float8 as "sizeBytes", sha256, created_at as "createdAt"';

export function createLoaders(run: RunInSession): Loaders {
  const byId = <T extends { id: string; tenant: string }>(entity: EntityName<T>) =>
    new DataLoader<string, T | null>((ids) =>
      run(async (session) => {
        const rows = (await session.em.find(entity, { id: { $in: [...ids] }, tenant: session.tenant } as unknown as FilterQuery<T>)) as T[];
        const found = new Map(rows.map((row) => [row.id, row]));
        return ids.map((id) => found.get(id) ?? null);
      }),
    );
  /** Rows of `columns` in `table` grouped by the column `owner`, in `order`. */
  const grouped = <Row>(table: string, owner: string, columns: string, order: string) =>
    new DataLoader<string, Row[]>((ids) =>
      run(async (session) => {
        const rows = await sql<(Row & { owner_id: string })>(session.em, 
          `select ${owner} as owner_id, ${columns} from ${table} where tenant = ? and ${owner} = any(?::uuid[]) order by ${order}`,
          [session.tenant, [...ids]],
        );
        const groups = Map.groupBy(rows, (row) => row.owner_id);
        return ids.map((id) => groups.get(id) ?? []);
      }),
    );
  return {
    dataset: byId(Dataset),
    experiment: byId(Experiment),
    run: byId(Run),
    runParams: grouped<KeyValueRow>('run_param', 'run_id', 'key, value', 'key'),
    runTags: grouped<KeyValueRow>('run_tag', 'run_id', 'key, value', 'key'),
    runDatasets: grouped<RunDatasetRow>('run_dataset', 'run_id', LINEAGE, 'created_at, id'),
    runArtifacts: grouped<ArtifactRow>('artifact', 'run_id', ARTIFACT, 'path'),
    datasetRuns: grouped<RunDatasetRow>(NEWEST_LINEAGE, 'dataset_id', LINEAGE, 'created_at desc, id desc'),
    jobCheckpoints: grouped<CheckpointRow>('checkpoint', 'job_id', CHECKPOINT, 'epoch desc, attempt desc'),
    runLatestMetrics: grouped<LatestMetricRow>('metric_latest', 'run_id', 'key, value, step::float8 as step, logged_at as "loggedAt"', 'key'),
  };
}
