import type { Readable } from 'node:stream';
import type { z } from 'zod';
import { MlflowRefusal, type MlflowServer } from '../../adapters/mlflow-server/port.js';
import {
  ANSWERS,
  type TheirExperiment,
  type TheirLoggedModel,
  type TheirModel,
  type TheirPoint,
  type TheirRun,
  type TheirVersion,
  proxyPath,
} from '../../domain/exchange/mlflow-things.js';
import { AppError, ErrorCode, quote } from '../../errors.js';

const PAGE = 100;
/** As many as one call logs here. */
const POINTS_PER_PAGE = 10_000;
const MAX_FOLDER_DEPTH = 50;
/** A server that gives the same page for ever must not be read for ever. */
const MAX_PAGES = 100_000;

export interface TheirFile {
  /** Below the artifacts of its run or logged model. */
  path: string;
  sizeBytes: number | null;
}

/** Where files are on the other server. */
export type TheirPlace = { artifactUri: string; runId: string | null };

/** Everything of another tracking server that is carried over, page by page. */
export class MlflowReader {
  constructor(private readonly server: MlflowServer) {}

  async *experiments(withDeleted: boolean): AsyncGenerator<TheirExperiment> {
    const given = { view_type: viewOf(withDeleted), max_results: PAGE };
    for await (const { experiments } of this.pages('POST', 'mlflow/experiments/search', given, ANSWERS.experiments)) yield* experiments;
  }

  /** NOT_FOUND when there is none of that name. */
  async experimentNamed(name: string): Promise<TheirExperiment> {
    const given = { experiment_name: name };
    return (await this.named(`experiment named ${quote(name)}`, 'mlflow/experiments/get-by-name', given, ANSWERS.experiment)).experiment;
  }

  /** Oldest first, so that parents mostly come before their children. */
  async *runs(experimentId: string, withDeleted: boolean): AsyncGenerator<TheirRun> {
    const given = {
      experiment_ids: [experimentId],
      run_view_type: viewOf(withDeleted),
      max_results: PAGE,
      order_by: ['attributes.start_time ASC'],
    };
    for await (const { runs } of this.pages('POST', 'mlflow/runs/search', given, ANSWERS.runs)) yield* runs;
  }

  async run(runId: string): Promise<TheirRun> {
    return read('mlflow/runs/get', ANSWERS.run, await this.server.ask('GET', 'mlflow/runs/get', { run_id: runId })).run;
  }

  async *history(runId: string, key: string): AsyncGenerator<TheirPoint[]> {
    const given = { run_id: runId, metric_key: key, max_results: POINTS_PER_PAGE };
    for await (const { metrics } of this.pages('GET', 'mlflow/metrics/get-history', given, ANSWERS.points)) {
      for (let from = 0; from < metrics.length; from += POINTS_PER_PAGE) yield metrics.slice(from, from + POINTS_PER_PAGE);
    }
  }

  /** None of a server that is older than MLflow 3. */
  async *loggedModels(experimentId: string): AsyncGenerator<TheirLoggedModel> {
    const given = { experiment_ids: [experimentId], max_results: PAGE };
    try {
      for await (const { models } of this.pages('POST', 'mlflow/logged-models/search', given, ANSWERS.loggedModels)) yield* models;
    } catch (error) {
      if (!(error instanceof MlflowRefusal && (error.status === 404 || error.status === 405))) throw error;
    }
  }

  async *models(): AsyncGenerator<TheirModel> {
    const given = { max_results: PAGE };
    for await (const page of this.pages('GET', 'mlflow/registered-models/search', given, ANSWERS.models)) yield* page.registered_models;
  }

  /** NOT_FOUND when there is none of that name. */
  async modelNamed(name: string): Promise<TheirModel> {
    return (await this.named(`model named ${quote(name)}`, 'mlflow/registered-models/get', { name }, ANSWERS.model)).registered_model;
  }

  /** In the order of their numbers. */
  async *versions(name: string): AsyncGenerator<TheirVersion> {
    const literal = name.includes("'") ? `"${name}"` : `'${name}'`;
    const given = { filter: `name = ${literal}`, max_results: PAGE, order_by: 'version_number ASC' };
    for await (const page of this.pages('GET', 'mlflow/model-versions/search', given, ANSWERS.versions)) yield* page.model_versions;
  }

  /** All files below a place. */
  async *files(place: TheirPlace, folder = '', depth = 0): AsyncGenerator<TheirFile> {
    if (depth > MAX_FOLDER_DEPTH) return;
    for (const { path, isFolder, sizeBytes } of await this.list(place, folder)) {
      if (isFolder) yield* this.files(place, path, depth + 1);
      else yield { path, sizeBytes };
    }
  }

  /** False for files that the server does not hand out. */
  reaches({ artifactUri, runId }: TheirPlace): boolean {
    return runId !== null || proxyPath(artifactUri) !== null;
  }

  content({ artifactUri, runId }: TheirPlace, path: string): Promise<Readable> {
    const root = proxyPath(artifactUri);
    if (root !== null) {
      const encoded = `${root}/${path}`.split('/').map(encodeURIComponent).join('/');
      return this.server.download(`/api/2.0/mlflow-artifacts/artifacts/${encoded}`);
    }
    return this.server.download('/get-artifact', { run_id: runId ?? '', path });
  }

  private async list({ artifactUri, runId }: TheirPlace, folder: string): Promise<(TheirFile & { isFolder: boolean })[]> {
    const root = proxyPath(artifactUri);
    const found: (TheirFile & { isFolder: boolean })[] = [];
    // The proxy names what is in a folder, the tracking server says where it is.
    const above = root !== null && folder !== '' ? `${folder}/` : '';
    const [path, given] =
      root !== null
        ? (['mlflow-artifacts/artifacts', { path: folder === '' ? root : `${root}/${folder}` }] as const)
        : (['mlflow/artifacts/list', { run_id: runId, path: folder }] as const);
    for await (const { files } of this.pages('GET', path, given, ANSWERS.files)) {
      for (const file of files) found.push({ path: `${above}${file.path}`, isFolder: file.is_dir, sizeBytes: file.file_size ?? null });
    }
    return found;
  }

  private async named<T>(what: string, path: string, given: Record<string, unknown>, schema: z.ZodType<T>): Promise<T> {
    try {
      return read(path, schema, await this.server.ask('GET', path, given));
    } catch (error) {
      if (!(error instanceof MlflowRefusal) || error.errorCode !== 'RESOURCE_DOES_NOT_EXIST') throw error;
      throw new AppError(ErrorCode.NOT_FOUND, `The MLflow server has no ${what}.`, {}, { cause: error });
    }
  }

  private async *pages<T extends { next_page_token?: string | undefined }>(
    method: 'GET' | 'POST',
    path: string,
    given: Record<string, unknown>,
    schema: z.ZodType<T>,
  ): AsyncGenerator<T> {
    let token: string | undefined;
    for (let page = 0; page < MAX_PAGES; page++) {
      const answer = read(
        path,
        schema,
        await this.server.ask(method, path, { ...given, ...(token !== undefined && { page_token: token }) }),
      );
      yield answer;
      if (answer.next_page_token === undefined || answer.next_page_token === token) return;
      token = answer.next_page_token;
    }
  }
}

function read<T>(path: string, schema: z.ZodType<T>, answer: unknown): T {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const message = `The MLflow server’s answer to ${path} is not understood: ${issue?.path.join('.')}: ${issue?.message}.`;
  throw new AppError(ErrorCode.UNAVAILABLE, message, {}, { cause: parsed.error });
}

const viewOf = (withDeleted: boolean) => (withDeleted ? 'ALL' : 'ACTIVE_ONLY');
