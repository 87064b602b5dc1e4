import { randomUUID } from 'node:crypto';
import { basename } from 'node:path';
import type { Readable } from 'node:stream';
import { v7 as uuidv7 } from 'uuid';
import type { ObjectStore } from '../../adapters/object-store/port.js';
import { Upload } from '../../db/entities/tracking/upload.entity.js';
import type { Actor, Database, Session } from '../../db/database.js';
import { checkName } from '../../domain/platform/names.js';
import { notFound } from '../../errors.js';
import type { StagedObjects } from '../platform/staged-objects.js';

/** An upload that nothing uses after so long is removed. */
const UNUSED_AFTER_MS = 24 * 60 * 60 * 1000;

/** Files on their way in: streamed to the object store, then used by a mutation that names the upload. */
export class UploadService {
  constructor(
    private readonly db: Database,
    private readonly objects: ObjectStore,
    private readonly staged: StagedObjects,
    private readonly maxBytes: number,
  ) {}

  /** Streams first and writes the row last: a broken upload leaves no row, and its key is staged, so that no crash leaves its bytes. */
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

  async get(session: Session, id: string): Promise<Upload> {
    const upload = await session.em.findOne(Upload, { id, tenant: session.tenant });
    if (!upload) throw notFound('upload', id);
    return upload;
  }

  /** Removes uploads that were never used. Objects that became a dataset, model or artifact keep their key there, not here. */
  async sweep(): Promise<number> {
    const old = await this.db.asSystem((em) =>
      em.find(Upload, { createdAt: { $lt: new Date(Date.now() - UNUSED_AFTER_MS) } }, { limit: 100 }),
    );
    for (const upload of old) {
      await this.objects.delete(upload.objectKey);
      await this.db.asSystem((em) => em.nativeDelete(Upload, { id: upload.id }));
    }
    return old.length;
  }
}
