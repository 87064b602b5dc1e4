import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Session } from '../../db/database.js';
import { statusOfRemote, type RemotePoint, type RemoteRun, visibleName } from './rules/mlflow-records.js';
import {
  ANY_STEP,
  isEnded,
  CONTEXT_TAG,
  RUN_TAGS,
  type TagEntry,
  type RunDatasetService,
  type RunLifecycleService,
  type RunService,
} from '../experiments/index.js';
import { toHexId, freeArtifactPath, timeOf } from '../core/index.js';
import { type ArtifactFolderService, type FolderOwner, storedFiles } from '../artifacts/index.js';
import { inGroups, type ImportWork, fingerprintOf } from './import-work.js';
import type { RemoteFolder } from './mlflow-reader.js';
import { childrenToLink, clearParent } from './stores/external-refs.js';

/** For a run or a logged model, after all its files were imported. */
export interface SyncedFiles {
  filesAt?: string;
  /** Paths of files that were replaced on this service afterwards. */
  ownFiles?: string[];
}

interface SyncedRun extends SyncedFiles {
  print: string;
  /** For each metric, the latest point up to which all points were imported. */
  metrics: Record<string, string>;
  ended: boolean;
  /** The other server's id of the parent run, until both runs are imported and linked. */
  parent?: string;
}

export interface RunImportServices {
  runs: RunService;
  lifecycle: RunLifecycleService;
  datasets: RunDatasetService;
  folders: ArtifactFolderService;
}

/** MLflow's name for a user who gave none. */
const NOBODY = 'unknown';
/** Limit of a file that is read again to see whether it has changed. */
const MAX_COMPARED_BYTES = 1024 ** 2;
/** Tags that are columns here; they are set separately. */
const COLUMN_TAGS: readonly string[] = [RUN_TAGS.name, RUN_TAGS.parent];

/** Imports runs with all that was logged to them. */
export class RunImport {
  constructor(
    private readonly services: RunImportServices,
    private readonly work: ImportWork,
  ) {}

  /** Imports a run and returns its id. */
  async importRun(experimentId: string, remote: RemoteRun): Promise<string> {
    const { work } = this;
    const { run_id: externalId, lifecycle_stage: stage } = remote.info;
    const print = fingerprintOf(remote);
    const known = await work.find<SyncedRun>('RUN', externalId);
    const synced = known?.synced ?? {};
    const isSame = synced.print === print && synced.ended === true;
    const runId = known?.localId ?? (await this.create(experimentId, remote));
    if (!isSame) await work.attempt.write((session) => this.describe(session, runId, remote));
    const metrics = isSame ? (synced.metrics ?? {}) : await this.importMetrics(runId, remote, synced);
    const place = { artifactUri: remote.info.artifact_uri, runId: externalId };
    // The files may change when the run does not.
    const files = await importFiles(this.services.folders, work, { runId }, place, synced);
    if (isSame && files.imported === 0) {
      work.unchanged('RUN');
      return runId;
    }
    const status = statusOfRemote(remote.info.status);
    const parent = remote.data.tags.find(({ key }) => key === RUN_TAGS.parent)?.value;
    const after: SyncedRun = { print, metrics, ...files.synced, ended: isEnded(status), ...(parent && { parent }) };
    const outcome =
      synced.print === undefined ? 'added' : synced.print === print && files.imported === 0 ? 'unchanged' : 'changed';
    await work.finish('RUN', externalId, outcome, isSame ? { ...synced, ...files.synced } : after, async (session) => {
      if (isSame) return;
      const { end_time: end, start_time: start } = remote.info;
      const endedAt = isEnded(status) ? timeOf('end_time', end ?? start ?? Date.now()) : null;
      await this.services.runs.setStatus(session, runId, { status, endedAt });
      if (stage === 'deleted') await this.services.lifecycle.remove(session, runId);
    });
    return runId;
  }

  /** Call when all runs of an experiment are imported, including those of earlier attempts. */
  async linkParents(experimentId: string): Promise<void> {
    const { attempt, config } = this.work;
    for (const { runId, parentId } of await attempt.read((session) =>
      childrenToLink(session, config.server, experimentId),
    )) {
      attempt.signal.throwIfAborted();
      await this.work.leniently(`parent of run ${runId}`, () =>
        attempt.write((session) => this.join(session, runId, parentId)),
      );
    }
  }

  /** Done once, so that the next import does not undo a change of the parent here. */
  private async join(session: Session, runId: string, parentId: string): Promise<void> {
    await this.services.runs.setTags(session, runId, [{ key: RUN_TAGS.parent, value: toHexId(parentId) }]);
    await clearParent(session, this.work.config.server, runId);
  }

  private create(experimentId: string, { info }: RemoteRun): Promise<string> {
    const startedAt = timeOf('start_time', info.start_time ?? Date.now());
    const name = visibleName(info.run_name, `run-${info.run_id.slice(0, 8)}`);
    return this.work.make('RUN', info.run_id, async (session, id) => {
      const run = await this.services.runs.create(session, { ...(id && { id }), experimentId, name, startedAt });
      run.createdAt = startedAt;
      return run.id;
    });
  }

  private async describe(session: Session, runId: string, { info, data, inputs }: RemoteRun): Promise<void> {
    const { runs, lifecycle, datasets } = this.services;
    const run = await runs.get(session, runId);
    if (run.state === 'DELETED') await lifecycle.restore(session, runId);
    await session.em.flush();
    await inGroups(session, data.params, (params) => runs.logParams(session, runId, params));
    const tags: TagEntry[] = data.tags.filter(({ key }) => !COLUMN_TAGS.includes(key));
    if (info.user_id && info.user_id !== NOBODY && !tags.some(({ key }) => key === RUN_TAGS.user))
      tags.push({ key: RUN_TAGS.user, value: info.user_id });
    tags.push({ key: RUN_TAGS.name, value: visibleName(info.run_name, run.name) });
    await inGroups(session, tags, (group) => runs.setTags(session, runId, group));
    const logged = inputs.dataset_inputs.map(({ dataset, tags: about }) => ({
      ...{ direction: 'INPUT' as const, name: dataset.name, digest: dataset.digest, source: dataset.source },
      ...{ sourceType: dataset.source_type, schema: dataset.schema, profile: dataset.profile },
      context: about.find(({ key }) => key === CONTEXT_TAG)?.value,
      tags: about.filter(({ key }) => key !== CONTEXT_TAG),
    }));
    if (logged.length > 0) await datasets.log(session, runId, logged);
  }

  /** Imports all points of the metrics that have changed; the same point again adds nothing. */
  private async importMetrics(
    runId: string,
    { info, data }: RemoteRun,
    before?: Partial<SyncedRun>,
  ): Promise<Record<string, string>> {
    const { work, services } = this;
    const latest = new Map<string, string>();
    for (const { key, ...point } of data.metrics) {
      const place = `${point.step} ${point.timestamp} ${point.value}`;
      if (!before?.ended || before.metrics?.[key] !== place) {
        for await (const points of work.reader.history(info.run_id, key)) {
          work.tally.metricPoints += await work.attempt.write((session) =>
            services.runs.logMetrics(session, runId, points.map(toPoint), ANY_STEP),
          );
        }
      }
      latest.set(key, place);
    }
    return Object.fromEntries(latest);
  }
}

const toPoint = ({ key, value, step, timestamp }: RemotePoint) => ({ key, value, step, loggedAt: new Date(timestamp) });

/** Imports files that are new or have changed on the other server. Files that were replaced on this service stay. */
export async function importFiles(
  folders: ArtifactFolderService,
  work: ImportWork,
  owner: FolderOwner,
  place: RemoteFolder,
  { filesAt, ownFiles }: SyncedFiles,
): Promise<{ imported: number; synced: SyncedFiles }> {
  let imported = 0;
  if (!work.config.withArtifacts) return { imported, synced: { filesAt, ownFiles } };
  const thing = 'runId' in owner ? `files of run ${owner.runId}` : `files of logged model ${owner.loggedModelId}`;
  if (!work.reader.reaches(place)) {
    work.problem(thing, `they are at ${place.artifactUri.split('?')[0]}, which the server does not hand out`);
    return { imported, synced: {} };
  }
  const present = await work.attempt.read((session) => storedFiles(session, owner));
  const here = new Map(present.map((file) => [file.path, file]));
  const isOwn = ({ path, createdAt }: { path: string; createdAt: Date }) =>
    filesAt !== undefined && (createdAt > new Date(filesAt) || ownFiles?.includes(path) === true);
  const isWhole = await work.leniently(thing, async () => {
    for await (const { path: remotePath, sizeBytes } of work.reader.files(place)) {
      work.attempt.signal.throwIfAborted();
      const path = freeArtifactPath(remotePath);
      if (!path) {
        work.problem(thing, `a path leads out of its folder: ${remotePath.slice(0, 100)}`);
        continue;
      }
      const ours = here.get(path);
      if (ours && isOwn(ours)) continue;
      await work.leniently(`${thing}: ${path}`, async () => {
        if (ours && !(await hasChanged(ours, sizeBytes, () => work.reader.content(place, remotePath)))) return;
        const stored = await folders.put(
          work.actor,
          { owner, path, check: async () => undefined, experiment: 'ANY' },
          await work.reader.content(place, remotePath),
        );
        imported += 1;
        work.tally.artifacts += 1;
        work.tally.artifactBytes += stored.sizeBytes;
      });
    }
  });
  const own = present.filter(isOwn).map(({ path }) => path);
  return { imported, synced: isWhole ? { filesAt: new Date().toISOString(), ownFiles: own } : {} };
}

/** MLflow gives no hash of a file, so a small file of the same size is read again. */
async function hasChanged(
  ours: { sizeBytes: number; sha256: string },
  theirBytes: number | null,
  read: () => Promise<Readable>,
): Promise<boolean> {
  if (theirBytes !== null && theirBytes !== ours.sizeBytes) return true;
  if (ours.sizeBytes > MAX_COMPARED_BYTES) return false;
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of (await read()) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > ours.sizeBytes) return true;
    hash.update(chunk);
  }
  return hash.digest('hex') !== ours.sha256;
}
