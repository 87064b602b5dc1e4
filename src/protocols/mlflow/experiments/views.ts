import { z } from 'zod';
import type { Experiment } from '../../../db/entities/experiments/experiment.entity.js';
import type { Run } from '../../../db/entities/experiments/run.entity.js';
import {
  RUN_TAGS,
  type ExperimentAddress,
  type MetricPoint,
  type DatasetReference,
  type RunDetails,
} from '../../../modules/experiments/index.js';
import { toHexId } from '../../../modules/core/index.js';
import { toExperimentId, toModelId } from '../ids.js';

// The answers of MLflow's server for each kind of object. Fields that protobuf omits are omitted: empty lists, values
// that were never set.

const LARGEST = Number.MAX_VALUE;

/** As in MLflow's SQL store: infinities become its largest numbers, and NaN becomes a text. */
export function toMetricValue(value: number | string): number | 'NaN' {
  const number = Number(value);
  return Number.isNaN(number) ? 'NaN' : Math.min(LARGEST, Math.max(-LARGEST, number));
}

const list = <Name extends string, T>(name: Name, items: T[]) => (items.length > 0 ? { [name]: items } : {});

/** Sorted by key, because a stored record has no fixed order. */
export const toEntries = (record: Record<string, string>) =>
  Object.entries(record)
    .map(([key, value]) => ({ key, value }))
    .sort((a, b) => (a.key < b.key ? -1 : 1));

const toStage = (state: 'ACTIVE' | 'DELETED') => state.toLowerCase();

const PROXY = 'mlflow-artifacts:';

/**
 * The place where clients store artifacts of an experiment's runs. Behind the proxy each experiment has one place,
 * whatever was requested.
 */
function artifactRoot(experiment: ExperimentAddress): string {
  const { artifactLocation: location } = experiment;
  return location && !location.startsWith(PROXY) ? location : `${PROXY}/${toExperimentId(experiment)}`;
}

/** A URI below it; its query string stays at the end. */
export function artifactUri(experiment: ExperimentAddress, below: string): string {
  const [, root = '', query = ''] = /^([^?]*)(.*)$/s.exec(artifactRoot(experiment)) ?? [];
  return `${root.replace(/\/+$/, '')}/${below}${query}`;
}

export function toExperiment(experiment: Experiment): object {
  return {
    experiment_id: toExperimentId(experiment),
    name: experiment.name,
    artifact_location: experiment.artifactLocation ?? artifactRoot(experiment),
    lifecycle_stage: toStage(experiment.state),
    last_update_time: experiment.updatedAt.getTime(),
    creation_time: experiment.createdAt.getTime(),
    ...list('tags', toEntries(experiment.tags)),
    workspace: 'default',
  };
}

type RunStatus = Run['status'];

const toStatus = (status: RunStatus) => (status === 'QUEUED' ? 'SCHEDULED' : status);

/** In the order of protobuf's numbers, from 1. */
const STATUSES: RunStatus[] = ['RUNNING', 'QUEUED', 'FINISHED', 'FAILED', 'KILLED'];

/** A status as clients send it: the name or the number of MLflow's enum; null when absent. */
export const runStatus = z
  .union([z.string(), z.number()])
  .nullish()
  .transform((sent, context): RunStatus | null => {
    if (sent == null) return null;
    const status = STATUSES.find((known) => toStatus(known) === sent) ?? STATUSES[Number(sent) - 1];
    if (status) return status;
    context.addIssue({ code: 'custom' });
    return z.NEVER;
  });

export function toRunInfo(run: Run, experiment: ExperimentAddress, tags: RunDetails['tags']): object {
  const id = toHexId(run.id);
  return {
    run_uuid: id,
    experiment_id: toExperimentId(experiment),
    run_name: run.name,
    user_id: tags.find(({ key }) => key === RUN_TAGS.user)?.value ?? run.createdBy,
    status: toStatus(run.status),
    start_time: run.startedAt.getTime(),
    ...(run.endedAt && { end_time: run.endedAt.getTime() }),
    artifact_uri: artifactUri(experiment, `${id}/artifacts`),
    lifecycle_stage: toStage(run.state),
    run_id: id,
  };
}

export function toRun(run: Run, experiment: ExperimentAddress, details: RunDetails): object {
  const { metrics, params, tags, inputs, models } = details;
  const read = models.filter(({ direction }) => direction === 'INPUT');
  const made = models.filter(({ direction }) => direction === 'OUTPUT');
  return {
    info: toRunInfo(run, experiment, tags),
    data: {
      ...list(
        'metrics',
        metrics.map(({ key, value, step, timeMs }) => ({ key, value: toMetricValue(value), timestamp: timeMs, step })),
      ),
      ...list('params', params),
      ...list('tags', tags),
    },
    inputs: {
      ...list('dataset_inputs', inputs.map(toDatasetInput)),
      ...list(
        'model_inputs',
        read.map(({ loggedModelId }) => ({ model_id: toModelId(loggedModelId) })),
      ),
    },
    outputs: list(
      'model_outputs',
      made.map(({ loggedModelId, step }) => ({ model_id: toModelId(loggedModelId), step })),
    ),
  };
}

function toDatasetInput({ name, digest, sourceType, source, schema, profile, tags }: DatasetReference): object {
  return {
    ...list('tags', toEntries(tags)),
    dataset: { name, digest, source_type: sourceType, source, ...(schema && { schema }), ...(profile && { profile }) },
  };
}

export function toMetric(key: string, { value, step, timeMs }: MetricPoint): object {
  return { key, value: toMetricValue(value), timestamp: timeMs, step };
}

export const toMetricOfRun = (key: string, point: MetricPoint) => ({
  ...toMetric(key, point),
  run_id: toHexId(point.runId),
});
