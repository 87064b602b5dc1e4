import { v7 as uuidv7 } from 'uuid';
import { Dataset } from '../../db/entities/datasets/dataset.entity.js';
import type { Session } from '../../db/database.js';
import { checkTags, checkRange, type InputRange } from '../core/index.js';
import { CONTEXT_TAG } from './rules/run-tags.js';
import { checkDatasetText } from './rules/logged-values.js';
import { badInput } from '../../errors.js';
import { requireOwn, audit } from '../platform/index.js';
import type { TagEntry } from './experiment.service.js';
import { requireWritable } from './run-pairs.js';
import {
  addDatasets,
  datasetsOfExperiments,
  registeredAs,
  type DatasetOfExperiment,
  type LoggedDatasetRow,
} from './stores/datasets.js';

export interface NewLoggedDataset {
  direction: 'INPUT' | 'OUTPUT';
  /** The id of a registered dataset. Name, digest and source are taken from it when they are absent. */
  datasetId?: string | null;
  name?: string | null;
  digest?: string | null;
  sourceType?: string | null;
  source?: string | null;
  schema?: string | null;
  profile?: string | null;
  /** The purpose, e.g. "training". MLflow's tag mlflow.data.context. */
  context?: string | null;
  tags?: TagEntry[] | null;
}

export const DATASETS_PER_CALL = { min: 1, max: 1_000, unit: 'datasets' } satisfies InputRange;
const DIGEST_CHARACTERS = 36;
/** A shorter digest is a client's own hash, not SHA-256, and would match by chance. */
const SHA256_PREFIX = /^[0-9a-f]{16,64}$/;

/** Data that runs read and wrote, as their code says: registered datasets, and references to other data. */
export class RunDatasetService {
  /**
   * If name, digest and direction are known already, only tags with new keys are added: the first value of a key stays,
   * as in MLflow.
   */
  async log(session: Session, runId: string, datasets: NewLoggedDataset[]): Promise<void> {
    checkRange(DATASETS_PER_CALL, datasets, null, 'input.datasets');
    await requireWritable(session, runId);
    const rows = await this.rows(session, datasets);
    await addDatasets(session, runId, rows);
    const logged = rows.map(({ direction, name, digest, datasetId }) => ({ direction, name, digest, datasetId }));
    audit(session, 'logRunDatasets', { type: 'run', id: runId }, null, {
      datasets: logged.slice(0, 100),
      count: logged.length,
    });
  }

  /** Each dataset that runs of these experiments read, once for each context. */
  inExperiments(session: Session, experimentIds: readonly string[], limit: number): Promise<DatasetOfExperiment[]> {
    return datasetsOfExperiments(session, experimentIds, CONTEXT_TAG, limit);
  }

  /** Of several with the same direction, name and digest, only the first is kept. */
  private async rows(session: Session, datasets: NewLoggedDataset[]): Promise<LoggedDatasetRow[]> {
    const ids = datasets.flatMap(({ datasetId }) => datasetId ?? []);
    await requireOwn(session, Dataset, 'dataset', ids);
    const found = ids.length > 0 ? await session.em.find(Dataset, { tenant: session.tenant, id: { $in: ids } }) : [];
    const registered = new Map(found.map((dataset) => [dataset.id, dataset]));
    const rows = new Map<string, LoggedDatasetRow>();
    datasets.forEach((input, i) => {
      const row = toRow(input, `input.datasets[${i}]`, registered.get(input.datasetId ?? ''));
      const key = JSON.stringify([row.direction, row.name, row.digest]);
      if (!rows.has(key)) rows.set(key, row);
    });
    const unlinked = [...rows.values()].filter(
      ({ datasetId, digest }) => datasetId === null && SHA256_PREFIX.test(digest),
    );
    const byDigest = await registeredAs(session, [...new Set(unlinked.map(({ digest }) => digest))]);
    for (const row of unlinked) row.datasetId = byDigest.get(row.digest) ?? null;
    return [...rows.values()];
  }
}

function toRow(input: NewLoggedDataset, field: string, registered: Dataset | undefined): LoggedDatasetRow {
  const given = {
    name: input.name ?? registered?.name,
    digest: input.digest ?? registered?.sha256.slice(0, DIGEST_CHARACTERS),
    sourceType: input.sourceType ?? (registered && 'registered'),
    source:
      input.source ??
      (registered && JSON.stringify({ datasetId: registered.id, name: registered.name, version: registered.version })),
    schema: input.schema ?? (registered ? JSON.stringify(registered.columns) : null),
    profile: input.profile ?? (registered ? JSON.stringify({ num_rows: registered.rowCount }) : null),
  };
  const text = (key: 'name' | 'digest' | 'sourceType' | 'source'): string => {
    const value = given[key];
    if (value === undefined)
      throw badInput(`${field}.${key}`, `a ${key}, or the datasetId of a registered dataset`, value ?? null);
    return checkDatasetText(`${field}.${key}`, key, value);
  };
  const tags = checkTags(`${field}.tags`, input.tags ?? []);
  if (input.context != null) tags[CONTEXT_TAG] = checkDatasetText(`${field}.context`, 'context', input.context);
  return {
    ...{ id: uuidv7(), direction: input.direction, datasetId: registered?.id ?? null, tags },
    ...{ name: text('name'), digest: text('digest'), sourceType: text('sourceType'), source: text('source') },
    schema: given.schema == null ? null : checkDatasetText(`${field}.schema`, 'schema', given.schema),
    profile: given.profile == null ? null : checkDatasetText(`${field}.profile`, 'profile', given.profile),
  };
}
