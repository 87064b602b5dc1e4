import { checkArtifactPath, contentTypeOf } from '../core/index.js';
import { LockMode } from '@mikro-orm/core';
import type { Readable } from 'node:stream';
import { v7 as uuidv7 } from 'uuid';
import type { ByteRange, ObjectStore, StoredObject } from '../../adapters/object-store/port.js';
import type { Actor, Database, Session } from '../../db/database.js';
import { Job } from '../../db/entities/jobs/job.entity.js';
import { Artifact } from '../../db/entities/artifacts/artifact.entity.js';
import { type StagedObjects, type UploadService } from '../uploads/index.js';
import { AppError, conflict, ErrorCode, notFound } from '../../errors.js';
import { audit } from '../platform/index.js';
import { requireWritable, type RunService } from '../experiments/index.js';

/** Folders of a training's run that only the service fills. */
const RESERVED_FOLDERS = ['model', 'metrics', 'logs', 'checkpoints'];

/** Files of runs, model versions and jobs: size and SHA-256 are in the database, the content is in the object store. */
export class ArtifactService {
  constructor(
    private readonly db: Database,
    private readonly objects: ObjectStore,
    private readonly staged: StagedObjects,
    private readonly uploads: UploadService,
    private readonly runs: RunService,
  ) {}

  /**
   * Stores an uploaded file with a run. The same bytes at the same path again change nothing; other bytes are CONFLICT.
   */
  async log(actor: Actor, input: { runId: string; path: string; uploadId: string }): Promise<Artifact> {
    const path = checkArtifactPath('input.path', input.path);
    const id = uuidv7();
    const start = await this.db.transact(actor, async (session) => {
      const run = await this.runs.get(session, input.runId);
      await requireWritable(session, run.id);
      const upload = await this.uploads.get(session, input.uploadId);
      await refuseReservedFolders(session, run.id, path);
      const existing = await this.existing(session, run.id, path, upload.sha256);
      const objectKey = `${session.tenant}/runs/${run.id}/artifacts/${id}/${path}`;
      if (!existing) await this.staged.stage(session, objectKey);
      return { upload, objectKey, existing };
    });
    if (start.existing) return start.existing;
    const { objectKey, upload } = start;
    try {
      const stored = await this.objects.put(objectKey, await this.objects.get(upload.objectKey));
      return await this.db.transact(actor, async (session) => {
        const run = await this.runs.get(session, input.runId);
        await session.em.lock(run, LockMode.PESSIMISTIC_WRITE);
        const existing = await this.existing(session, run.id, path, stored.sha256);
        if (existing) {
          await this.staged.release(session, [objectKey]);
          return existing;
        }
        const artifact = await this.record(session, { runId: run.id }, path, objectKey, stored, id);
        audit(session, 'logArtifact', { type: 'run', id: run.id }, null, { path, sha256: stored.sha256 });
        return artifact;
      });
    } catch (error) {
      await this.staged.discard(objectKey);
      throw error;
    }
  }

  /** Writes the row of a staged file that has been stored. */
  async record(
    session: Session,
    owner: { runId: string } | { modelVersionId: string } | { jobId: string } | { loggedModelId: string },
    path: string,
    objectKey: string,
    stored: StoredObject,
    id?: string,
  ): Promise<Artifact> {
    await this.staged.settle(session, [objectKey]);
    return session.em.create(Artifact, {
      ...(id && { id }),
      tenant: session.tenant,
      ...owner,
      path,
      objectKey,
      ...stored,
      contentType: contentTypeOf(path),
    });
  }

  async get(session: Session, id: string): Promise<Artifact> {
    const artifact = await session.em.findOne(Artifact, { id, tenant: session.tenant });
    if (!artifact) throw notFound('artifact', id);
    return artifact;
  }

  /** The artifact whose content is stored here; null when there is none. */
  async at({ em, tenant }: Session, objectKey: string): Promise<Artifact | null> {
    const artifact = await em.findOne(Artifact, { tenant, objectKey });
    return artifact;
  }

  /** Reads all or a part of the content. UNAVAILABLE when the stored file is missing. */
  async read(artifact: Artifact, range?: ByteRange): Promise<Readable> {
    try {
      return await this.objects.get(artifact.objectKey, range);
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== ErrorCode.NOT_FOUND) throw error;
      throw new AppError(
        ErrorCode.UNAVAILABLE,
        `The stored file of artifact ${artifact.path} is gone.`,
        {},
        { cause: error },
      );
    }
  }

  private async existing(session: Session, runId: string, path: string, sha256: string): Promise<Artifact | null> {
    const artifact = await session.em.findOne(Artifact, { tenant: session.tenant, runId, path });
    if (artifact && artifact.sha256 !== sha256) {
      const expected = `a free path, or the content with SHA-256 ${artifact.sha256}`;
      throw conflict(`This run already has another file at ${path}; artifacts do not change.`, {
        field: 'input.path',
        expected,
        got: path,
      });
    }
    return artifact;
  }
}

/** True for a folder that a training of this service fills, and for a folder that contains such a folder. */
export const isReservedFolder = (path: string) => path === '' || RESERVED_FOLDERS.includes(path.split('/')[0] ?? '');

/** CONFLICT for a folder that a training of this service fills itself. */
export async function refuseReservedFolders(session: Session, runId: string, path: string): Promise<void> {
  if (!isReservedFolder(path)) return;
  if ((await session.em.count(Job, { tenant: session.tenant, runId, kind: 'TRAINING' })) === 0) return;
  const expected = `a path outside ${RESERVED_FOLDERS.join('/, ')}/`;
  throw conflict(`The training of this run stores a file of its own there: ${path}.`, {
    field: 'input.path',
    expected,
    got: path,
  });
}
