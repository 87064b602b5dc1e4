import { constants, createReadStream } from 'node:fs';
import { mkdtemp, open, realpath, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, extname, isAbsolute, join, relative } from 'node:path';
import type { Readable } from 'node:stream';
import { raw, type FilterQuery } from '@mikro-orm/core';
import { LRUCache } from 'lru-cache';
import { v7 as uuidv7 } from 'uuid';
import type { LocalFile, ObjectStore, StoredObject } from '../../adapters/object-store/port.js';
import type { Actor, Database, Session } from '../../db/database.js';
import type { Job } from '../../db/entities/jobs/job.entity.js';
import { Dataset } from '../../db/entities/datasets/dataset.entity.js';
import { paginate, type Order, type Page, type PageRequest } from '../../db/pagination.js';
import {
  type ColumnReading,
  type DatasetFormat,
  readingOf,
  checkCorrections,
  type GivenColumn,
} from '../model-contract/index.js';
import { holdLock } from '../../db/lock.js';
import { greatestVersion } from './store.js';
import { Role, checkPathName, type InputRange } from '../core/index.js';
import { AppError, badInput, ErrorCode, notFound, notFoundByName, quote } from '../../errors.js';
import type {
  DatasetFiles,
  ImportOutcome,
  ImportRequest,
  PreviewValue,
  Table,
} from '../../adapters/dataset-files/port.js';
import { sha256Of, type StagedObjects, type UploadService } from '../uploads/index.js';
import { RoundRobinQueue, containsText, audit } from '../platform/index.js';

export interface RegisterDatasetInput {
  name: string;
  description?: string | null;
  format?: DatasetFormat | null;
  source: { uploadId?: string | null; path?: string | null; datasetId?: string | null };
  columns?: GivenColumn[] | null;
  nullValues?: string[] | null;
  encoding?: string | null;
  delimiter?: string | null;
}

export interface DatasetFilter {
  search?: string | null;
  name?: string | null;
  format?: DatasetFormat[] | null;
  latestOnly?: boolean | null;
}

export type DatasetOrder = Order<'createdAt' | 'name' | 'rowCount' | 'sizeBytes'>;

export interface DatasetServiceOptions {
  db: Database;
  objects: ObjectStore;
  staged: StagedObjects;
  uploads: UploadService;
  files: DatasetFiles;
  /** Folders from which files may be registered by path. */
  allowedDirs: readonly string[];
  maxBytes: number;
}

/** What the row of a dataset says about its table. */
interface TableColumns {
  tableKey: string;
  tableSizeBytes: number;
  tableSha256: string;
}

/** A table in a local file that stays until it is disposed. */
export interface LocalTable extends Disposable {
  readonly table: Table;
}

type GivenReading = Omit<ImportRequest, 'path' | 'format' | 'tablePath' | 'earlier' | 'maxBytes'>;

/** An opened file to register. */
interface Source {
  fileName: string;
  description: string;
  read(): Promise<Readable>;
  close(): Promise<void>;
}

const FORMATS: Record<string, DatasetFormat> = {
  '.csv': 'CSV',
  '.tsv': 'CSV',
  '.json': 'JSON',
  '.jsonl': 'JSON',
  '.ndjson': 'JSON',
  '.parquet': 'PARQUET',
};
export const MAX_DESCRIPTION_LENGTH = 10_000;
export const PREVIEW_ROWS: InputRange = { min: 1, max: 100, unit: 'rows' };
const MAX_WAITING_PREVIEWS = 2_000;

/**
 * Tables for training and prediction: files in the object store with their inferred columns. Each name has numbered
 * versions.
 */
export class DatasetService {
  /** Local files whose hash was checked. The key is made of object key, size and time of change. */
  private readonly checked = new LRUCache<string, true>({ max: 1000 });

  private readonly previews = new RoundRobinQueue('previews of datasets', MAX_WAITING_PREVIEWS);

  constructor(private readonly options: DatasetServiceOptions) {}

  /**
   * Stores a copy of the file and reads its columns. The row is written last. Errors: BAD_USER_INPUT for a malformed
   * file, INVALID_PATH.
   */
  async register(actor: Actor, input: RegisterDatasetInput): Promise<Dataset> {
    const name = checkPathName('input.name', input.name);
    const given = {
      owner: actor.principal.tenant,
      corrections: checkCorrections('input.columns', input.columns ?? []),
      ...(input.nullValues != null && { nullValues: input.nullValues }),
      ...(input.encoding != null && { encoding: input.encoding }),
      ...(input.delimiter != null && { delimiter: input.delimiter }),
    };
    const source = await this.open(actor, input.source);
    try {
      const format = input.format ?? formatOf(source.fileName);
      const file = { name, description: input.description ?? '', format, source, given };
      return await this.store(actor, file, (_, create) => this.options.db.transact(actor, create));
    } finally {
      await source.close();
    }
  }

  /**
   * Registers a Parquet file that a job has made, as the job's owner. `end` writes the row in the transaction that ends
   * the job, so that an attempt that was overtaken registers nothing.
   */
  async registerMade(
    { id: requestId, tenant, createdBy }: Job,
    made: { name: string; path: string; source: string },
    end: (id: string, create: (session: Session) => Promise<void>) => Promise<void>,
  ): Promise<void> {
    const principal = { subject: createdBy, tenant, role: Role.ENGINEER, expiresAt: new Date() };
    const source = {
      ...{ fileName: 'data.parquet', description: made.source },
      read: async () => createReadStream(made.path),
      close: async () => undefined,
    };
    const file = { name: made.name, description: '', format: 'PARQUET' as const, source, given: { owner: tenant } };
    await this.store({ principal, requestId }, file, (id, create) =>
      end(id, async (session) => {
        await create(session);
      }),
    );
  }

  /** Stores a file with its table. `end` runs what writes the row, in a transaction. */
  private async store<T>(
    actor: Actor,
    file: { name: string; description: string; format: DatasetFormat; source: Source; given: GivenReading },
    end: (id: string, create: (session: Session) => Promise<Dataset>) => Promise<T>,
  ): Promise<T> {
    const { db, objects, staged, maxBytes } = this.options;
    const { name, description, format, source, given } = file;
    let reserved: string[] = [];
    try {
      const { version, objectKey, tableKey, earlier } = await db.transact(actor, (session) =>
        this.reserveVersion(session, name, format),
      );
      reserved = tableKey === null ? [objectKey] : [objectKey, tableKey];
      const stored = await objects.put(objectKey, await source.read(), { maxBytes });
      using local = await objects.localFile(objectKey);
      const { profile, reading, table } = await this.importFile(local.path, format, tableKey, { ...given, earlier });
      const id = uuidv7();
      return await end(id, async (session) => {
        await staged.settle(session, reserved);
        const { tenant, principal } = session;
        const content = { format, objectKey, ...stored, ...profile, reading, ...table, source: source.description };
        const dataset = session.em.create(Dataset, {
          id,
          tenant,
          name,
          version,
          description,
          ...content,
          createdBy: principal.subject,
        });
        audit(session, 'registerDataset', { type: 'dataset', id: dataset.id }, null, {
          name,
          version,
          sha256: stored.sha256,
        });
        return dataset;
      });
    } catch (error) {
      await staged.discardAll(reserved);
      throw error;
    }
  }

  async get(session: Session, id: string): Promise<Dataset> {
    const dataset = await session.em.findOne(Dataset, { id, tenant: session.tenant });
    if (!dataset) throw notFound('dataset', id);
    return dataset;
  }

  /** The given version, or the newest one, of a name. NOT_FOUND when the name or the version does not exist. */
  async getByName(session: Session, name: string, version: number | null): Promise<Dataset> {
    const newest = await this.latest(session, name);
    if (!newest) throw notFoundByName('dataset', name);
    if (version === null) return newest;
    const dataset = await session.em.findOne(Dataset, { tenant: session.tenant, name, version });
    if (dataset) return dataset;
    const message = `Dataset "${name}" has no version ${version}; its newest is ${newest.version}.`;
    throw new AppError(ErrorCode.NOT_FOUND, message, { field: 'version', got: String(version) });
  }

  /** The newest version of a name; null when the name does not exist. */
  latest(session: Session, name: string): Promise<Dataset | null> {
    return session.em.findOne(Dataset, { tenant: session.tenant, name }, { orderBy: { version: 'DESC' } });
  }

  list(session: Session, filter: DatasetFilter, page: PageRequest, order: DatasetOrder): Promise<Page<Dataset>> {
    const where: FilterQuery<Dataset> = { tenant: session.tenant };
    if (filter.name != null) Object.assign(where, { name: filter.name });
    if (filter.search)
      Object.assign(where, {
        name: { ...containsText(filter.search), ...(filter.name != null && { $eq: filter.name }) },
      });
    if (filter.format?.length) Object.assign(where, { format: { $in: filter.format } });
    if (filter.latestOnly) {
      const newest = raw(
        (alias) =>
          `${alias}.version = (select max(d.version) from dataset d where d.tenant = ${alias}.tenant and ` +
          `d.name = ${alias}.name)`,
      );
      Object.assign(where, { [newest]: [] });
    }
    return paginate(session, Dataset, where, page, order);
  }

  /**
   * The first rows. Files are read one at a time and tenants take turns, because a page of datasets may ask for
   * hundreds.
   */
  async preview(dataset: Dataset, rows: number): Promise<Record<string, PreviewValue>[]> {
    return this.previews.run(dataset.tenant, async () => {
      using file = await this.localTable(dataset);
      return await this.options.files.preview(file.table, rows);
    });
  }

  /**
   * A local copy of the table. Checks its hash and that of the source file. UNAVAILABLE when one of them is missing or
   * changed.
   */
  async localTable(dataset: Dataset): Promise<LocalTable> {
    using held = new DisposableStack();
    const file = held.use(await this.localFile(dataset, dataset.objectKey, dataset));
    let { path } = file;
    if (dataset.format !== 'PARQUET') {
      const { tableKey, tableSizeBytes, tableSha256 } =
        dataset.tableKey == null ? await this.importLate(dataset, path) : dataset;
      const table = await this.localFile(dataset, tableKey!, { sizeBytes: tableSizeBytes!, sha256: tableSha256! });
      ({ path } = held.use(table));
    }
    const kept = held.move();
    return { table: { path, columns: dataset.columns.map(readingOf) }, [Symbol.dispose]: () => kept.dispose() };
  }

  private async localFile(dataset: Dataset, key: string, { sizeBytes, sha256 }: StoredObject): Promise<LocalFile> {
    const lost = (what: string, cause?: unknown) =>
      new AppError(
        ErrorCode.UNAVAILABLE,
        `The stored file of dataset ${dataset.name}, version ${dataset.version}, ${what}.`,
        {},
        { cause },
      );
    let file: LocalFile;
    try {
      file = await this.options.objects.localFile(key);
    } catch (error) {
      if (error instanceof AppError && error.code === ErrorCode.NOT_FOUND) throw lost('is gone', error);
      throw error;
    }
    try {
      const { size, mtimeMs } = await stat(file.path);
      const seen = `${key}\n${size}\n${mtimeMs}`;
      if (!this.checked.has(seen)) {
        if (size !== sizeBytes || (await sha256Of(file.path)) !== sha256)
          throw lost('is not what was registered: its SHA-256 differs');
        this.checked.set(seen, true);
      }
    } catch (error) {
      file[Symbol.dispose]();
      throw error;
    }
    return file;
  }

  /** Reads the file and stores its table under the staged key. A Parquet file needs no table. */
  private async importFile(
    path: string,
    format: DatasetFormat,
    tableKey: string | null,
    given: Omit<ImportRequest, 'path' | 'format' | 'tablePath'>,
  ): Promise<Omit<ImportOutcome, 'hasTable'> & { table: TableColumns | null }> {
    const { files, objects, maxBytes } = this.options;
    const folder = await mkdtemp(join(tmpdir(), 'matih-import-'));
    try {
      const tablePath = join(folder, 'table.parquet');
      const { profile, reading } = await files.import({ path, format, tablePath, maxBytes, ...given });
      if (tableKey === null) return { profile, reading, table: null };
      const { sizeBytes, sha256 } = await objects.put(tableKey, createReadStream(tablePath));
      return { profile, reading, table: { tableKey, tableSizeBytes: sizeBytes, tableSha256: sha256 } };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** Makes the table of a dataset that was registered before the service made tables, and updates the entity. */
  private async importLate(dataset: Dataset, path: string): Promise<TableColumns> {
    const { db, staged } = this.options;
    const { id: requestId, tenant, createdBy } = dataset;
    const actor = { principal: { subject: createdBy, tenant, role: Role.ENGINEER, expiresAt: new Date() }, requestId };
    const tableKey = `${dirname(dataset.objectKey)}/table-${uuidv7()}.parquet`;
    await db.transact(actor, (session) => staged.stage(session, tableKey));
    try {
      const { profile, reading, table } = await this.importFile(path, dataset.format, tableKey, { owner: tenant });
      if (!table) throw new Error('a table is made of every CSV and JSON file');
      const update = { columns: profile.columns, rowCount: profile.rowCount, reading, ...table };
      const isFirst = await db.transact(actor, async (session) => {
        const changed = await session.em.nativeUpdate(
          Dataset,
          { id: dataset.id, tenant: dataset.tenant, tableKey: null },
          update,
        );
        if (changed > 0) await staged.settle(session, [tableKey]);
        return changed > 0;
      });
      const current = isFirst ? update : await db.transact(actor, (session) => this.get(session, dataset.id));
      if (!isFirst) await staged.discard(tableKey);
      dataset.columns = current.columns;
      const { tableKey: key, tableSizeBytes, tableSha256 } = current;
      return { tableKey: key!, tableSizeBytes: tableSizeBytes!, tableSha256: tableSha256! };
    } catch (error) {
      await staged.discard(tableKey);
      throw error;
    }
  }

  /** The next version number that no row uses and no staged file reserves, in any format. */
  private async reserveVersion(
    session: Session,
    name: string,
    format: DatasetFormat,
  ): Promise<{ version: number; objectKey: string; tableKey: string | null; earlier: ColumnReading[] }> {
    const folder = `${session.tenant}/datasets/${name}/`;
    await holdLock(session.em, folder);
    // In this order, because a version that is no longer staged at the second read is already a row.
    const staged = await this.options.staged.keysUnder(session, folder);
    const reserved = staged.map((key) => Number(key.slice(folder.length).split('/')[0]));
    const version = 1 + Math.max(0, ...reserved, await greatestVersion(session, name));
    const objectKey = `${folder}${version}/data.${format.toLowerCase()}`;
    const tableKey = format === 'PARQUET' ? null : `${folder}${version}/table.parquet`;
    for (const key of tableKey === null ? [objectKey] : [objectKey, tableKey])
      await this.options.staged.stage(session, key);
    const before = await this.latest(session, name);
    return { version, objectKey, tableKey, earlier: before?.reading ? readingsToKeep(before) : [] };
  }

  private async open(actor: Actor, { uploadId, path, datasetId }: RegisterDatasetInput['source']): Promise<Source> {
    if ([uploadId, path, datasetId].filter((source) => source != null).length !== 1)
      throw badInput('input.source', 'exactly one of uploadId, path and datasetId', { uploadId, path, datasetId });
    if (path != null) return this.openPath(path);
    if (datasetId != null) {
      const dataset = await this.options.db.transact(actor, (session) => this.get(session, datasetId));
      return {
        fileName: `data.${dataset.format.toLowerCase()}`,
        description: `dataset ${dataset.name}, version ${dataset.version}`,
        read: () => this.options.objects.get(dataset.objectKey),
        close: async () => undefined,
      };
    }
    const upload = await this.options.db.transact(actor, (session) =>
      this.options.uploads.get(session, uploadId as string),
    );
    return {
      fileName: upload.fileName,
      description: `upload ${upload.fileName}`,
      read: () => this.options.objects.get(upload.objectKey),
      close: async () => undefined,
    };
  }

  /**
   * The file is opened first, then checked to be inside an allowed folder: exchanging a link in between has no effect.
   */
  private async openPath(path: string): Promise<Source> {
    const refused = () =>
      new AppError(
        ErrorCode.INVALID_PATH,
        'input.source.path: expected the absolute path of a file inside one of the folders of DATASET_DIRS.',
        {
          field: 'input.source.path',
          expected: 'an absolute path of a file inside an allowed folder',
          got: quote(path),
        },
      );
    if (!isAbsolute(path)) throw refused();
    // Without O_NONBLOCK, opening a pipe would wait for ever.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => null);
    if (!file) throw refused();
    try {
      const real = await realpath(path);
      const [opened, found] = [await file.stat(), await stat(real)];
      const allowed = await Promise.all(this.options.allowedDirs.map((folder) => realpath(folder).catch(() => null)));
      const inside = allowed.some((folder) => folder !== null && isInside(folder, real));
      if (!inside || !opened.isFile() || opened.ino !== found.ino || opened.dev !== found.dev) throw refused();
    } catch (error) {
      await file.close();
      throw error instanceof AppError ? error : refused();
    }
    return {
      fileName: basename(path),
      description: `file ${path}`,
      read: async () => file.createReadStream(),
      close: () => file.close(),
    };
  }
}

/** A column without any value says nothing about the columns of later versions. */
function readingsToKeep({ columns, rowCount }: Dataset): ColumnReading[] {
  return columns.filter(({ type, missingCount }) => type !== 'STRING' || missingCount < rowCount).map(readingOf);
}

function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '' && !way.startsWith('..') && !isAbsolute(way);
}

function formatOf(fileName: string): DatasetFormat {
  const name = fileName.toLowerCase().replace(/(?<=\.(?:csv|tsv|json|jsonl|ndjson))\.gz$/, '');
  const format = FORMATS[extname(name)];
  if (!format)
    throw badInput('input.format', 'CSV, JSON or PARQUET, as the name of the file does not say it', fileName);
  return format;
}
