import { z } from 'zod';
import { AppError, ErrorCode, quote } from '../../errors.js';
import { type Answer, HttpExchanger, type Exchange } from './http-exchange.js';

export interface RayClientOptions {
  /** Address of the dashboard, without a slash at its end. */
  dashboardUrl: string;
  token: string | undefined;
}

const jobSchema = z.object({
  submission_id: z.string().nullable(),
  status: z.enum(['PENDING', 'RUNNING', 'STOPPED', 'SUCCEEDED', 'FAILED']),
  message: z.string().nullish(),
  error_type: z.string().nullish(),
  start_time: z.number().nullish(),
  end_time: z.number().nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  driver_node_id: z.string().nullish(),
  driver_exit_code: z.int().nullish(),
});
/** A job as Ray's Jobs API shows it. */
export type RayJob = z.infer<typeof jobSchema>;

const versionSchema = z.object({ ray_version: z.string() });

const amounts = z.record(z.string(), z.number());
const nodesSchema = z.object({
  data: z.object({
    result: z.object({
      result: z.array(
        z.object({
          node_id: z.string(),
          node_ip: z.string(),
          is_head_node: z.boolean(),
          state: z.string(),
          resources_total: amounts.nullish(),
        }),
      ),
    }),
  }),
});
export interface RayNode {
  id: string;
  address: string;
  isHead: boolean;
  isAlive: boolean;
  /** Amounts by resource: CPU, GPU, memory in bytes, … */
  resources: Record<string, number>;
}

const demandsSchema = z.array(z.tuple([amounts, z.number()]));
const reportSchema = z.object({
  usage: z.record(z.string(), z.tuple([z.number(), z.number()])),
  resourceDemand: demandsSchema.default([]),
  /** Requests that must be met together. */
  pgDemand: z.array(z.tuple([z.object({ bundles: demandsSchema }), z.number()])).default([]),
});
const statusSchema = z.object({
  data: z.object({ clusterStatus: z.object({ loadMetricsReport: reportSchema }).nullish() }),
});
/** What Ray's autoscaler reports: what is in use, and what waits for resources. */
export type RayLoad = z.infer<typeof reportSchema>;

export interface RaySubmission {
  /** Letters, digits, dashes and underscores. */
  id: string;
  entrypoint: string;
  /** A package that was put. */
  packageName: string;
  env: Record<string, string>;
  cpus: number;
  metadata: Record<string, string>;
}

const ANSWER_MS = 15_000;
/** The first submission to a fresh cluster takes up to 14 s, a package of a busy one too. */
const SUBMIT_MS = 60_000;
const MAX_LOG_BYTES = 4 * 1024 ** 2;

/**
 * Ray's Jobs API and the state of the cluster. Errors: UNAVAILABLE when the cluster does not answer, refuses the token,
 * or answers with an error.
 */
export class RayClient {
  private readonly exchanger: HttpExchanger;
  private readonly address: string;

  constructor({ dashboardUrl, token }: RayClientOptions) {
    this.address = dashboardUrl;
    this.exchanger = new HttpExchanger(dashboardUrl, {
      accept: 'application/json',
      ...(token && { authorization: `Bearer ${token}` }),
    });
  }

  async version(timeoutMs = ANSWER_MS): Promise<string> {
    return (await this.read(versionSchema, { method: 'GET', path: '/api/version', timeoutMs })).ray_version;
  }

  /** Whether the head's store of the cluster's state answers. The dashboard may still answer without it. */
  async isHealthy(): Promise<boolean> {
    const { status } = await this.ask({ method: 'GET', path: '/api/gcs_healthz', timeoutMs: ANSWER_MS }, [503]);
    return status === 200;
  }

  async nodes(): Promise<RayNode[]> {
    const path = '/api/v0/nodes?limit=1000';
    const { data } = await this.read(nodesSchema, { method: 'GET', path, timeoutMs: ANSWER_MS });
    return data.result.result.map((node) => ({
      id: node.node_id,
      address: node.node_ip,
      isHead: node.is_head_node,
      isAlive: node.state === 'ALIVE',
      resources: node.resources_total ?? {},
    }));
  }

  /** Null when the cluster runs no autoscaler. */
  async load(): Promise<RayLoad | null> {
    const path = '/api/cluster_status';
    const { data } = await this.read(statusSchema, { method: 'GET', path, timeoutMs: ANSWER_MS });
    return data.clusterStatus?.loadMetricsReport ?? null;
  }

  jobs(): Promise<RayJob[]> {
    return this.read(z.array(jobSchema), { method: 'GET', path: '/api/jobs/', timeoutMs: ANSWER_MS });
  }

  /** Null when the cluster does not know the job: it was never submitted, or the cluster has lost it. */
  async job(id: string): Promise<RayJob | null> {
    const asked = { method: 'GET', path: `/api/jobs/${id}`, timeoutMs: ANSWER_MS } as const;
    const answer = await this.ask(asked, [404]);
    return answer.status === 404 ? null : this.parsed(jobSchema, asked, answer);
  }

  async hasPackage(name: string): Promise<boolean> {
    const path = `/api/packages/gcs/${name}`;
    return (await this.ask({ method: 'GET', path, timeoutMs: ANSWER_MS }, [404])).status === 200;
  }

  async putPackage(name: string, zip: Uint8Array): Promise<void> {
    await this.ask({ method: 'PUT', path: `/api/packages/gcs/${name}`, body: zip, timeoutMs: SUBMIT_MS });
  }

  async submit({ id, entrypoint, packageName, env, cpus, metadata }: RaySubmission): Promise<void> {
    const body = JSON.stringify({
      submission_id: id,
      entrypoint,
      runtime_env: { working_dir: `gcs://${packageName}`, env_vars: env },
      entrypoint_num_cpus: cpus,
      metadata,
    });
    await this.ask({ method: 'POST', path: '/api/jobs/', body, timeoutMs: SUBMIT_MS });
  }

  /** Stopping a job that has ended is not an error. */
  async stop(id: string): Promise<void> {
    await this.ask({ method: 'POST', path: `/api/jobs/${id}/stop`, timeoutMs: ANSWER_MS }, [404]);
  }

  /** The beginning of what the job has printed; '' when it is not known. */
  async logs(id: string, maxBytes = MAX_LOG_BYTES): Promise<string> {
    const path = `/api/jobs/${id}/logs`;
    const { status, text, isCut } = await this.ask({ method: 'GET', path, timeoutMs: ANSWER_MS, maxBytes }, [404]);
    if (status === 404) return '';
    // A cut answer is a JSON text without its end.
    return z.object({ logs: z.string() }).parse(JSON.parse(isCut ? `${text.replace(/\\+$/, '')}"}` : text)).logs;
  }

  close(): void {
    this.exchanger.close();
  }

  private async read<Schema extends z.ZodType>(schema: Schema, exchange: Exchange): Promise<z.output<Schema>> {
    return this.parsed(schema, exchange, await this.ask(exchange));
  }

  private parsed<Schema extends z.ZodType>(
    schema: Schema,
    { path }: Pick<Exchange, 'path'>,
    { text }: Answer,
  ): z.output<Schema> {
    const parsed = schema.safeParse(jsonOf(text));
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw this.unavailable(
      `gives an answer to ${path.split('?')[0]} that this release cannot read: ${issue?.path.join('.')}: ${issue?.message}`,
    );
  }

  /** The answer, when its status is a success or one of `expected`. */
  private async ask(exchange: Exchange, expected: readonly number[] = []): Promise<Answer> {
    let answer: Answer;
    try {
      answer = await this.exchanger.ask(exchange);
    } catch (error) {
      throw this.unavailable(`does not answer: ${error instanceof Error ? error.message : String(error)}`, error);
    }
    const { status, text } = answer;
    if ((status >= 200 && status < 300) || expected.includes(status)) return answer;
    if (status === 401 || status === 403)
      throw this.unavailable('refuses the token: set RAY_AUTH_TOKEN to the token of the cluster');
    const [path] = exchange.path.split('?');
    throw this.unavailable(`answers ${exchange.method} ${path} with ${status}: ${quote(lastLine(text))}`);
  }

  private unavailable(what: string, cause?: unknown): AppError {
    return new AppError(ErrorCode.UNAVAILABLE, `The Ray cluster at ${this.address} ${what}.`, {}, { cause });
  }
}

/** Ray's errors are tracebacks; their last line says what is wrong. */
function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
