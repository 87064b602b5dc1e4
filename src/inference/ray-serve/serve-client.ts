import { z } from 'zod';
import { AppError, ErrorCode } from '../../errors.js';
import { type Call, HttpServer } from '../remote/http-server.js';
import { reasonOf, ServerFault } from '../remote/server-fault.js';

/** An application as it is asked for. Those of others have further fields, which are kept. */
const configSchema = z.looseObject({ name: z.string() });
export type ApplicationConfig = z.infer<typeof configSchema>;

const applicationSchema = z.object({
  status: z.enum(['NOT_STARTED', 'DEPLOYING', 'DEPLOY_FAILED', 'RUNNING', 'UNHEALTHY', 'DELETING']),
  message: z.string().nullish(),
  /** Null for one that a program has started; those outlive any wanted state. */
  deployed_app_config: configSchema.nullish(),
  deployments: z
    .record(
      z.string(),
      z.object({
        message: z.string().nullish(),
        target_num_replicas: z.int().nullish(),
        replicas: z.array(z.object({ state: z.string() })).default([]),
      }),
    )
    .default({}),
});
export type Application = z.infer<typeof applicationSchema>;

const stateSchema = z.object({
  /** Empty before Serve runs. */
  controller_info: z.record(z.string(), z.unknown()).nullish(),
  proxy_location: z.string().nullish(),
  http_options: z.record(z.string(), z.unknown()).nullish(),
  grpc_options: z.record(z.string(), z.unknown()).nullish(),
  target_capacity: z.number().nullish(),
  applications: z.record(z.string(), applicationSchema).default({}),
});
type State = z.infer<typeof stateSchema>;

export interface ServeClientOptions {
  dashboardUrl: string;
  token: string | undefined;
  /** Where Serve's proxy shall listen, if this service is the first that uses it. */
  serveUrl: string;
}

const ANSWER_MS = 15_000;
/** The first change starts Serve. */
const CHANGE_MS = 60_000;
const APPLICATIONS = '/api/serve/applications/';

/**
 * The applications of Ray Serve by Ray's REST API, which knows only the whole wanted state. So a change reads the state
 * and writes it with one difference. Errors: ServerFault AWAY when Ray does not answer.
 */
export class ServeClient {
  private readonly http: HttpServer;
  private changing: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: ServeClientOptions) {
    const { dashboardUrl, token } = options;
    this.http = new HttpServer('Ray', 'RAY_ADDRESS', dashboardUrl, token ? { authorization: `Bearer ${token}` } : {});
  }

  async applications(): Promise<Record<string, Application>> {
    return (await this.state()).applications;
  }

  /**
   * Changes the wanted applications, one change after the other in this process. What another process changes between
   * the reading and the writing is lost, so that whoever wants an application looks whether it is there.
   */
  change(edit: (wanted: ApplicationConfig[]) => ApplicationConfig[]): Promise<void> {
    const next = this.changing.then(async () => {
      const state = await this.state();
      const wanted = Object.values(state.applications).flatMap(({ deployed_app_config: config, status }) =>
        config && status !== 'DELETING' ? [config] : [],
      );
      await this.call({ method: 'PUT', path: APPLICATIONS, body: this.wholeState(state, edit(wanted)) }, CHANGE_MS);
    });
    this.changing = next.catch(() => undefined);
    return next;
  }

  async hasPackage(name: string): Promise<boolean> {
    return (await this.send({ method: 'GET', path: `/api/packages/gcs/${name}` }, ANSWER_MS)).status === 200;
  }

  async putPackage(name: string, zip: Uint8Array): Promise<void> {
    const headers = { 'content-type': 'application/octet-stream' };
    await this.call({ method: 'PUT', path: `/api/packages/gcs/${name}`, body: Buffer.from(zip), headers }, CHANGE_MS);
  }

  close(): Promise<void> {
    return this.http.close();
  }

  /** Options of the proxy hold from the start of Serve on: later ones are ignored, so they are kept as they are. */
  private wholeState(state: State, applications: ApplicationConfig[]): string {
    const runs = Object.keys(state.controller_info ?? {}).length > 0;
    const { hostname, port, protocol } = new URL(this.options.serveUrl);
    const isLocal = hostname === 'localhost' || hostname === '127.0.0.1';
    const httpOptions = {
      host: isLocal ? '127.0.0.1' : '0.0.0.0',
      port: Number(port) || (protocol === 'https:' ? 443 : 80),
    };
    return JSON.stringify({
      proxy_location: (runs && state.proxy_location) || 'EveryNode',
      http_options: (runs && state.http_options) || httpOptions,
      ...(runs && state.grpc_options && { grpc_options: state.grpc_options }),
      ...(state.target_capacity != null && { target_capacity: state.target_capacity }),
      applications,
    });
  }

  private async state(): Promise<State> {
    const answer = await this.call({ method: 'GET', path: APPLICATIONS }, ANSWER_MS);
    try {
      return stateSchema.parse(JSON.parse(answer.toString()));
    } catch (error) {
      throw new ServerFault('WRONG', 'Ray answered wrongly about its applications.', { cause: error });
    }
  }

  private async call(call: Omit<Call, 'signal'>, timeoutMs: number): Promise<Buffer> {
    const { status, body } = await this.send(call, timeoutMs);
    if (status === 200) return body;
    if (status === 401 || status === 403)
      throw new AppError(
        ErrorCode.UNAVAILABLE,
        'Ray refused the token of this service: ask who runs the service to look at RAY_AUTH_TOKEN.',
      );
    throw new ServerFault('WRONG', `Ray refused a change of its applications: ${reasonOf(body.toString())}.`);
  }

  private async send(call: Omit<Call, 'signal'>, timeoutMs: number) {
    const signal = AbortSignal.timeout(timeoutMs);
    const headers = { 'content-type': 'application/json', ...call.headers };
    try {
      return await this.http.call({ ...call, headers, signal });
    } catch (error) {
      if (!signal.aborted) throw error;
      throw new ServerFault('AWAY', `Ray did not answer within ${timeoutMs / 1000} s.`, { cause: error });
    }
  }
}
