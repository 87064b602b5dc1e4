import {
  type Principal,
  includesRole,
  Role,
  requireEndpoint,
  characters,
  checkRange,
  type InputRange,
} from '../core/index.js';
import {
  type Datatype,
  type Signature,
  type Tensor,
  type TensorData,
  categoriesOf,
  type UnknownCategory,
  unknownCategories,
  missingElement,
  checkTensors,
  invalidValue,
  rowsToTensors,
  tensorFromValues,
} from '../model-contract/index.js';
import {
  CALLER_ATTRIBUTES,
  type Caller,
  type CallerAttribute,
  explainRoute,
  type RequestHeaders,
  requireOwnAttributes,
  routeRequest,
} from './rules/traffic-policy.js';
import { AppError, badInput, conflict, ErrorCode, quote } from '../../errors.js';
import type { MemberAnswer } from '../../inference/fanout/port.js';
import { answersTexts } from '../../inference/port.js';
import { Admission } from './admission.js';
import { slaOf } from './sla.js';
import type { Runtimes } from './runtimes.js';
import { type EndpointRef, type Route, type Routes, runsAlone, type Target } from './routes.js';
import { UsedRequestIds } from './used-request-ids.js';
import type { ShadowMirror } from './shadow-mirror.js';
import { isFault, type TrafficRecorder } from './traffic-recorder.js';

/** A tensor of a request, its elements in row-major order: plain values as in JSON, or stored as in a `Tensor`. */
export interface PlainTensor {
  name: string;
  datatype: Datatype;
  shape: number[];
  data: readonly unknown[] | TensorData;
}

/** Exactly one of the two is given. */
export interface NamedEndpoint {
  endpointId?: string | null;
  endpointName?: string | null;
}

export interface PredictInput extends NamedEndpoint {
  /** Exactly one of the two is given. */
  rows?: Record<string, unknown>[] | null;
  tensors?: PlainTensor[] | null;
  routingKey?: string | null;
  /** For the rules of the endpoint's traffic policy. */
  attributes?: CallerAttribute[] | null;
  deadlineMs?: number | null;
  requestId?: string | null;
  /** True: the request id may have been used before, because clients of the protocol number their requests. */
  mayRepeatId?: boolean;
  /** The number of the version that must answer; when absent, the endpoint's traffic policy chooses. */
  version?: number | null;
  /** The outputs to return, in this order; all when absent. */
  outputs?: readonly string[] | null;
  /** Requests with a lower number run first; when absent, DEFAULT_PRIORITY. */
  priority?: number | null;
}

export interface Prediction {
  requestId: string;
  target: Target;
  outputs: Tensor[];
  rows: number;
  latencyMs: number;
  /** Number of rows of the batch in which the request ran. */
  batchRows: number;
  /** What each member of the ensemble did, when they were asked one by one; empty otherwise. */
  members: MemberAnswer[];
  /** The first of the categories that the model was not trained with. */
  unknownCategories: UnknownCategory[];
  /** The number of all of them. */
  unknownCategoryCount: number;
}

export interface RoutePreview {
  /** The deployment that would answer; null when none would. */
  target: Target | null;
  /** The position of the rule that chooses it; null when the weights do. */
  rule: number | null;
  reason: string;
}

export interface PredictServiceOptions {
  routes: Routes;
  runtimes: Runtimes;
  recorder: TrafficRecorder;
  mirror: ShadowMirror;
  /** The longest time that a prediction may take. */
  deadlineMs: number;
}

export const ROWS_PER_REQUEST = { min: 1, max: 10_000, unit: 'rows' } satisfies InputRange;
/** The id of a request, or the key that chooses its version. */
export const REQUEST_KEY = characters(1, 250);
export const DEADLINE_MS = { min: 1, unit: 'milliseconds' } satisfies InputRange;
const MAX_UNKNOWN_SHOWN = 100;
const MAX_UNKNOWN_CHARACTERS = 200;
const NONE_UNKNOWN: UnknownCategory[] = [];
const NO_MEMBERS: MemberAnswer[] = [];
const NO_ATTRIBUTES: CallerAttribute[] = [];
const NO_HEADERS: RequestHeaders = {};

/** Online predictions. They read from memory only; the database is written in the background. */
export class PredictService {
  private readonly usedIds = new UsedRequestIds();
  private readonly admission = new Admission();

  constructor(private readonly options: PredictServiceOptions) {}

  /**
   * Errors: NOT_FOUND, CONFLICT (a request id that was used at this endpoint), FORBIDDEN (viewers, unless every live
   * version is in PRODUCTION), UNAVAILABLE (nothing is live, or the model is out of service for a while),
   * INVALID_TENSOR, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED. `headers` are those of the request, for rules.
   */
  async predict(
    principal: Principal,
    input: PredictInput,
    ownRequestId: string,
    headers: RequestHeaders = NO_HEADERS,
  ): Promise<Prediction> {
    const startedAt = performance.now();
    const deadlineMs = this.deadlineOf(input);
    const requestId = checkKey('input.requestId', input.requestId) ?? ownRequestId;
    const routingKey = checkKey('input.routingKey', input.routingKey) ?? requestId;
    const attributes = checkAttributes(input.attributes);
    const found = this.routeOf(principal, refOf(input));
    const route = found instanceof Promise ? await found : found;
    // The name may belong to another endpoint by now.
    requireEndpoint(principal.scope, route.endpoint);
    const target =
      input.version == null
        ? pick(route, principal, routingKey, { attributes, headers, principal })
        : targetOf(route, principal, input.version);
    if (answersTexts(target.deployment.runtime)) throw needsText();
    const { tensors, rows } = readInputs(target.version.signature, input);
    const select = input.outputs ? selectionOf(target.version.signature, input.outputs) : null;
    const unknown = findUnknown(target.version.signature, tensors, route.endpoint.unknownCategories === 'REFUSE');
    const { recorder, mirror, runtimes } = this.options;
    const isUnique = input.requestId != null && input.mayRepeatId !== true;
    if (isUnique) this.usedIds.take(route.endpoint, requestId);
    const { logSampleRate, redactedFields } = route.endpoint;
    // Who names the version did not draw it: such a request says nothing in a test of versions by key.
    const drawnBy = input.version == null ? routingKey : null;
    const served = { target, requestId, routingKey: drawnBy, rows, inputs: tensors, logSampleRate, redactedFields };
    try {
      const leftMs = Math.max(1, deadlineMs - (performance.now() - startedAt));
      const { outputs, batchRows, members } = await this.admission.run(target.deployment, rows, leftMs, (allowedMs) =>
        runtimes.infer(target, tensors, {
          deadlineMs: allowedMs,
          alone: runsAlone(route, target),
          priority: input.priority ?? undefined,
        }),
      );
      const latencyMs = performance.now() - startedAt;
      recorder.answered({ ...served, latencyMs }, outputs);
      if (route.shadows.length > 0)
        mirror.offer({ route, production: target, requestId, rows, inputs: tensors, outputs });
      return {
        ...{ requestId, target, outputs: select ? select(outputs) : outputs, rows, latencyMs, batchRows, ...unknown },
        members: members ?? NO_MEMBERS,
      };
    } catch (error) {
      // The id of a failed request can be used again.
      if (isUnique) this.usedIds.giveBack(route.endpoint, requestId);
      // If the deadline is shorter than the endpoint's latency limit, a timeout is the caller's choice and not a
      // failure of the model.
      const isCallersTimeout =
        error instanceof AppError &&
        error.code === ErrorCode.DEADLINE_EXCEEDED &&
        deadlineMs < Math.min(slaOf(target.deployment, route.endpoint).latencyP95Ms, this.options.deadlineMs);
      // The inputs fit the signature: a model that cannot run them is at fault, not the caller.
      const isModels = error instanceof AppError && error.code === ErrorCode.INVALID_TENSOR;
      if ((isModels || isFault(error)) && !isCallersTimeout)
        recorder.failed({ ...served, latencyMs: performance.now() - startedAt }, error);
      throw error;
    }
  }

  /** The endpoint as this process serves it. Errors: NOT_FOUND, FORBIDDEN (a token of others), CONFLICT (texts). */
  async describe(principal: Principal, name: string): Promise<Route> {
    requireEndpoint(principal.scope, { name });
    const route = await this.options.routes.find(principal.tenant, { name });
    requireEndpoint(principal.scope, route.endpoint);
    if (route.live.some(({ deployment }) => answersTexts(deployment.runtime))) throw needsText();
    return route;
  }

  /** Where a request would go, and why. Attributes may also stand for headers and for the caller's token. */
  async preview(
    principal: Principal,
    endpointId: string,
    routingKey: string,
    attributes: CallerAttribute[],
  ): Promise<RoutePreview> {
    checkRange(REQUEST_KEY, routingKey, null, 'routingKey');
    const { policy } = await this.routeOf(principal, { id: endpointId });
    const routed = explainRoute(policy, routingKey, { attributes, headers: NO_HEADERS, principal });
    return (
      routed ?? { target: null, rule: null, reason: 'No rule matches, and no deployment that is ready has weight.' }
    );
  }

  /** The deployment that answers a request for a text. Errors as `predict`. */
  async choose(
    principal: Principal,
    input: Pick<PredictInput, 'endpointId' | 'endpointName' | 'attributes'>,
    routingKey: string,
    headers: RequestHeaders,
  ): Promise<Target> {
    const attributes = checkAttributes(input.attributes);
    const route = await this.routeOf(principal, refOf(input));
    requireEndpoint(principal.scope, route.endpoint);
    return pick(route, principal, routingKey, { attributes, headers, principal });
  }

  /** Waits for room at a deployment that answers texts; gives what gives it back. Errors as `Admission`. */
  enter({ deployment }: Target, deadlineMs: number): Promise<() => void> {
    return this.admission.enter(deployment, 1, deadlineMs);
  }

  private routeOf(principal: Principal, ref: EndpointRef): Route | Promise<Route> {
    requireEndpoint(principal.scope, ref);
    return this.options.routes.find(principal.tenant, ref);
  }

  private deadlineOf({ deadlineMs }: PredictInput): number {
    const longest = this.options.deadlineMs;
    if (deadlineMs == null) return longest;
    if (!(deadlineMs >= DEADLINE_MS.min))
      throw badInput(
        'input.deadlineMs',
        `milliseconds from ${DEADLINE_MS.min} (at most ${longest} are granted)`,
        deadlineMs,
      );
    return Math.min(deadlineMs, longest);
  }
}

function needsText(): AppError {
  return conflict('This endpoint answers texts and not tensors: call chat or complete.', {
    expected: 'an endpoint whose deployments answer tensors',
  });
}

/** `field`: the input that contains both. */
export function refOf({ endpointId, endpointName }: NamedEndpoint, field = 'input'): EndpointRef {
  if ((endpointId == null) === (endpointName == null))
    throw badInput(field, 'exactly one of endpointId and endpointName', { endpointId, endpointName });
  return endpointId != null ? { id: endpointId } : { name: endpointName as string };
}

function checkKey(field: string, key: string | null | undefined): string | null {
  if (key == null) return null;
  checkRange(REQUEST_KEY, key, null, field);
  return key;
}

function checkAttributes(attributes: CallerAttribute[] | null | undefined): readonly CallerAttribute[] {
  if (attributes == null) return NO_ATTRIBUTES;
  checkRange(CALLER_ATTRIBUTES, attributes, null, 'input.attributes');
  requireOwnAttributes(attributes, 'input.attributes');
  return attributes;
}

function pick(route: Route, principal: Principal, routingKey: string, caller: Caller): Target {
  const { endpoint, policy } = route;
  const target = routeRequest(policy, routingKey, caller);
  if (!route.viewersMayCall) requireEngineer(principal, endpoint.name);
  if (!target)
    throw new AppError(ErrorCode.UNAVAILABLE, `Endpoint "${endpoint.name}" has no live deployment that is ready.`, {
      expected: 'a LIVE deployment that is READY',
    });
  return target;
}

function requireEngineer(principal: Principal, endpoint: string): void {
  if (includesRole(principal.role, Role.ENGINEER)) return;
  throw new AppError(
    ErrorCode.FORBIDDEN,
    `Endpoint "${endpoint}" serves a version that is not in PRODUCTION; it needs the role ${Role.ENGINEER}.`,
    {
      expected: Role.ENGINEER,
      got: principal.role,
    },
  );
}

/** The deployment of a version, whatever its weight. NOT_FOUND where it is not deployed, or not ready. */
export function deployedVersion({ endpoint, ready }: Route, version: number): Target {
  const found = ready.filter((one) => one.version.version === version);
  // A control is counted apart, and nobody chooses it.
  const target = found.find(({ deployment }) => !deployment.isControl) ?? found[0];
  if (target) return target;
  throw noVersion(
    endpoint.name,
    version,
    ready.map((one) => one.version.version),
  );
}

export function noVersion(endpoint: string, version: number, deployed: readonly number[]): AppError {
  const there = deployed.toSorted((a, b) => a - b).join(', ');
  return new AppError(
    ErrorCode.NOT_FOUND,
    `Version ${version} is not deployed at endpoint "${endpoint}"; ${there ? `there is ${there}.` : 'no version is.'}`,
    { expected: there || 'a version that is deployed', got: String(version) },
  );
}

function targetOf(route: Route, principal: Principal, version: number): Target {
  const target = deployedVersion(route, version);
  if (!target.isProduction) requireEngineer(principal, route.endpoint.name);
  return target;
}

/** Picks the named outputs. INVALID_TENSOR for a name that the model does not have, or that comes twice. */
function selectionOf({ outputs }: Signature, names: readonly string[]): (all: Tensor[]) => Tensor[] {
  names.forEach((name, i) => {
    if (!outputs.some((output) => output.name === name))
      throw invalidValue(`outputs[${i}].name`, `one of the model's outputs ${namesOf(outputs)}`, name);
    if (names.indexOf(name) !== i) throw invalidValue(`outputs[${i}].name`, 'each output once', name);
  });
  return (all) => names.map((name) => all.find((output) => output.name === name)!);
}

const namesOf = (outputs: Signature['outputs']) => quote(outputs.map(({ name }) => name));

/** Throws INVALID_TENSOR, which names the first one, when the endpoint refuses unknown categories. */
function findUnknown(
  signature: Signature,
  tensors: readonly Tensor[],
  refuse: boolean,
): Pick<Prediction, 'unknownCategories' | 'unknownCategoryCount'> {
  let found = NONE_UNKNOWN;
  let total = 0;
  unknownCategories(signature, tensors, (unknown) => {
    if (refuse) throw refusedCategory(signature, unknown);
    if (total === 0) found = [];
    if (total++ < MAX_UNKNOWN_SHOWN) found.push({ ...unknown, value: unknown.value.slice(0, MAX_UNKNOWN_CHARACTERS) });
  });
  return { unknownCategories: found, unknownCategoryCount: total };
}

function refusedCategory({ inputs }: Signature, { row, column, value }: UnknownCategory): AppError {
  const spec = inputs.find(({ columns }) => columns?.some(({ name }) => name === column))!;
  const known = categoriesOf(
    spec,
    spec.columns!.findIndex(({ name }) => name === column),
  );
  return invalidValue(
    `rows[${row}].${column}`,
    `a category that the model knows (${known?.some()}), as this endpoint refuses others`,
    value,
  );
}

function readInputs(signature: Signature, { rows, tensors }: PredictInput): { tensors: Tensor[]; rows: number } {
  if ((rows == null) === (tensors == null))
    throw badInput('input', 'exactly one of rows and tensors', rows == null ? 'neither' : 'both');
  if (rows) return { tensors: rowsToTensors(signature, rows, { maxRows: ROWS_PER_REQUEST.max }), rows: rows.length };
  const parsed = tensors!.map((tensor, i) => readTensor(signature, tensor, `inputs[${i}]`));
  return { tensors: parsed, rows: checkTensors(signature, parsed, { maxRows: ROWS_PER_REQUEST.max }).rows };
}

function readTensor(signature: Signature, { name, datatype, shape, data }: PlainTensor, field: string): Tensor {
  // Stored elements need no reading; whether they fit is checked with the others.
  if (ArrayBuffer.isView(data)) return { name, datatype, shape, data };
  const given: readonly unknown[] = data;
  const spec = signature.inputs.find((input) => input.name === name);
  // JSON has no NaN: null is a missing value, for a model that accepts missing values.
  const missing = spec?.datatype === datatype ? missingElement(spec) : null;
  const values = missing !== null && given.includes(null) ? given.map((value) => value ?? missing) : given;
  if (datatype === 'BYTES') {
    const odd = values.findIndex(
      (value) => typeof value === 'string' && (value.includes('\0') || !value.isWellFormed()),
    );
    if (odd >= 0) {
      const expected = 'well-formed text without NUL characters';
      throw new AppError(ErrorCode.INVALID_TENSOR, `${field}.data[${odd}]: expected ${expected}.`, {
        field: `${field}.data[${odd}]`,
        expected,
      });
    }
  }
  return tensorFromValues(`${field}.data`, name, datatype, shape, values);
}
