import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatasetFiles } from '../../adapters/dataset-files/port.js';
import type { Job } from '../../db/entities/jobs/job.entity.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { Deployment } from '../../db/entities/serving/deployment.entity.js';
import { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import type { Session } from '../../db/database.js';
import { badInput, conflict } from '../../errors.js';
import { checkPathName } from '../core/index.js';
import type { DatasetService } from '../datasets/index.js';
import type { AttemptOf, JobService } from '../jobs/index.js';
import { audit, requireOwn } from '../platform/index.js';
import { findEndpoint, type NamedEndpoint } from '../serving/index.js';
import { LOG_DATASET } from './log-dataset.job-kind.js';
import { loggedPages } from './logged-pages.js';
import { type LabelledRow, loggedColumns, toColumns } from './rules/logged-columns.js';

export interface RegisterPredictionLogInput extends NamedEndpoint {
  name: string;
  deploymentId?: string | null;
  from?: Date | null;
  to?: Date | null;
  labelledOnly?: boolean | null;
}

interface Dependencies {
  jobs: JobService;
  datasets: DatasetService;
  files: DatasetFiles;
}

type LogAttempt = AttemptOf<typeof LOG_DATASET>;

const DAY_MS = 24 * 60 * 60 * 1000;
const DEFAULT_RANGE_MS = 30 * DAY_MS;

/** Datasets of what an endpoint has answered, to train on and to predict again. */
export class LogDatasetService {
  constructor(private readonly deps: Dependencies) {}

  async start(session: Session, input: RegisterPredictionLogInput): Promise<Job> {
    const name = checkPathName('input.name', input.name);
    const endpoint = await findEndpoint(session, input, 'input');
    const { deploymentId = null } = input;
    await requireOwn(session, Deployment, 'deployment', [deploymentId]);
    const to = input.to ?? new Date();
    const from = input.from ?? new Date(to.getTime() - DEFAULT_RANGE_MS);
    if (from >= to) throw badInput('input.from', 'a time before `to`', from.toISOString());
    const range = { from: from.toISOString(), to: to.toISOString(), labelledOnly: input.labelledOnly ?? false };
    const wanted = { endpointId: endpoint.id, deploymentId, name, ...range };
    // What cannot be one dataset is refused now, and not by the job.
    const { deployments, versions } = await sourcesOf(session, endpoint, deploymentId);
    if (deploymentId !== null && deployments.length === 0)
      throw badInput('input.deploymentId', 'a deployment of this endpoint', deploymentId);
    loggedColumns([...versions.values()].map(signatureOf), endpoint.redactedFields);
    const job = this.deps.jobs.create(session, LOG_DATASET, { input: wanted });
    await session.em.flush();
    audit(session, 'registerPredictionLog', { type: 'job', id: job.id }, null, wanted);
    return job;
  }

  async execute(attempt: LogAttempt): Promise<void> {
    const { files, datasets } = this.deps;
    const { name, labelledOnly } = attempt.input;
    const { endpoint, deployments, versions } = await attempt.read(async (session) => {
      const found = await findEndpoint(session, { endpointId: attempt.input.endpointId }, 'input');
      return { endpoint: found, ...(await sourcesOf(session, found, attempt.input.deploymentId)) };
    });
    const columns = loggedColumns([...versions.values()].map(signatureOf), endpoint.redactedFields);
    const folder = await mkdtemp(join(tmpdir(), 'matih-log-'));
    try {
      const parts: string[] = [];
      let [rows, labelledRows] = [0, 0];
      const range = { from: new Date(attempt.input.from), to: new Date(attempt.input.to), all: false };
      for (const { id, modelVersionId } of deployments)
        for await (const page of loggedPages(attempt.read, id, versions.get(modelVersionId)!.version, range)) {
          attempt.signal.throwIfAborted();
          const kept = labelledOnly ? page.filter(isLabelled) : page;
          if (kept.length === 0) continue;
          const part = join(folder, `${parts.length}.parquet`);
          await files.writeParquet(toColumns(kept, columns), part);
          parts.push(part);
          rows += kept.length;
          labelledRows += kept.filter(isLabelled).length;
          attempt.progress(0, `${rows} rows`);
        }
      if (parts.length === 0) throw nothingLogged(endpoint, labelledOnly);
      const path = join(folder, 'log.parquet');
      await files.concatParquet(parts, path);
      await datasets.registerMade(
        attempt.job,
        { name, path, source: `log of endpoint ${endpoint.name}` },
        (id, create) => attempt.succeed({ datasetId: id, rows, labelledRows }, create),
      );
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
}

const isLabelled = ({ trueLabel, trueValue }: LabelledRow): boolean => trueLabel !== null || trueValue !== null;

/** The deployments, those that were stopped included, and their versions by id. */
async function sourcesOf({ em, tenant }: Session, endpoint: Endpoint, deploymentId: string | null) {
  const which = { tenant, endpointId: endpoint.id, ...(deploymentId !== null && { id: deploymentId }) };
  const deployments = await em.find(Deployment, which, { orderBy: { id: 'ASC' } });
  const ids = [...new Set(deployments.map(({ modelVersionId }) => modelVersionId))];
  const versions = await em.find(ModelVersion, { tenant, id: { $in: ids } });
  return { deployments, versions: new Map(versions.map((version) => [version.id, version])) };
}

const signatureOf = ({ signature }: ModelVersion) => signature ?? { inputs: [], outputs: [] };

function nothingLogged({ name }: Endpoint, labelledOnly: boolean) {
  const what = labelledOnly ? 'answered request with ground truth' : 'answered request';
  return conflict(`The log of endpoint "${name}" has no ${what} in this time: choose another range.`, {
    expected: `a range with at least one ${what}`,
  });
}
