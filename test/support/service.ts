import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe } from 'node:diagnostics_channel';
import type { ServerResponse } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, type Client } from 'graphql-ws';
import { pino } from 'pino';
import WebSocket from 'ws';
import { expect, inject } from 'vitest';
import { SecretTokenVerifier } from '../../src/adapters/auth/token-verifier.js';
import { startApp, type RunningApp } from '../../src/app.js';
import { readConfig } from '../../src/config.js';
import type { Module } from '../../src/define-module.js';
import { Role } from '../../src/modules/core/rules/principal.js';
import type { TypedDocument, VariablesOf } from '../../schema/typed-document.js';
import { createDatabaseFromTemplate, type TestDatabase } from './database.js';
import { engineSettings } from './engine-settings.js';
import { statementRecorder } from './sent-statements.js';

export const SECRET = 'a-secret-for-tests-of-at-least-32-characters';

export interface GraphQLErrorShape {
  message: string;
  path?: (string | number)[];
  extensions: { code: string; field?: string; expected?: string; got?: string; [key: string]: unknown };
}

export interface GraphQLResult<T> {
  status: number;
  data: T | null;
  errors?: GraphQLErrorShape[];
}

export interface CallerOptions {
  tenant?: string;
  role?: Role;
  subject?: string;
  lifetimeSeconds?: number;
}

/** A client of the service as one principal, with GraphQL over HTTP and WebSocket. */
export class Caller {
  constructor(
    readonly url: string,
    readonly token: string,
  ) {}

  send<T = Record<string, never>>(query: string, variables?: Record<string, unknown>): Promise<GraphQLResult<T>>;
  send<Result, Variables>(
    document: TypedDocument<Result, Variables>,
    ...[variables]: VariablesOf<Variables>
  ): Promise<GraphQLResult<Result>>;
  async send(document: { toString(): string }, variables: object = {}): Promise<GraphQLResult<unknown>> {
    const response = await fetch(`${this.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${this.token}` },
      body: JSON.stringify({ query: document.toString(), variables }),
    });
    return { status: response.status, ...((await response.json()) as Omit<GraphQLResult<unknown>, 'status'>) };
  }

  /** The data of a request that must succeed. */
  ok<T = Record<string, never>>(query: string, variables?: Record<string, unknown>): Promise<T>;
  ok<Result, Variables>(
    document: TypedDocument<Result, Variables>,
    ...[variables]: VariablesOf<Variables>
  ): Promise<Result>;
  async ok(document: { toString(): string }, variables: Record<string, unknown> = {}): Promise<unknown> {
    const { data, errors } = await this.send<unknown>(document.toString(), variables);
    expect(errors, JSON.stringify(errors)).toBeUndefined();
    return data;
  }

  /** The first error of a request that must fail; its variables may have wrong types. */
  async fails(document: { toString(): string }, variables: Record<string, unknown> = {}): Promise<GraphQLErrorShape> {
    const { errors } = await this.send(document.toString(), variables);
    expect(errors, 'the request was expected to fail').toBeDefined();
    return errors?.[0] as GraphQLErrorShape;
  }

  async upload(
    fileName: string,
    body: Buffer | string,
  ): Promise<{ uploadId: string; sizeBytes: number; sha256: string }> {
    const response = await fetch(`${this.url}/uploads?fileName=${encodeURIComponent(fileName)}`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream', authorization: `Bearer ${this.token}` },
      body: typeof body === 'string' ? body : new Uint8Array(body),
    });
    expect(response.status).toBe(200);
    return (await response.json()) as { uploadId: string; sizeBytes: number; sha256: string };
  }

  /** A separate WebSocket. */
  socket(options: { retryAttempts?: number } = {}): Client {
    return createClient({
      url: `${this.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { token: this.token },
      retryAttempts: options.retryAttempts ?? 0,
    });
  }

  /** Items of a subscription until `enough` of them have come; closes its socket. */
  collect<T>(
    query: string,
    variables: Record<string, unknown>,
    enough: (items: T[]) => boolean,
    timeoutMs?: number,
  ): Promise<T[]>;
  collect<Result extends object, Variables>(
    document: TypedDocument<Result, Variables>,
    variables: Variables,
    enough: (items: Result[keyof Result][]) => boolean,
    timeoutMs?: number,
  ): Promise<Result[keyof Result][]>;
  async collect<T>(
    document: { toString(): string },
    variables: Record<string, unknown>,
    enough: (items: T[]) => boolean,
    timeoutMs = 30_000,
  ): Promise<T[]> {
    const client = this.socket();
    const items: T[] = [];
    const subscription = client.iterate<Record<string, T>>({ query: document.toString(), variables });
    const timer = setTimeout(() => void client.dispose(), timeoutMs);
    try {
      for await (const { data, errors } of subscription) {
        if (errors) throw new Error(JSON.stringify(errors));
        items.push(Object.values(data ?? {})[0] as T);
        if (enough(items)) break;
      }
    } finally {
      clearTimeout(timer);
      await client.dispose();
    }
    return items;
  }
}

/** The request over HTTP that the present work belongs to. A request may wake background work, which outlives it. */
const requests = new AsyncLocalStorage<{ isOpen: boolean }>();
subscribe('http.server.request.start', (message) => {
  const request = { isOpen: true };
  (message as { response: ServerResponse }).response.once('close', () => (request.isOpen = false));
  requests.enterWith(request);
});

export interface TestService {
  url: string;
  app: RunningApp;
  database: TestDatabase;
  /** SQL statements that requests sent since the last `statements.length = 0`; those of background work are not here. */
  statements: string[];
  /** The same statements with their parameters, if they had any. */
  queries: { text: string; params: readonly unknown[] }[];
  as(options?: CallerOptions): Promise<Caller>;
  close(): Promise<void>;
}

/** The whole service on its own database, in this process. `settings` are environment variables. */
export async function startTestService(
  settings: Record<string, string> = {},
  database?: TestDatabase,
  modules?: readonly Module[],
): Promise<TestService> {
  const own = database ?? (await createDatabaseFromTemplate());
  const dataDir = settings['DATA_DIR'] ?? (await mkdtemp(join(tmpdir(), 'matih-test-')));
  const config = readConfig({
    PORT: '0',
    GRPC_PORT: '0',
    DATA_DIR: dataDir,
    DATABASE_URL: own.url,
    AUTH_JWT_SECRET: SECRET,
    LOG_LEVEL: 'error',
    DATABASE_POOL_SIZE: '10',
    INFERENCE_HOSTS: '1',
    RECONCILE_INTERVAL_MS: '500',
    DATASET_DIRS: join(process.cwd(), 'node_modules/vega-datasets/data'),
    ...engineSettings(),
    ...settings,
  });
  const statements: string[] = [];
  const queries: TestService['queries'] = [];
  const record = statementRecorder(inject('MATIH_TEST_STATEMENTS'));
  const onStatement = (text: string, params: readonly unknown[]) => {
    record(text);
    if (!requests.getStore()?.isOpen) return;
    statements.push(text);
    if (params.length > 0) queries.push({ text, params });
  };
  const logger = pino({ level: config.LOG_LEVEL }, pino.destination({ dest: 2, sync: true }));
  const app = await startApp(config, logger, { databaseUrl: own.url, onStatement, modules });
  const url = app.http?.url ?? '';
  return {
    url,
    app,
    database: own,
    statements,
    queries,
    as: async (options = {}) => new Caller(url, await tokenFor(options)),
    close: async () => {
      await app.close();
      if (!database) await own.drop();
      if (!settings['DATA_DIR']) await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** A token signed with the secret of the tests. */
export function tokenFor({
  tenant = 'acme',
  role = Role.ENGINEER,
  subject = 'tess',
  lifetimeSeconds = 3600,
}: CallerOptions = {}): Promise<string> {
  return new SecretTokenVerifier(SECRET, { issuer: 'matih', audience: 'matih-ml' }).issue(
    { subject, tenant, role },
    lifetimeSeconds,
  );
}
