/** Writes an ensemble as one ONNX graph: the members' graphs, and the nodes that combine their answers. */
import { joinInputs, judgedOutput, type Signature, type TensorSpec } from '../../../modules/model-contract/index.js';
import { AppError, ErrorCode } from '../../../errors.js';
import { commonOpsets, embedModel, NotOneGraph } from '../../../inference/onnx/format/embed-model.js';
import { type ElementType, GraphBuilder, LEAST_OPSETS } from '../../../inference/onnx/format/graph-builder.js';
import { decodeModel } from '../../../inference/onnx/format/proto.js';
import { readGraph } from '../../../inference/onnx/format/rows/graph.js';
import { proveRowIndependence } from '../../../inference/onnx/format/rows/row-independence.js';
import type { Combination } from './combination.js';

export interface CompiledMember {
  /** Says which member it is, in errors. */
  name: string;
  bytes: Uint8Array;
  signature: Signature;
}

export type EnsembleTask =
  | { task: 'CLASSIFICATION'; classCount: number; classes: readonly string[] | null }
  | { task: 'REGRESSION' };

const FLOAT = 1;
const DOUBLE = 11;
const INT64 = 7;
const PREFIX = 'matih/ensemble/';
const ELEMENT_OF: Partial<Record<TensorSpec['datatype'], ElementType>> = {
  FP32: 'float',
  FP64: 'double',
  INT32: 'int32',
  INT64: 'int64',
  BOOL: 'bool',
  BYTES: 'string',
};

/** INVALID_MODEL when the members cannot be in one graph; the message says which and why. */
export function compileEnsemble(
  members: readonly CompiledMember[],
  of: EnsembleTask,
  combination: Combination,
): { bytes: Uint8Array; signature: Signature } {
  const inputs = joinInputs(members.map(({ name, signature }) => ({ field: name, signature })));
  const models = members.map(({ bytes }) => decodeModel(bytes));
  const opsets = commonOpsets(models, LEAST_OPSETS);
  const b = new GraphBuilder(PREFIX);
  for (const { name, datatype, shape } of inputs) {
    const element = ELEMENT_OF[datatype];
    if (!element) throw notOneGraph(`Input ${name} has datatype ${datatype}, which an ensemble cannot take.`);
    b.input(
      name,
      element,
      shape.map((size, axis) => (size >= 0 ? size : axis === 0 ? 'rows' : `${name}/${axis}`)),
    );
  }
  const answers = members.map((member, i) => {
    const outputs = embedded(b, member, inputs, {
      model: models[i]!,
      prefix: `${PREFIX}member${i}/`,
      opsets,
    });
    return answerOf(b, member, outputs, of);
  });
  const outputs =
    of.task === 'CLASSIFICATION'
      ? classOutputs(b, shares(b, members, answers, of.classCount, combination), of, labelType(members, of))
      : valueOutput(b, answers, combination, members);
  const signature: Signature = {
    inputs,
    outputs,
    ...(of.task === 'CLASSIFICATION' && of.classes && { classes: [...of.classes] }),
  };
  const bytes = b.model('ensemble', {
    signature: JSON.stringify(signature),
    ...(signature.classes && { classes: JSON.stringify(signature.classes) }),
  });
  return { bytes, signature: { ...signature, rowIndependence: proveRowIndependence(readGraph(bytes), inputs) } };
}

function embedded(
  b: GraphBuilder,
  { name, signature }: CompiledMember,
  inputs: readonly TensorSpec[],
  embedding: Omit<Parameters<typeof embedModel>[1], 'inputs'>,
): Map<string, string> {
  const taken = signature.inputs.map((spec): [string, string] => {
    const datatype = inputs.find((input) => input.name === spec.name)!.datatype;
    const wanted = spec.datatype === 'FP64' ? DOUBLE : FLOAT;
    return [spec.name, datatype === spec.datatype ? spec.name : b.node('Cast', [spec.name], { to: { int: wanted } })];
  });
  try {
    return embedModel(b, { ...embedding, inputs: new Map(taken) });
  } catch (error) {
    if (!(error instanceof NotOneGraph)) throw error;
    throw notOneGraph(`${name} cannot be compiled together with the other members: ${error.message}.`);
  }
}

/** Probabilities of single precision, rows × classes; or values of double precision, rows × 1. */
function answerOf(
  b: GraphBuilder,
  { signature }: CompiledMember,
  outputs: ReadonlyMap<string, string>,
  of: EnsembleTask,
): string {
  const spec = judgedOutput(of.task, signature.outputs);
  const wanted = of.task === 'REGRESSION' ? DOUBLE : FLOAT;
  const raw = outputs.get(spec.name)!;
  const value =
    spec.datatype === (wanted === DOUBLE ? 'FP64' : 'FP32') ? raw : b.node('Cast', [raw], { to: { int: wanted } });
  const isMatrix = spec.shape.length === 2;
  if (of.task === 'REGRESSION') return isMatrix ? value : b.node('Reshape', [value, b.ints(-1, 1)]);
  if (isMatrix && spec.shape[1] !== 1) return value;
  const second = isMatrix ? value : b.node('Reshape', [value, b.ints(-1, 1)]);
  return b.node('Concat', [b.node('Sub', [b.float(1), second]), second], { axis: { int: 1 } });
}

function shares(
  b: GraphBuilder,
  members: readonly CompiledMember[],
  answers: readonly string[],
  classCount: number,
  combination: Combination,
): string {
  switch (combination.kind) {
    case 'MEAN':
      return weightedSum(b, answers, combination.weights);
    case 'VOTES': {
      const everyClass = b.constant(
        BigInt64Array.from({ length: classCount }, (_, k) => BigInt(k)),
        [1, classCount],
      );
      const voted = answers.map((answer, i) => {
        const chosen = votedClass(b, answer, members[i]!.signature.decisionThreshold);
        return b.node('Cast', [b.node('Equal', [chosen, everyClass])], { to: { int: FLOAT } });
      });
      return weightedSum(b, voted, combination.weights);
    }
    case 'LINEAR': {
      const features =
        classCount === 2
          ? answers.map((answer) => b.node('Gather', [answer, b.ints(1)], { axis: { int: 1 } }))
          : answers;
      const scores = linearScores(b, features, combination, true);
      const both =
        combination.intercepts.length === 1 ? bothOf(b, scores) : b.node('Softmax', [scores], { axis: { int: 1 } });
      return b.node('Cast', [both], { to: { int: FLOAT } });
    }
  }
}

function weightedSum(b: GraphBuilder, answers: readonly string[], weights: readonly number[]): string {
  const weighted = answers.map((answer, i) => b.node('Mul', [answer, b.float(weights[i]!)]));
  return b.node('Sum', weighted);
}

/** The index of the class, rows × 1. */
function votedClass(b: GraphBuilder, answer: string, threshold: number | undefined): string {
  if (threshold === undefined) return b.node('ArgMax', [answer], { axis: { int: 1 }, keepdims: { int: 1 } });
  const second = b.node('Gather', [answer, b.ints(1)], { axis: { int: 1 } });
  return b.node('Cast', [b.node('GreaterOrEqual', [second, b.float(threshold)])], { to: { int: INT64 } });
}

function linearScores(
  b: GraphBuilder,
  features: readonly string[],
  { coefficients, intercepts }: Extract<Combination, { kind: 'LINEAR' }>,
  areFloats: boolean,
): string {
  const row = b.node('Concat', features, { axis: { int: 1 } });
  const wide = areFloats ? b.node('Cast', [row], { to: { int: DOUBLE } }) : row;
  const matrix = b.constant(Float64Array.from(coefficients.flat()), [coefficients.length, intercepts.length]);
  return b.node('Add', [
    b.node('MatMul', [wide, matrix]),
    b.constant(Float64Array.from(intercepts), [1, intercepts.length]),
  ]);
}

function bothOf(b: GraphBuilder, logit: string): string {
  const second = b.node('Sigmoid', [logit]);
  const first = b.node('Sub', [b.constant(Float64Array.of(1), []), second]);
  return b.node('Concat', [first, second], { axis: { int: 1 } });
}

/** The label is a number when the members say numbers. */
function labelType(
  members: readonly CompiledMember[],
  { classes }: EnsembleTask & { task: 'CLASSIFICATION' },
): 'INT64' | 'BYTES' {
  const areTexts = members.some(({ signature }) => signature.outputs.some(({ datatype }) => datatype === 'BYTES'));
  return !areTexts && (classes ?? []).every((name) => /^-?\d{1,15}$/.test(name)) ? 'INT64' : 'BYTES';
}

function classOutputs(
  b: GraphBuilder,
  probabilities: string,
  { classCount, classes }: EnsembleTask & { task: 'CLASSIFICATION' },
  datatype: 'INT64' | 'BYTES',
): TensorSpec[] {
  const names = classes ?? Array.from({ length: classCount }, (_, k) => String(k));
  const best = b.node('ArgMax', [probabilities], { axis: { int: 1 }, keepdims: { int: 0 } });
  const labels = datatype === 'INT64' ? b.constant(BigInt64Array.from(names, BigInt)) : b.constant(names);
  b.output('label', b.node('Gather', [labels, best]), datatype === 'INT64' ? 'int64' : 'string', ['rows']);
  b.output('probabilities', probabilities, 'float', ['rows', classCount]);
  return [
    { name: 'label', datatype, shape: [-1], meaning: 'LABEL' },
    { name: 'probabilities', datatype: 'FP32', shape: [-1, classCount], meaning: 'PROBABILITIES' },
  ];
}

/** In single precision when every member answers in it. */
function valueOutput(
  b: GraphBuilder,
  answers: readonly string[],
  combination: Combination,
  members: readonly CompiledMember[],
): TensorSpec[] {
  if (combination.kind === 'VOTES') throw new Error('values have no votes');
  const linear =
    combination.kind === 'LINEAR'
      ? combination
      : {
          ...combination,
          kind: 'LINEAR' as const,
          coefficients: combination.weights.map((weight) => [weight]),
          intercepts: [0],
        };
  const isWide = members.some(({ signature }) => judgedOutput('REGRESSION', signature.outputs).datatype === 'FP64');
  const values = b.node('Reshape', [linearScores(b, answers, linear, false), b.ints(-1)]);
  const result = isWide ? values : b.node('Cast', [values], { to: { int: FLOAT } });
  b.output('prediction', result, isWide ? 'double' : 'float', ['rows']);
  return [{ name: 'prediction', datatype: isWide ? 'FP64' : 'FP32', shape: [-1] }];
}

function notOneGraph(message: string): AppError {
  return new AppError(ErrorCode.INVALID_MODEL, message, { field: 'input.members' });
}
