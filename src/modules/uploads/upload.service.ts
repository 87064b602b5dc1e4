import type { LockMode } from '@mikro-orm/core';
import { randomUUID } from 'node:crypto';
import { basename } from 'node:path';
import type { Readable } from 'node:stream';
import { v7 as uuidv7 } from 'uuid';
import { MAX_PARTS, type ObjectStore } from '../../adapters/object-store/port.js';
import type { DirectUpload } from '../../db/entities/uploads/direct-upload.entity.js';
import { Upload } from '../../db/entities/uploads/upload.entity.js';
import type { Actor, Database, Session } from '../../db/database.js';
import { checkName } from '../core/index.js';
import { AppError, ErrorCode, notFound } from '../../errors.js';
import type { StagedObjects } from './staged-objects.js';
import { stageUnused } from './stores/uploads.js';
import { audit } from '../platform/index.js';
import { type DirectUploads, tooLarge } from './direct-uploads.js';

/** An upload that stays unused for this time is removed. */
const UNUSED_AFTER_MS = 24 * 60 * 60 * 1000;
const SWEPT_AT_ONCE = 100;
/** At most this much is sent again after a broken connection. */
const PART_BYTES = 64 * 1024 ** 2;

/** A part of the file, and the URL to PUT it to. */
export interface UploadPart {
  partNumber: number;
  offsetBytes: number;
  sizeBytes: number;
  url: string;
}

/** Uploaded files. They are streamed to the object store; then a mutation that names the upload uses them. */
export class UploadService {
  constructor(
    private readonly db: Database,
    private readonly objects: ObjectStore,
    private readonly staged: StagedObjects,
    private readonly direct: DirectUploads,
    private readonly maxBytes: number,
  ) {}

  /**
   * Streams first and writes the row last: a broken upload leaves no row, and its key is staged, so that a crash leaves
   * no bytes.
   */
  async receive(actor: Actor, fileName: string, content: Readable): Promise<Upload> {
    const name = checkName('fileName', basename(fileName));
    const id = uuidv7();
    const objectKey = `${actor.principal.tenant}/uploads/${id}/${randomUUID()}`;
    await this.db.transact(actor, (session) => this.staged.stage(session, objectKey));
    try {
      const stored = await this.objects.put(objectKey, content, { maxBytes: this.maxBytes });
      return await this.db.transact(actor, async (session) => {
        await this.staged.settle(session, [objectKey]);
        return session.em.create(Upload, {
          id,
          tenant: session.tenant,
          fileName: name,
          objectKey,
          ...stored,
          createdBy: session.principal.subject,
        });
      });
    } catch (error) {
      await this.staged.discard(objectKey);
      throw error;
    }
  }

  /** Begins a file that its client sends directly to the object store, part by part. */
  async create(
    actor: Actor,
    input: { fileName: string; sizeBytes: number },
  ): Promise<{ uploadId: string; parts: UploadPart[]; expiresAt: Date }> {
    const fileName = checkName('input.fileName', basename(input.fileName));
    const { sizeBytes } = input;
    if (sizeBytes > this.maxBytes) throw tooLarge(this.maxBytes);
    const uploadId = uuidv7();
    const partBytes = Math.max(PART_BYTES, Math.ceil(sizeBytes / MAX_PARTS));
    const partCount = Math.max(1, Math.ceil(sizeBytes / partBytes));
    const objectKey = `${actor.principal.tenant}/uploads/${uploadId}/${randomUUID()}`;
    const { urls, expiresAt } = await this.direct.begin(
      actor,
      { id: uploadId, fileName, objectKey, partCount, sizeBytes },
      async (session) =>
        audit(session, 'createUpload', { type: 'upload', id: uploadId }, null, { fileName, sizeBytes }),
    );
    const parts = urls.map((url, i) => {
      const offsetBytes = i * partBytes;
      return { partNumber: i + 1, offsetBytes, sizeBytes: Math.min(partBytes, sizeBytes - offsetBytes), url };
    });
    return { uploadId, parts, expiresAt };
  }

  /** Call when all parts are there. A second call gives the same result. */
  async complete(actor: Actor, id: string): Promise<Upload> {
    const begun = await this.db.transact(actor, (session) => this.open(session, id));
    if (begun === null) return this.db.transact(actor, (session) => this.get(session, id));
    const stored = await this.direct.assemble(begun);
    return this.db.transact(actor, async (session) => {
      if (!(await this.direct.release(session, begun))) return this.get(session, id);
      await this.staged.settle(session, [begun.objectKey]);
      const { fileName, objectKey, createdBy, tenant } = begun;
      audit(session, 'completeUpload', { type: 'upload', id }, null, { fileName, ...stored });
      return session.em.create(Upload, { id, tenant, fileName, objectKey, ...stored, createdBy });
    });
  }

  /** Null for an upload that is complete. */
  private async open(session: Session, id: string): Promise<DirectUpload | null> {
    try {
      const upload = await this.direct.get(session, id);
      // An upload to an artifact's path is completed there.
      if (upload.path != null) throw notFound('upload', id);
      return upload;
    } catch (error) {
      const isComplete = (await session.em.count(Upload, { id, tenant: session.tenant })) > 0;
      if (isComplete && error instanceof AppError && error.code === ErrorCode.NOT_FOUND) return null;
      throw error;
    }
  }

  async get(session: Session, id: string, lockMode?: LockMode): Promise<Upload> {
    const upload = await session.em.findOne(Upload, { id, tenant: session.tenant }, lockMode ? { lockMode } : {});
    if (!upload) throw notFound('upload', id);
    return upload;
  }

  /**
   * Removes uploads that were never used, except those that an import waits for. An object that became a dataset, model
   * or artifact has another row, which keeps it.
   */
  async sweep(): Promise<number> {
    const before = new Date(Date.now() - UNUSED_AFTER_MS);
    const old = await this.db.asSystem((em) => stageUnused(em, before, SWEPT_AT_ONCE));
    await this.staged.discardAll(old);
    return old.length;
  }
}
