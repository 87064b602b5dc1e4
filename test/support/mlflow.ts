import { expect } from 'vitest';
import { tokenFor, type CallerOptions, type TestService } from './service.js';

export interface MlflowAnswer<T> {
  status: number;
  body: T;
}

export interface MlflowErrorShape {
  error_code: string;
  message: string;
}

type Query = Record<string, string | number | (string | number)[]>;

export interface MlflowRun {
  info: Record<string, string | number> & {
    run_id: string;
    status: string;
    lifecycle_stage: string;
    experiment_id: string;
    artifact_uri: string;
  };
  data: {
    metrics?: { key: string; value: number | string; timestamp: number; step: number }[];
    params?: { key: string; value: string }[];
    tags?: { key: string; value: string }[];
  };
  inputs: { dataset_inputs?: unknown[]; model_inputs?: unknown[] };
  outputs: { model_outputs?: unknown[] };
}

/** A client of the MLflow protocol as one principal, without MLflow. */
export class MlflowCaller {
  constructor(
    readonly url: string,
    readonly token: string,
  ) {}

  static async of(service: TestService, options: CallerOptions = {}): Promise<MlflowCaller> {
    return new MlflowCaller(service.url, await tokenFor(options));
  }

  async send<T = Record<string, unknown>>(
    method: string,
    path: string,
    { body, query, headers }: { body?: unknown; query?: Query; headers?: Record<string, string> } = {},
  ): Promise<MlflowAnswer<T>> {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query ?? {}))
      for (const one of [value].flat()) search.append(name, String(one));
    const prefix = path.startsWith('/') ? '' : '/api/2.0/mlflow/';
    const response = await fetch(`${this.url}${prefix}${path}${query ? `?${search}` : ''}`, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as T };
  }

  /** The answer to a request that must succeed. */
  async ok<T = Record<string, unknown>>(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    path: string,
    given: object = {},
  ): Promise<T> {
    const { status, body } = await this.send<T>(
      method,
      path,
      method === 'GET' ? { query: given as Query } : { body: given },
    );
    expect(status, JSON.stringify(body)).toBe(200);
    return body;
  }

  get<T = Record<string, unknown>>(path: string, query: Query = {}): Promise<T> {
    return this.ok<T>('GET', path, query);
  }

  post<T = Record<string, unknown>>(path: string, body: object = {}): Promise<T> {
    return this.ok<T>('POST', path, body);
  }

  /** The error of a request that must be refused. */
  async fails(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    path: string,
    given: unknown = {},
  ): Promise<MlflowErrorShape & { status: number }> {
    const { status, body } = await this.send<MlflowErrorShape>(
      method,
      path,
      method === 'GET' ? { query: given as Query } : { body: given },
    );
    expect(status, JSON.stringify(body)).toBeGreaterThanOrEqual(400);
    return { status, ...body };
  }

  async newRun(given: object = {}): Promise<string> {
    const { run } = await this.post<{ run: MlflowRun }>('runs/create', {
      experiment_id: '0',
      start_time: Date.now(),
      ...given,
    });
    return run.info.run_id;
  }

  async run(runId: string): Promise<MlflowRun> {
    return (await this.get<{ run: MlflowRun }>('runs/get', { run_id: runId })).run;
  }
}
