import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { z } from 'zod';
import { MlflowRefusal, type MlflowServer } from '../../adapters/mlflow-server/port.js';
import {
  ANSWERS,
  type RemoteExperiment,
  type RemoteLoggedModel,
  type RemoteModel,
  type RemotePoint,
  type RemoteRun,
  type RemoteVersion,
  proxyPath,
} from './rules/mlflow-records.js';
import { AppError, ErrorCode, quote } from '../../errors.js';

const PAGE = 100;
/** The maximum that this service logs in one call. */
const POINTS_PER_PAGE = 10_000;
/** Protects against a server whose lists never end. */
const MAX_PAGES = 100_000;
const MAX_EMPTY_PAGES = 100;
const MAX_TOKEN_LENGTH = 10_000;
/** Limit per run or logged model. */
const MAX_FOLDERS = 10_000;
const MAX_FILES = 100_000;
const MAX_FOLDER_DEPTH = 50;

export interface RemoteFile {
  /** The path below the artifacts of its run or logged model. */
  path: string;
  sizeBytes: number | null;
}

/** The place of files on the other server. */
export type RemoteFolder = { artifactUri: string; runId: string | null };

interface Paged {
  next_page_token?: string | undefined;
}

type Listing<A extends Paged, T> = [
  method: 'GET' | 'POST',
  path: string,
  given: Record<string, unknown>,
  schema: z.ZodType<A>,
  itemsOf: (answer: A) => T[],
];

/** Reads from another tracking server everything that is imported, page by page. */
export class MlflowReader {
  constructor(private readonly server: MlflowServer) {}

  async *experiments(withDeleted: boolean): AsyncGenerator<RemoteExperiment> {
    const given = { view_type: viewOf(withDeleted), max_results: PAGE };
    yield* this.all('POST', 'mlflow/experiments/search', given, ANSWERS.experiments, ({ experiments }) => experiments);
  }

  /** NOT_FOUND when none has this name. */
  async experimentNamed(name: string): Promise<RemoteExperiment> {
    const given = { experiment_name: name };
    return (
      await this.named(`experiment named ${quote(name)}`, 'mlflow/experiments/get-by-name', given, ANSWERS.experiment)
    ).experiment;
  }

  /** Oldest first, so that most parents come before their children. */
  async *runs(experimentId: string, withDeleted: boolean): AsyncGenerator<RemoteRun> {
    const given = {
      experiment_ids: [experimentId],
      run_view_type: viewOf(withDeleted),
      max_results: PAGE,
      order_by: ['attributes.start_time ASC'],
    };
    yield* this.all('POST', 'mlflow/runs/search', given, ANSWERS.runs, ({ runs }) => runs);
  }

  async run(runId: string): Promise<RemoteRun> {
    return read('mlflow/runs/get', ANSWERS.run, await this.server.ask('GET', 'mlflow/runs/get', { run_id: runId })).run;
  }

  async *history(runId: string, key: string): AsyncGenerator<RemotePoint[]> {
    const given = { run_id: runId, metric_key: key, max_results: POINTS_PER_PAGE };
    for await (const metrics of this.pages(
      'GET',
      'mlflow/metrics/get-history',
      given,
      ANSWERS.points,
      (page) => page.metrics,
    )) {
      for (let from = 0; from < metrics.length; from += POINTS_PER_PAGE)
        yield metrics.slice(from, from + POINTS_PER_PAGE);
    }
  }

  /** Yields nothing for a server older than MLflow 3. */
  async *loggedModels(experimentId: string): AsyncGenerator<RemoteLoggedModel> {
    const given = { experiment_ids: [experimentId], max_results: PAGE };
    try {
      yield* this.all('POST', 'mlflow/logged-models/search', given, ANSWERS.loggedModels, ({ models }) => models);
    } catch (error) {
      if (!(error instanceof MlflowRefusal && (error.status === 404 || error.status === 405))) throw error;
    }
  }

  async *models(): AsyncGenerator<RemoteModel> {
    yield* this.all(
      'GET',
      'mlflow/registered-models/search',
      { max_results: PAGE },
      ANSWERS.models,
      (page) => page.registered_models,
    );
  }

  /** NOT_FOUND when none has this name. */
  async modelNamed(name: string): Promise<RemoteModel> {
    return (await this.named(`model named ${quote(name)}`, 'mlflow/registered-models/get', { name }, ANSWERS.model))
      .registered_model;
  }

  /** Ordered by number. */
  async *versions(name: string): AsyncGenerator<RemoteVersion> {
    const literal = name.includes("'") ? `"${name}"` : `'${name}'`;
    const given = { filter: `name = ${literal}`, max_results: PAGE, order_by: 'version_number ASC' };
    yield* this.all('GET', 'mlflow/model-versions/search', given, ANSWERS.versions, (page) => page.model_versions);
  }

  /** All files below a place. RESOURCE_EXHAUSTED for a place whose listing does not end. */
  async *files(place: RemoteFolder): AsyncGenerator<RemoteFile> {
    const folders = new Set(['']);
    let files = 0;
    for (const folder of folders) {
      if (folder.split('/').length > MAX_FOLDER_DEPTH)
        throw endless(`folders that lie more than ${MAX_FOLDER_DEPTH} deep`);
      for await (const { path, isFolder, sizeBytes } of this.list(place, folder)) {
        if (isFolder && folder !== '' && !path.startsWith(`${folder}/`))
          throw endless(`folder ${quote(path)} as one in ${quote(folder)}`);
        if (isFolder) folders.add(path);
        else yield { path, sizeBytes };
        if (folders.size > MAX_FOLDERS) throw endless(`more than ${MAX_FOLDERS} folders`);
        if (!isFolder && (files += 1) > MAX_FILES) throw endless(`more than ${MAX_FILES} files`);
      }
    }
  }

  /** False for files that the server does not give to clients. */
  reaches({ artifactUri, runId }: RemoteFolder): boolean {
    return runId !== null || proxyPath(artifactUri) !== null;
  }

  content({ artifactUri, runId }: RemoteFolder, path: string): Promise<Readable> {
    const root = proxyPath(artifactUri);
    if (root !== null) {
      const encoded = `${root}/${path}`.split('/').map(encodeURIComponent).join('/');
      return this.server.download(`/api/2.0/mlflow-artifacts/artifacts/${encoded}`);
    }
    return this.server.download('/get-artifact', { run_id: runId ?? '', path });
  }

  private async *list(
    { artifactUri, runId }: RemoteFolder,
    folder: string,
  ): AsyncGenerator<RemoteFile & { isFolder: boolean }> {
    const root = proxyPath(artifactUri);
    // The proxy returns names within the folder, the tracking server returns paths from the root.
    const above = root !== null && folder !== '' ? `${folder}/` : '';
    const [path, given] =
      root !== null
        ? (['mlflow-artifacts/artifacts', { path: folder === '' ? root : `${root}/${folder}` }] as const)
        : (['mlflow/artifacts/list', { run_id: runId, path: folder }] as const);
    for await (const file of this.all('GET', path, given, ANSWERS.files, ({ files }) => files))
      yield { path: `${above}${file.path}`, isFolder: file.is_dir, sizeBytes: file.file_size ?? null };
  }

  private async named<T>(what: string, path: string, given: Record<string, unknown>, schema: z.ZodType<T>): Promise<T> {
    try {
      return read(path, schema, await this.server.ask('GET', path, given));
    } catch (error) {
      if (!(error instanceof MlflowRefusal) || error.errorCode !== 'RESOURCE_DOES_NOT_EXIST') throw error;
      throw new AppError(ErrorCode.NOT_FOUND, `The MLflow server has no ${what}.`, {}, { cause: error });
    }
  }

  private async *all<A extends Paged, T>(...of: Listing<A, T>): AsyncGenerator<T> {
    for await (const items of this.pages(...of)) yield* items;
  }

  private async *pages<A extends Paged, T>(
    ...[method, path, given, schema, itemsOf]: Listing<A, T>
  ): AsyncGenerator<T[]> {
    const seen = new Set<string>();
    let token: string | undefined;
    let emptyPages = 0;
    for (let page = 0; page < MAX_PAGES; page++) {
      const asked = { ...given, ...(token !== undefined && { page_token: token }) };
      const answer = read(path, schema, await this.server.ask(method, path, asked));
      const items = itemsOf(answer);
      if (items.length > 0) yield items;
      token = answer.next_page_token;
      if (token === undefined) return;
      if (token.length > MAX_TOKEN_LENGTH) throw endless(`a page token of ${token.length} characters for ${path}`);
      // A hash, because tokens can have any length.
      const print = createHash('sha256').update(token).digest('base64');
      if (seen.has(print)) throw endless(`the same pages of ${path} again`);
      seen.add(print);
      emptyPages = items.length > 0 ? 0 : emptyPages + 1;
      if (emptyPages > MAX_EMPTY_PAGES)
        throw endless(`more than ${MAX_EMPTY_PAGES} empty pages of ${path} after each other`);
    }
    throw endless(`more than ${MAX_PAGES} pages of ${path}`);
  }
}

function endless(what: string): AppError {
  return new AppError(ErrorCode.RESOURCE_EXHAUSTED, `The MLflow server lists ${what}: it is not read any further.`);
}

function read<T>(path: string, schema: z.ZodType<T>, answer: unknown): T {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const message = `The MLflow server’s answer to ${path} is not understood: ${issue?.path.join('.')}: ${issue?.message}.`;
  throw new AppError(ErrorCode.UNAVAILABLE, message, {}, { cause: parsed.error });
}

const viewOf = (withDeleted: boolean) => (withDeleted ? 'ALL' : 'ACTIVE_ONLY');
