import { contentTypeOf } from '../core/index.js';
import { hash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { v7 as uuidv7 } from 'uuid';
import type { ObjectStore, StoredObject, StoredPart } from '../../adapters/object-store/port.js';
import { Artifact } from '../../db/entities/artifacts/artifact.entity.js';
import type { DirectUpload } from '../../db/entities/uploads/direct-upload.entity.js';
import type { Actor, Database, Session } from '../../db/database.js';
import { addSmall, type DirectUploads, MAX_SMALL_BYTES, smallKey, type StagedObjects } from '../uploads/index.js';
import { AppError, ErrorCode, notFound } from '../../errors.js';
import { audit, auditRow } from '../platform/index.js';
import { type ArtifactService, isReservedFolder, refuseReservedFolders } from './artifact.service.js';
import { experimentOf, blockingFile, filesAt, folderEntries, type FolderOwner, type PresentFile } from './store.js';
import type { ExperimentAddress } from '../experiments/index.js';

/** A file or folder among the artifacts of a run or a logged model. */
export interface ArtifactAddress {
  owner: FolderOwner;
  /** The path below the owner's artifacts; '' means all of them. */
  path: string;
}

/** An address, and the check that a change of it must pass. */
export interface CheckedArtifactAddress extends ArtifactAddress {
  check(session: Session, experiment: ExperimentAddress): Promise<void>;
  /**
   * An experiment id, DEFAULT or ANY: an owner in this experiment passes `check`. Null when only `check` can decide.
   */
  experiment: string | null;
}

/** A file to store at its path. */
interface NewFile {
  objectKey: string;
  stored: StoredObject;
  /** The content of a file that is stored in the database; null for a file in the object store. */
  content: Buffer | null;
}

/** A file, or a folder with files in it. */
export interface FolderEntry {
  name: string;
  isFolder: boolean;
  sizeBytes: number;
}

interface Dependencies {
  db: Database;
  objects: ObjectStore;
  staged: StagedObjects;
  artifacts: ArtifactService;
  uploads: DirectUploads;
  maxBytes: number;
}

const DELETED_AT_ONCE = 1_000;
/** A file up to this size is held in memory as a whole, which costs less than a stream. */
const SMALL_BYTES = 256 * 1024;
/** Hashes that an audit entry shows at most. */
const MAX_HASHES_SHOWN = 100;

/**
 * The files of a run or a logged model, as a folder. Its client may add, replace and delete files; the caller checks
 * the paths before.
 */
export class ArtifactFolderService {
  constructor(private readonly deps: Dependencies) {}

  /** The experiment of the owner. NOT_FOUND when the owner does not exist. */
  experimentOf(session: Session, owner: FolderOwner): Promise<ExperimentAddress> {
    return readExperiment(session, owner, null);
  }

  /** Streams a file in. It replaces the file that is at the path. */
  async put(
    actor: Actor,
    address: CheckedArtifactAddress,
    content: Readable,
    sizeBytes = Number.POSITIVE_INFINITY,
  ): Promise<StoredObject> {
    const { db, objects, staged, maxBytes } = this.deps;
    const { owner, path, check } = address;
    // A small file is received before its path is checked: if the path is refused, little is lost.
    const bytes = sizeBytes <= SMALL_BYTES ? await buffer(content) : null;
    // Only when the service itself serves the files: a store server gives clients download URLs, which the database
    // cannot.
    if (bytes && bytes.length <= Math.min(MAX_SMALL_BYTES, maxBytes) && objects.signedRequests) {
      const stored = { sizeBytes: bytes.length, sha256: hash('sha256', bytes) };
      await this.addOrReplace(actor, address, {
        objectKey: keyOf(actor, owner, path, smallKey),
        stored,
        content: bytes,
      });
      return stored;
    }
    if (!bytes) {
      await db.transact(actor, async (session) => {
        await check(session, await this.experimentOf(session, owner));
        await this.requireFreePath(session, owner, path);
      });
    }
    const objectKey = keyOf(actor, owner, path);
    await staged.stageUnflushed(actor, objectKey);
    try {
      let stored: StoredObject;
      if (bytes) {
        const written = await objects.write(objectKey, bytes, { maxBytes });
        await written.flushed;
        stored = written.stored;
      } else stored = await objects.put(objectKey, content, { maxBytes });
      await this.addOrReplace(actor, address, { objectKey, stored, content: null });
      return stored;
    } catch (error) {
      await staged.discard(objectKey);
      throw error;
    }
  }

  /**
   * Begins a file whose parts the client sends directly to the object store. `complete` then puts the file at its path.
   */
  async begin(
    actor: Actor,
    owner: FolderOwner,
    path: string,
    partCount: number,
  ): Promise<{ uploadId: string; urls: string[] }> {
    const uploadId = uuidv7();
    const fileName = path.split('/').at(-1) ?? '';
    const upload = {
      id: uploadId,
      fileName,
      objectKey: keyOf(actor, owner, path),
      partCount,
      target: { ...owner, path },
    };
    const { urls } = await this.deps.uploads.begin(actor, upload, async (session) => {
      await this.requireFreePath(session, owner, path);
    });
    return { uploadId, urls };
  }

  /** NOT_FOUND when no open upload to this path has this id. */
  async complete(
    actor: Actor,
    owner: FolderOwner,
    path: string,
    uploadId: string,
    check: (parts: readonly StoredPart[]) => void,
  ): Promise<Artifact> {
    const { db, uploads } = this.deps;
    const upload = await db.transact(actor, (session) => this.open(session, owner, path, uploadId));
    const stored = await uploads.assemble(upload, check);
    return db.transact(actor, async (session) => {
      await this.lock(session, owner);
      if (!(await uploads.release(session, upload))) throw notFound('upload', uploadId);
      return this.replace(session, owner, path, upload.objectKey, stored);
    });
  }

  async abort(actor: Actor, owner: FolderOwner, path: string, uploadId: string): Promise<void> {
    await this.deps.db.transact(actor, (session) => this.open(session, owner, path, uploadId));
    await this.deps.uploads.abort(actor, uploadId);
  }

  /** Null when there is no file at the path. */
  find(session: Session, owner: FolderOwner, path: string): Promise<Artifact | null> {
    return session.em.findOne(Artifact, { tenant: session.tenant, ...owner, path });
  }

  /** A URL to GET the file without a token. NOT_FOUND when there is no file at the path. */
  async downloadUrl(
    session: Session,
    owner: FolderOwner,
    path: string,
    expiresInSeconds: number,
  ): Promise<{ url: string; sizeBytes: number }> {
    const artifact = await this.find(session, owner, path);
    if (!artifact) throw notFound('artifact', path);
    return {
      url: await this.deps.objects.downloadUrl(artifact.objectKey, expiresInSeconds),
      sizeBytes: artifact.sizeBytes,
    };
  }

  /** The content of a folder ('' for all), ordered by name. Empty for a file and for a path that does not exist. */
  async list(session: Session, owner: FolderOwner, folder: string): Promise<FolderEntry[]> {
    const prefix = folder === '' ? '' : `${folder}/`;
    const entries = await folderEntries(session, owner, prefix);
    return entries.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Deletes the file at the path, or all files in the folder there. Does nothing when there are none. */
  async delete(session: Session, owner: FolderOwner, path: string): Promise<void> {
    const { staged } = this.deps;
    await this.lock(session, owner);
    if ('runId' in owner) await refuseReservedFolders(session, owner.runId, path);
    const shown: string[] = [];
    const discarded: string[] = [];
    let count = 0;
    for (let after = ''; ;) {
      const files = await filesAt(session, owner, path, after, DELETED_AT_ONCE);
      await session.em.nativeDelete(Artifact, { tenant: session.tenant, id: { $in: files.map(({ id }) => id) } });
      const keys = files.map(({ objectKey }) => objectKey);
      // For a large folder, the first files are deleted now; the sweeper deletes the others.
      await staged.stageAll(session, keys, count > 0);
      if (count === 0) discarded.push(...keys);
      shown.push(...files.slice(0, MAX_HASHES_SHOWN - shown.length).map(({ sha256 }) => sha256));
      count += files.length;
      if (files.length < DELETED_AT_ONCE) break;
      after = files.at(-1)!.path;
    }
    session.afterCommit(() => void staged.discardAll(discarded));
    audit(session, 'deleteArtifacts', subjectOf(owner), { path, files: count, sha256: shown }, null);
  }

  /** Makes other writers of the owner's files wait until the transaction ends. */
  private lock(session: Session, owner: FolderOwner): Promise<ExperimentAddress> {
    return readExperiment(session, owner, 'update');
  }

  private async open(session: Session, owner: FolderOwner, path: string, uploadId: string): Promise<DirectUpload> {
    const upload = await this.deps.uploads.get(session, uploadId);
    const isHere = 'runId' in owner ? upload.runId === owner.runId : upload.loggedModelId === owner.loggedModelId;
    if (!isHere || upload.path !== path) throw notFound('upload', uploadId);
    return upload;
  }

  /** Uses one round trip to the database when possible, which is the case for most files. */
  private async addOrReplace(actor: Actor, address: CheckedArtifactAddress, file: NewFile): Promise<void> {
    const { db, staged } = this.deps;
    const { owner, path, check } = address;
    const { objectKey, stored, content } = file;
    if (!db.isMirrored && (await addNew(db, actor, address, file))) return;
    await db.transact(actor, async (session) => {
      await check(session, await this.lock(session, owner));
      if (content) {
        await staged.stage(session, objectKey);
        await addSmall(session, objectKey, content);
      }
      await this.replace(session, owner, path, objectKey, stored);
    });
  }

  /**
   * Changes row and object in one transaction; the replaced file is deleted after the commit. The caller holds the
   * owner's lock.
   */
  private async replace(
    session: Session,
    owner: FolderOwner,
    path: string,
    objectKey: string,
    stored: StoredObject,
  ): Promise<Artifact> {
    const present = await this.requireFreePath(session, owner, path);
    if (present) {
      await session.em.nativeDelete(Artifact, { tenant: session.tenant, id: present.id });
      await this.deps.staged.release(session, [present.objectKey]);
    }
    const artifact = await this.deps.artifacts.record(session, owner, path, objectKey, stored);
    audit(session, 'logArtifact', subjectOf(owner), present && { path, sha256: present.sha256 }, {
      path,
      sha256: stored.sha256,
    });
    return artifact;
  }

  /**
   * No file may be a folder of another file, because clients have both on their disks. Returns the file that is at the
   * path already.
   */
  private async requireFreePath(session: Session, owner: FolderOwner, path: string): Promise<PresentFile | null> {
    if ('runId' in owner) await refuseReservedFolders(session, owner.runId, path);
    const blocking = await blockingFile(session, owner, path, pathAndFolders(path));
    if (!blocking) return null;
    if (blocking.path === path) return blocking;
    const problem = pathAndFolders(path).includes(blocking.path)
      ? `${blocking.path} is a file, not a folder.`
      : `${path} is a folder.`;
    throw new AppError(ErrorCode.INVALID_PATH, problem, {
      field: 'path',
      expected: 'a path that crosses no other file',
      got: path,
    });
  }
}

async function readExperiment(session: Session, owner: FolderOwner, lock: 'update' | null): Promise<ExperimentAddress> {
  const experiment = await experimentOf(session, owner, lock);
  if (!experiment)
    throw 'runId' in owner ? notFound('run', owner.runId) : notFound('logged model', owner.loggedModelId);
  return experiment;
}

/**
 * The SQL that finds what blocks a file at a path: a file at the path, a file at a folder above it, or a file below it.
 */
const blockingFilesSql = (column: string) => `select id, path, object_key as "objectKey", sha256 from artifact
  where tenant = ? and ${column} = ? and path collate "C" = any(?::text[])
  union all
  (select id, path, object_key, sha256 from artifact
   where tenant = ? and ${column} = ? and path collate "C" >= ? and path collate "C" < ? limit 1)`;

/** The path and all folders above it. */
const pathAndFolders = (path: string) => path.split('/').map((_, i, segments) => segments.slice(0, i + 1).join('/'));

/**
 * The parameters of `blockingFilesSql`. In byte order, '0' comes directly after '/', so both texts are the bounds of
 * everything below the path.
 */
const blockingFilesParams = (tenant: string, id: string, path: string) => [
  ...[tenant, id, pathAndFolders(path)],
  ...[tenant, id, `${path}/`, `${path}0`],
];

/**
 * Locks the owner, then writes the row, the settlement and the audit entry of a file at a free path, which most files
 * need. Returns false, and changes nothing, when `replace` must decide.
 */
async function addNew(
  db: Database,
  actor: Actor,
  { owner, path, experiment }: CheckedArtifactAddress,
  { objectKey, stored, content }: NewFile,
): Promise<boolean> {
  if (experiment === null || ('runId' in owner && isReservedFolder(path))) return false;
  const [column, id] = columnOf(owner);
  const table = tableOf(owner);
  const { tenant } = actor.principal;
  const note = auditRow(actor, 'logArtifact', subjectOf(owner), null, { path, sha256: stored.sha256 });
  const isFree = 'exists (select from owner) and not exists (select from met)';
  const claim = content
    ? `insert into small_object (tenant, key, content) select ?, ?, ? where ${isFree} returning key`
    : `delete from staged_object where tenant = ? and object_key = ? and ${isFree} returning object_key as key`;
  const made = await db.sendAtOnce(actor, [
    // A separate statement, so that the next one sees what others committed during the wait.
    {
      name: `hold_${table}`,
      text: `select from ${table} where tenant = ? and id = ? for update`,
      params: [tenant, id],
    },
    {
      name: `place_${content ? 'small' : 'stored'}_by_${column}`,
      text: `with owner as (
         select from ${table} o join experiment e on e.tenant = o.tenant and e.id = o.experiment_id
         where o.tenant = ? and o.id = ? and ? in ('ANY', e.id::text, case when e.is_default then 'DEFAULT' end)),
       met as (${blockingFilesSql(column)}),
       claimed as (${claim}),
       made as (
         insert into artifact (id, tenant, created_at, ${column}, path, object_key, size_bytes, sha256, content_type)
         select ?::uuid, ?, clock_timestamp(), ?::uuid, ?, key, ?::bigint, ?, ? from claimed returning id),
       noted as (
         insert into audit_log (id, tenant, created_at, actor, role, action, subject_type, subject_id, after,
           request_id)
         select ?::uuid, ?, clock_timestamp(), ?, ?, ?, ?, ?, ?::jsonb, ? from made)
       select id from made`,
      params: [
        ...[tenant, id, experiment],
        ...blockingFilesParams(tenant, id, path),
        ...[tenant, objectKey, ...(content ? [content] : [])],
        ...[uuidv7(), tenant, id, path, stored.sizeBytes, stored.sha256, contentTypeOf(path)],
        ...[uuidv7(), note.tenant, note.actor, note.role, note.action, note.subjectType, note.subjectId],
        ...[JSON.stringify(note.after), note.requestId],
      ],
    },
  ]);
  return made.length > 0;
}

const columnOf = (owner: FolderOwner): [column: string, id: string] =>
  'runId' in owner ? ['run_id', owner.runId] : ['logged_model_id', owner.loggedModelId];

const tableOf = (owner: FolderOwner) => ('runId' in owner ? 'run' : 'logged_model');

const subjectOf = (owner: FolderOwner) =>
  'runId' in owner ? { type: 'run', id: owner.runId } : { type: 'loggedModel', id: owner.loggedModelId };

/** The user's path only makes the end of the key readable; the id makes the key unique. */
function keyOf({ principal }: Actor, owner: FolderOwner, path: string, keyIn = fileKey): string {
  const ownerFolder = 'runId' in owner ? `runs/${owner.runId}` : `logged-models/${owner.loggedModelId}`;
  const name = (path.split('/').at(-1) ?? '')
    .replace(/[^A-Za-z0-9._-]/g, '_')
    .replace(/^\./, '_')
    .slice(-100);
  return keyIn(`${principal.tenant}/${ownerFolder}`, `${uuidv7()}-${name || 'file'}`);
}

const fileKey = (owner: string, name: string) => `${owner}/artifacts/${name}`;
