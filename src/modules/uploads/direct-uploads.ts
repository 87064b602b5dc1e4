import { createHash } from 'node:crypto';
import { LockMode } from '@mikro-orm/core';
import { MAX_PARTS, type ObjectStore, type StoredObject, type StoredPart } from '../../adapters/object-store/port.js';
import { DirectUpload } from '../../db/entities/uploads/direct-upload.entity.js';
import type { Actor, Database, Session } from '../../db/database.js';
import { AppError, badInput, ErrorCode, notFound } from '../../errors.js';
import { setInTransaction } from '../../db/transaction-setting.js';
import type { StagedObjects } from './staged-objects.js';

/** Longer than the upload of the largest file takes on a slow line. */
const ADDRESS_LIFETIME_SECONDS = 12 * 60 * 60;
/** The longest time that a store may take to make one file of the parts. */
const COMPLETED_WITHIN_MS = 10 * 60_000;
const SWEPT_AFTER_MS = 24 * 60 * 60 * 1000;
/** S3's minimum for every part except the last. */
const MIN_PART_BYTES = 5 * 1024 ** 2;

export interface NewDirectUpload {
  id: string;
  fileName: string;
  objectKey: string;
  partCount: number;
  sizeBytes?: number;
  target?: { runId: string; path: string } | { loggedModelId: string; path: string };
}

/** Uploads whose parts clients send directly to the object store. The URLs need no token and expire. */
export class DirectUploads {
  constructor(
    private readonly db: Database,
    private readonly objects: ObjectStore,
    private readonly staged: StagedObjects,
    private readonly maxBytes: number,
  ) {}

  /** The URL of each part, in order. The sweepers remove what a crash leaves. */
  async begin(
    actor: Actor,
    upload: NewDirectUpload,
    check: (session: Session) => Promise<void>,
  ): Promise<{ urls: string[]; expiresAt: Date }> {
    const { id, fileName, objectKey, partCount, sizeBytes, target } = upload;
    if (!Number.isInteger(partCount) || partCount < 1 || partCount > MAX_PARTS)
      throw badInput('partCount', `a whole number of parts from 1 to ${MAX_PARTS}`, partCount);
    await this.db.transact(actor, async (session) => {
      await check(session);
      await this.staged.stage(session, objectKey);
    });
    const storeUploadId = await this.objects.beginParts(objectKey);
    const urls: string[] = [];
    for (let part = 1; part <= partCount; part++)
      urls.push(await this.objects.partUrl(objectKey, storeUploadId, part, ADDRESS_LIFETIME_SECONDS));
    await this.db.transact(actor, async (session) =>
      session.em.create(DirectUpload, {
        id,
        tenant: session.tenant,
        fileName,
        objectKey,
        storeUploadId,
        partCount,
        ...(sizeBytes !== undefined && { sizeBytes }),
        ...target,
        createdBy: session.principal.subject,
      }),
    );
    return { urls, expiresAt: new Date(Date.now() + ADDRESS_LIFETIME_SECONDS * 1000) };
  }

  async get(session: Session, id: string): Promise<DirectUpload> {
    const upload = await session.em.findOne(DirectUpload, { id, tenant: session.tenant });
    if (!upload) throw notFound('upload', id);
    return upload;
  }

  /**
   * Makes one file of the parts and reads it once, for its size and SHA-256. A second call gives the same result.
   * BAD_USER_INPUT for missing parts.
   */
  async assemble(
    upload: DirectUpload,
    check: (parts: readonly StoredPart[]) => void = () => undefined,
  ): Promise<StoredObject> {
    const { objectKey } = upload;
    await this.complete(upload, check);
    const content = await this.objects.get(objectKey).catch((error: unknown) => {
      throw error instanceof AppError && error.code === ErrorCode.NOT_FOUND ? notFound('upload', upload.id) : error;
    });
    const hash = createHash('sha256');
    let sizeBytes = 0;
    for await (const chunk of content as AsyncIterable<Buffer>) {
      hash.update(chunk);
      sizeBytes += chunk.length;
    }
    return { sizeBytes, sha256: hash.digest('hex') };
  }

  /**
   * Holds the lock of its row: S3 forgets the parts before it shows the file, so a second completion in between would
   * find neither. A caller that waited finds the file.
   */
  private async complete(upload: DirectUpload, check: (parts: readonly StoredPart[]) => void): Promise<void> {
    const { id, objectKey, storeUploadId } = upload;
    await this.db.asSystem(async (em) => {
      // The store may take long, and this transaction is idle meanwhile.
      await setInTransaction(em, 'idle_in_transaction_session_timeout', String(COMPLETED_WITHIN_MS));
      const isOpen = await em.findOne(DirectUpload, { id }, { lockMode: LockMode.PESSIMISTIC_WRITE });
      // Another call completed it.
      if (!isOpen) return;
      try {
        const parts = await this.objects.listParts(objectKey, storeUploadId);
        this.checkParts(upload, parts);
        check(parts);
        await this.objects.completeParts(objectKey, storeUploadId, parts);
      } catch (error) {
        // An earlier call completed it, but its answer was lost: then the file exists.
        if (!(error instanceof AppError) || error.code !== ErrorCode.NOT_FOUND) throw error;
      }
    });
  }

  /**
   * Call in the transaction of the row that names the file, which also settles its key. False when another completion
   * was faster.
   */
  async release(session: Session, { id }: DirectUpload): Promise<boolean> {
    return (await session.em.nativeDelete(DirectUpload, { id, tenant: session.tenant })) > 0;
  }

  async abort(actor: Actor, id: string): Promise<void> {
    const upload = await this.db.transact(actor, (session) => this.get(session, id));
    await this.objects.abortParts(upload.objectKey, upload.storeUploadId);
    await this.db.transact(actor, (session) => session.em.nativeDelete(DirectUpload, { id, tenant: session.tenant }));
    await this.staged.discard(upload.objectKey);
  }

  /** Ends uploads that were never completed. */
  async sweep(olderThanMs = SWEPT_AFTER_MS): Promise<number> {
    const before = new Date(Date.now() - olderThanMs);
    const old = await this.db.asSystem((em) => em.find(DirectUpload, { createdAt: { $lt: before } }, { limit: 100 }));
    for (const { id, objectKey, storeUploadId } of old) {
      await this.objects.abortParts(objectKey, storeUploadId);
      await this.db.asSystem((em) => em.nativeDelete(DirectUpload, { id }));
      await this.staged.discard(objectKey);
    }
    return old.length;
  }

  private checkParts({ partCount, sizeBytes }: DirectUpload, parts: readonly StoredPart[]): void {
    for (let number = 1; number <= partCount; number++) {
      if (parts[number - 1]?.partNumber !== number)
        throw badInput('parts', `${partCount} parts`, `no part ${number} yet`);
    }
    if (parts.length !== partCount) throw badInput('parts', `${partCount} parts`, parts.length);
    const small = parts.find((part, i) => i < parts.length - 1 && part.sizeBytes < MIN_PART_BYTES);
    if (small)
      throw badInput(
        `parts[${small.partNumber - 1}]`,
        `at least ${MIN_PART_BYTES} bytes in every part but the last`,
        small.sizeBytes,
      );
    const total = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
    if (sizeBytes != null && total !== sizeBytes)
      throw badInput('sizeBytes', `${sizeBytes} bytes, as announced`, total);
    if (total > this.maxBytes) throw tooLarge(this.maxBytes);
  }
}

export function tooLarge(maxBytes: number): AppError {
  return new AppError(ErrorCode.RESOURCE_EXHAUSTED, `The file is larger than the ${maxBytes} bytes allowed.`, {
    expected: `at most ${maxBytes} bytes`,
  });
}
