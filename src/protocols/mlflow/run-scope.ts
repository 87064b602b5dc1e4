import { Role, type Principal, outsideScope, requireRun, requireScope, fromHexId } from '../../modules/core/index.js';
import { safePath } from './artifacts/address.js';
import type { Endpoint } from './endpoint.js';

/** The text in a request that names its run; null when the request is about more than one run. */
type RunOf = (input: Record<string, unknown>) => unknown;

const named: RunOf = ({ run_id: id, run_uuid: old }) => id || old;
const hasModel = (metric: unknown) => Boolean((metric as { model_id?: unknown } | null)?.model_id);
/** A metric of a logged model is also written to that model. */
const withoutModel: RunOf = (input) =>
  hasModel(input) || (input['metrics'] as unknown[] | undefined)?.some(hasModel) ? null : named(input);
/** `<experiment>/<run>/artifacts/…` */
const inPath: RunOf = ({ '*': path }) => safePath(`${String(path)}/file`).split('/')[1];

/** The endpoints that a token for one run may call for that run. All others are refused. */
const RUN_OF: Record<string, RunOf> = {
  'GET /mlflow/runs/get': named,
  'POST /mlflow/runs/update': named,
  'POST /mlflow/runs/log-metric': withoutModel,
  'POST /mlflow/runs/log-parameter': named,
  'POST /mlflow/runs/log-batch': withoutModel,
  'POST /mlflow/runs/set-tag': named,
  'POST /mlflow/runs/delete-tag': named,
  'GET /mlflow/metrics/get-history': named,
  'GET /mlflow/artifacts/list': named,
  'GET /get-artifact': named,
  'GET /mlflow-artifacts/artifacts/*': inPath,
  'PUT /mlflow-artifacts/artifacts/*': inPath,
  'GET /mlflow-artifacts/presigned/*': inPath,
  'POST /mlflow-artifacts/mpu/create/*': inPath,
  'POST /mlflow-artifacts/mpu/complete/*': inPath,
  'POST /mlflow-artifacts/mpu/abort/*': inPath,
};

const nameOf = ({ methods, path }: Endpoint) => `${methods.join()} ${path}`;

/** Called before anything of a request is read: a token that may only read may call what VIEWER may. */
export function requireMlflowScope({ scope }: Principal, endpoint: Endpoint): void {
  const forOneRun = Object.hasOwn(RUN_OF, nameOf(endpoint)) ? (['WRITE_RUN'] as const) : [];
  requireScope(scope, nameOf(endpoint), [...(endpoint.role === Role.VIEWER ? (['READ'] as const) : []), ...forOneRun]);
}

/** For a token for one run: refuses a request that is not only about that run. */
export function requireOwnRun({ scope }: Principal, endpoint: Endpoint, input: unknown): void {
  if (scope?.kind !== 'WRITE_RUN') return;
  const run = RUN_OF[nameOf(endpoint)]?.(input as Record<string, unknown>);
  if (typeof run !== 'string') throw outsideScope(scope, nameOf(endpoint));
  requireRun(scope, nameOf(endpoint), fromHexId(run));
}

/** For the test that compares them with the endpoints. */
export const scopedEndpoints: readonly string[] = Object.keys(RUN_OF);
