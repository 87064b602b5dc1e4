import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FilterQuery } from '@mikro-orm/core';
import type { Logger } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import type { DatasetFiles } from '../../adapters/dataset-files/port.js';
import type { ObjectStore } from '../../adapters/object-store/port.js';
import { RequestLogFile } from '../../db/entities/monitoring/request-log-file.entity.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { Deployment } from '../../db/entities/serving/deployment.entity.js';
import type { Actor, Database, Session } from '../../db/database.js';
import { paginate, type Order, type Page, type PageRequest } from '../../db/pagination.js';
import { Role } from '../core/index.js';
import { requireOwn } from '../platform/index.js';
import {
  deploymentsInHour,
  findEndpoint,
  hoursDue,
  moveArchiveEnd,
  settledLogTime,
  type NamedEndpoint,
} from '../serving/index.js';
import type { StagedObjects } from '../uploads/index.js';
import { loggedPages } from './logged-pages.js';
import { archivedColumns, toArchivedColumns } from './rules/logged-columns.js';
import { filesToRemove } from './stores/request-log-files.js';

interface Dependencies {
  db: Database;
  objects: ObjectStore;
  staged: StagedObjects;
  files: DatasetFiles;
  logger: Logger;
}

export interface RequestLogFilter {
  deploymentId?: string | null;
  from?: Date | null;
  to?: Date | null;
}

/** One hour of the log of an endpoint. */
interface DueHour {
  tenant: string;
  endpointId: string;
  archivedUntil: Date | null;
  from: Date;
  to: Date;
}

/** A file that is stored and has no row yet. */
type NewFile = Omit<RequestLogFile, 'id' | 'tenant' | 'createdAt' | 'endpointId' | 'hour'>;

const HOUR_MS = 60 * 60 * 1000;
/** What one turn does at most, so that the next turn sees new endpoints. */
const ENDPOINTS_AT_ONCE = 100;
const HOURS_AT_ONCE = 1_000;
const REMOVED_AT_ONCE = 500;

/**
 * The log of predictions as files: one for each deployment and hour, written once, before the log deletes the rows. An
 * endpoint knows until when its log is in files. A file is stored under a key of its own, and the rows of an hour's
 * files are written in the transaction that moves this time on: of two processes one moves it, and the files of the
 * other one are swept, as those of a process that was killed.
 */
export class LogArchiveService {
  private stopped = false;

  constructor(private readonly deps: Dependencies) {}

  async list(
    session: Session,
    ref: NamedEndpoint,
    filter: RequestLogFilter,
    page: PageRequest,
    order: Order<'hour' | 'rows' | 'sizeBytes'>,
  ): Promise<Page<RequestLogFile>> {
    const { id: endpointId } = await findEndpoint(session, ref, 'endpointId');
    await requireOwn(session, Deployment, 'deployment', [filter.deploymentId]);
    const where: FilterQuery<RequestLogFile> = { tenant: session.tenant, endpointId };
    if (filter.deploymentId != null) Object.assign(where, { deploymentId: filter.deploymentId });
    const { from, to } = filter;
    if (from || to) Object.assign(where, { hour: { ...(from && { $gte: from }), ...(to && { $lt: to }) } });
    return paginate(session, RequestLogFile, where, page, order);
  }

  downloadUrl({ objectKey }: RequestLogFile, expiresInSeconds: number): Promise<string> {
    return this.deps.objects.downloadUrl(objectKey, expiresInSeconds);
  }

  /** Ends the turn after its current hour. */
  stop(): void {
    this.stopped = true;
  }

  /** Writes the hours that are due. Returns how many this process has written. */
  async archive(): Promise<number> {
    const { db, logger } = this.deps;
    // Without a lock, as most turns find nothing.
    if ((await db.asSystem((em) => hoursDue(em, new Date(), 1))).length === 0) return 0;
    const settled = await db.asSystem(settledLogTime);
    let written = 0;
    const failed = new Set<string>();
    while (written < HOURS_AT_ONCE) {
      const due = await db.asSystem((em) => hoursDue(em, settled, ENDPOINTS_AT_ONCE));
      const left = due.filter(({ endpointId }) => !failed.has(endpointId));
      if (left.length === 0) break;
      for (const { hour, closed, ...which } of left) {
        if (this.stopped) return written;
        const end = hour ? new Date(hour.getTime() + HOUR_MS) : closed;
        try {
          if (hour && (await this.write({ ...which, from: hour, to: end }))) written++;
          else if (!hour) await this.skip({ ...which, from: closed, to: end });
        } catch (error) {
          // Its rows stay in the log until it succeeds; other endpoints go on.
          failed.add(which.endpointId);
          logger.warn({ err: error, endpointId: which.endpointId, hour }, 'hour of the request log not archived yet');
        }
      }
    }
    return written;
  }

  /** Removes files that are too old, or whose endpoint is gone. */
  async prune(): Promise<void> {
    const { db, staged } = this.deps;
    const old = await db.asSystem((em) => filesToRemove(em, REMOVED_AT_ONCE));
    for (const [tenant, files] of Map.groupBy(old, (file) => file.tenant))
      await db.transact(actorOf(tenant), async (session) => {
        const ids = files.map(({ id }) => id);
        await session.em.nativeDelete(RequestLogFile, { tenant, id: { $in: ids } });
        await staged.release(
          session,
          files.map(({ objectKey }) => objectKey),
        );
      });
  }

  /** Nothing was logged until then. */
  private async skip({ tenant, endpointId, archivedUntil, to }: DueHour): Promise<void> {
    await this.deps.db.transact(actorOf(tenant), (session) =>
      moveArchiveEnd(session, endpointId, { from: archivedUntil, to }, null),
    );
  }

  private async write(due: DueHour): Promise<boolean> {
    const { db, staged } = this.deps;
    const { tenant, endpointId, archivedUntil, from, to } = due;
    const actor = actorOf(tenant);
    const found = await db.transact(actor, async (session) => {
      const { redactedFields } = await findEndpoint(session, { endpointId }, 'endpointId');
      const deployments = await deploymentsInHour(session, endpointId, from, to);
      const versions = await session.em.find(ModelVersion, {
        tenant,
        id: { $in: deployments.map(({ modelVersionId }) => modelVersionId) },
      });
      return { redactedFields, deployments, versions };
    });
    const made: NewFile[] = [];
    const folder = await mkdtemp(join(tmpdir(), 'matih-archive-'));
    try {
      for (const { deploymentId, modelVersionId } of found.deployments) {
        const version = found.versions.find(({ id }) => id === modelVersionId)!;
        const path = join(folder, `${deploymentId}.parquet`);
        const written = await this.file(actor, due, path, { deploymentId, version, fields: found.redactedFields });
        if (written.rows === 0) continue;
        const objectKey = `${tenant}/request-logs/${endpointId}/${hourName(from)}/${uuidv7()}.parquet`;
        await db.transact(actor, (session) => staged.stage(session, objectKey));
        made.push({ deploymentId, modelVersionId, objectKey, ...written, ...(await this.store(objectKey, path)) });
      }
      const moved = await db.transact(actor, async (session) => {
        // A redaction that has come meanwhile holds for this file, too: the hour is written again.
        const range = { from: archivedUntil, to };
        if (!(await moveArchiveEnd(session, endpointId, range, found.redactedFields))) return false;
        await staged.settle(
          session,
          made.map(({ objectKey }) => objectKey),
        );
        for (const file of made) session.em.create(RequestLogFile, { ...file, tenant, endpointId, hour: from });
        return true;
      });
      if (moved) made.length = 0;
      return moved;
    } finally {
      await staged.discardAll(made.map(({ objectKey }) => objectKey));
      await rm(folder, { recursive: true, force: true });
    }
  }

  private async store(objectKey: string, path: string) {
    const { sizeBytes, sha256 } = await this.deps.objects.put(objectKey, createReadStream(path));
    return { sizeBytes, sha256 };
  }

  /** Writes the file of a deployment, a part at a time, so that memory does not grow with the hour. */
  private async file(
    actor: Actor,
    { from, to }: DueHour,
    path: string,
    { deploymentId, version, fields }: { deploymentId: string; version: ModelVersion; fields: readonly string[] },
  ): Promise<{ requests: number; rows: number }> {
    const { db, files } = this.deps;
    const columns = archivedColumns(version.signature ?? { inputs: [], outputs: [] }, fields);
    const parts: string[] = [];
    let [requests, rows] = [0, 0];
    const read = <T>(work: (session: Session) => Promise<T>) => db.transact(actor, work);
    for await (const page of loggedPages(read, deploymentId, version.version, { from, to, all: true })) {
      const part = `${path}.${parts.length}`;
      await files.writeParquet(toArchivedColumns(page, columns), part);
      parts.push(part);
      rows += page.length;
      requests += page.filter(({ row }) => row === 0).length;
    }
    if (rows > 0) await files.concatParquet(parts, path);
    for (const part of parts) await rm(part);
    return { requests, rows };
  }
}

/** As a folder, e.g. `2026-01-31/07`, in UTC. */
const hourName = (hour: Date) => hour.toISOString().slice(0, 13).replace('T', '/');

function actorOf(tenant: string): Actor {
  const principal = { subject: 'log-archive', tenant, role: Role.ENGINEER, expiresAt: new Date() };
  return { principal, requestId: 'log-archive', isBackground: true };
}
