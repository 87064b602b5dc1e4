import { combine, type Combination, type MemberAnswers } from '../../adapters/evaluator/ensemble/combination.js';
import { AppError, ErrorCode } from '../../errors.js';
import {
  bothProbabilities,
  judgedOutput,
  rowWithoutProbabilities,
  type Signature,
  type Tensor,
  type TensorSpec,
} from '../../modules/model-contract/index.js';
import type { InferOptions } from '../port.js';
import type { FanOut, FanOutMember, FanOutModel, MemberAnswer } from './port.js';

/** Probabilities of rows × classes, or a value per row. */
type Values = Float32Array | Float64Array;

/** What a member said; `values` is null when it failed. */
interface Heard {
  values: Values | null;
  error: AppError | null;
  latencyMs: number;
  batchRows: number;
}

export const fanOut: FanOut = async (model, inputs, options, onMember) => {
  const startedAt = performance.now();
  const { members, neededMembers, combination } = model;
  const deadlineMs = Math.min(options.deadlineMs, model.memberDeadlineMs ?? Infinity);
  const classCount = classCountOf(model.signature);
  const rows = inputs[0]?.shape[0] ?? 1;
  const tooFew = Promise.withResolvers<never>();
  // Nobody waits for it when enough members answer.
  tooFew.promise.catch(() => undefined);
  const heard: (Heard | undefined)[] = members.map(() => undefined);
  let failed = 0;
  using late = lateAfter(deadlineMs);
  const asked = members.map(async (member, i) => {
    const own = await ask(member, inputs, { ...options, deadlineMs }, late.promise, { rows, classCount });
    heard[i] = own;
    onMember(member.versionId, own.error);
    // Those that are still asked cannot change it any more, so nobody waits for them.
    if (own.error && members.length - ++failed < neededMembers) tooFew.reject(refusal(model, heard));
  });
  await Promise.race([Promise.all(asked), tooFew.promise]);
  const all = heard as Heard[];
  const { used, weights } = reweighted(combination, all);
  const values = combine(answersOf(model, all, classCount), used);
  return {
    outputs: outputsOf(model.signature, values, rows, classCount),
    latencyMs: performance.now() - startedAt,
    batchRows: Math.max(...all.map(({ batchRows }) => batchRows)),
    members: all.map(({ error, latencyMs }, i): MemberAnswer => {
      const { name, runtime } = members[i]!;
      const said = { answered: error === null, error: error && error.message };
      return { name, runtime, ...said, weight: weights[i] ?? null, latencyMs };
    }),
  };
};

/** Rejects when the members are late, also when a runtime forgets its deadline. */
function lateAfter(deadlineMs: number): Disposable & { promise: Promise<never> } {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  const timer = setTimeout(
    () =>
      reject(
        new AppError(ErrorCode.DEADLINE_EXCEEDED, `It did not answer within ${Math.ceil(deadlineMs)} ms.`, {
          expected: `an answer within ${Math.ceil(deadlineMs)} ms`,
        }),
      ),
    deadlineMs,
  );
  return { promise, [Symbol.dispose]: () => clearTimeout(timer) };
}

async function ask(
  member: FanOutMember,
  inputs: readonly Tensor[],
  options: InferOptions,
  late: Promise<never>,
  expected: { rows: number; classCount: number | null },
): Promise<Heard> {
  const startedAt = performance.now();
  try {
    const { outputs, batchRows } = await Promise.race([member.infer(inputsOf(member, inputs), options), late]);
    const values = valuesOf(member.signature, outputs, expected);
    return { values, error: null, latencyMs: performance.now() - startedAt, batchRows };
  } catch (error) {
    const known =
      error instanceof AppError
        ? error
        : new AppError(ErrorCode.INTERNAL, 'It failed for a reason unknown here.', {}, { cause: error });
    return { values: null, error: known, latencyMs: performance.now() - startedAt, batchRows: 0 };
  }
}

/** The inputs of the ensemble that the member takes, in its precision. */
function inputsOf({ signature }: FanOutMember, inputs: readonly Tensor[]): Tensor[] {
  return signature.inputs.map(({ name, datatype }) => {
    const given = inputs.find((input) => input.name === name)!;
    if (given.datatype === datatype) return given;
    // Members differ only between single and double precision (`joinInputs`).
    const numbers = given.data as Values;
    return { ...given, datatype, data: datatype === 'FP64' ? Float64Array.from(numbers) : Float32Array.from(numbers) };
  });
}

/** UNAVAILABLE for what cannot be an answer. */
function valuesOf(
  { outputs: specs }: Signature,
  outputs: readonly Tensor[],
  { rows, classCount }: { rows: number; classCount: number | null },
): Values {
  const { name } = judgedOutput(classCount === null ? 'REGRESSION' : 'CLASSIFICATION', specs);
  const data = outputs.find((output) => output.name === name)?.data;
  if (!(data instanceof Float32Array) && !(data instanceof Float64Array))
    throw odd(name, 'floating point numbers', data ? 'others' : 'no such output');
  const unfit = data.find((value) => !Number.isFinite(value));
  if (unfit !== undefined) throw odd(name, 'finite numbers', String(unfit));
  const values = classCount === 2 && data.length === rows ? bothProbabilities(data) : data;
  if (values.length !== rows * (classCount ?? 1))
    throw odd(name, `${rows * (classCount ?? 1)} values for ${rows} rows`, `${values.length}`);
  if (classCount !== null) {
    const row = rowWithoutProbabilities(values, classCount);
    if (row >= 0) throw odd(name, 'probabilities that add up to 1', `others in row ${row + 1}`);
  }
  return values;
}

function odd(name: string, expected: string, got: string): AppError {
  return new AppError(ErrorCode.UNAVAILABLE, `Its output "${name}" should be ${expected}, and it gave ${got}.`, {
    expected,
    got,
  });
}

/** How those that answered are combined, and the weight of every member. */
function reweighted(
  combination: Combination,
  heard: readonly Heard[],
): { used: Combination; weights: readonly (number | null)[] } {
  if (combination.kind === 'LINEAR') return { used: combination, weights: heard.map(() => null) };
  const own = combination.weights.filter((_, i) => heard[i]!.values);
  const total = own.reduce((sum, weight) => sum + weight, 0);
  // When only members without a weight answered, each counts as much as the others.
  const share = (weight: number): number => (total > 0 ? weight / total : 1 / own.length);
  const isWhole = own.length === heard.length;
  const weights = combination.weights.map((weight, i) =>
    heard[i]!.values ? (isWhole ? weight : share(weight)) : null,
  );
  return { used: { ...combination, weights: weights.filter((weight) => weight !== null) }, weights };
}

function answersOf({ members }: FanOutModel, heard: readonly Heard[], classCount: number | null): MemberAnswers {
  const answered = heard.flatMap(({ values }, i) => (values ? [{ values, signature: members[i]!.signature }] : []));
  if (classCount === null)
    return { task: 'REGRESSION', members: answered.map(({ values }) => Float64Array.from(values)) };
  return {
    task: 'CLASSIFICATION',
    classCount,
    members: answered.map(({ values }) => Float32Array.from(values)),
    thresholds: answered.map(({ signature }) => signature.decisionThreshold),
  };
}

/** Null for a regression. */
function classCountOf({ outputs }: Signature): number | null {
  return outputs.find(({ meaning }) => meaning === 'PROBABILITIES')?.shape[1] ?? null;
}

/** As the compiled graph gives them (`compile.ts`). */
function outputsOf(
  { outputs, classes }: Signature,
  values: Float64Array,
  rows: number,
  classCount: number | null,
): Tensor[] {
  if (classCount === null) {
    const { name, datatype } = outputs[0]!;
    return [{ name, datatype, shape: [rows], data: datatype === 'FP64' ? values : Float32Array.from(values) }];
  }
  const probabilities = Float32Array.from(values);
  return outputs.map(({ name, datatype, meaning }): Tensor => {
    if (meaning === 'PROBABILITIES') return { name, datatype, shape: [rows, classCount], data: probabilities };
    return { name, datatype, shape: [rows], data: labelsOf(probabilities, classCount, datatype, classes) };
  });
}

/** The most probable class of each row; of equal ones the first. */
function labelsOf(
  probabilities: Float32Array,
  classCount: number,
  datatype: TensorSpec['datatype'],
  classes: readonly string[] | undefined,
): Tensor['data'] {
  const labels = Array.from({ length: probabilities.length / classCount }, (_, row) => {
    const own = probabilities.subarray(row * classCount, (row + 1) * classCount);
    let best = 0;
    for (let k = 1; k < classCount; k++) if (own[k]! > own[best]!) best = k;
    return classes?.[best] ?? String(best);
  });
  return datatype === 'INT64' ? BigInt64Array.from(labels, BigInt) : labels;
}

function refusal({ members, neededMembers }: FanOutModel, heard: readonly (Heard | undefined)[]): AppError {
  const failures = heard.flatMap((own, i) => (own?.error ? [{ name: members[i]!.name, error: own.error }] : []));
  const reasons = failures.map(({ name, error }) => `${name}: ${error.message}`).join(' ');
  const [first] = failures;
  const isCommon = failures.every(({ error }) => error.code === first?.error.code);
  const code =
    isCommon &&
    (first?.error.code === ErrorCode.DEADLINE_EXCEEDED || first?.error.code === ErrorCode.RESOURCE_EXHAUSTED)
      ? first.error.code
      : ErrorCode.UNAVAILABLE;
  const retries = failures.map(({ error }) => Number(error.details['retryAfterMs'])).filter(Number.isFinite);
  return new AppError(
    code,
    `The ensemble needs ${neededMembers} of its ${members.length} members, and ${failures.length} failed. ${reasons}`,
    {
      expected: `answers of at least ${neededMembers} members`,
      got: `failures of ${failures.map(({ name }) => name).join(', ')}`,
      ...(code === ErrorCode.RESOURCE_EXHAUSTED && retries.length > 0 && { retryAfterMs: Math.max(...retries) }),
    },
  );
}
