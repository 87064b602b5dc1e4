/** Makes an ensemble: asks its members, learns from their answers, compiles them into one graph, and measures it. */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import {
  inputRequests,
  mergeRequests,
  rowWithoutProbabilities,
  sameClass,
} from '../../../modules/model-contract/index.js';
import {
  evaluateClassification,
  evaluateRegression,
  type MetricEstimate,
} from '../../../modules/model-quality/index.js';
import {
  bootstrapMeanDifference,
  bootstrapRootMeanDifference,
  logLossRows,
  mean,
  squaredErrorRows,
} from '../../../modules/statistics/index.js';
import { AppError, badInput, ErrorCode } from '../../../errors.js';
import type { InferenceEngine } from '../../../inference/port.js';
import { type Answers, answersOf } from '../answers.js';
import { classesToEvaluate } from '../classes.js';
import { type EvaluatedRows, learntHalf, loadEvaluatedRows } from '../evaluated-rows.js';
import { referenceOf } from '../reference.js';
import { combine, type Combination, type MemberAnswers, votedClass } from './combination.js';
import { compileEnsemble, type EnsembleTask } from './compile.js';
import { diversityOf, type Truth } from './diversity.js';
import { learnWeights } from './learn-weights.js';
import { learnMeta } from './meta-learner.js';
import type { Target } from '../../../training/port.js';
import type { EnsembleComparison, EnsembleOutcome, EnsembleReport, EnsembleRequest, Growing } from './port.js';
import type { Lesson } from './stacking.js';

const MAX_DIFFERENCE = 1e-5;
/** The least rows from which something is learnt, and as many to measure on. */
const LEAST_ROWS = 20;
const SEED = 1;

type OnProgress = (share: number, message: string) => void;

/** Members, rows and what they answered. */
interface Asked {
  request: EnsembleRequest;
  rows: EvaluatedRows;
  answers: MemberAnswers;
  truth: Truth;
  of: EnsembleTask;
}

export async function makeEnsemble(
  request: EnsembleRequest,
  engine: InferenceEngine,
  onProgress: OnProgress,
): Promise<EnsembleOutcome> {
  if (request.growing) return growEnsemble(request, request.growing, engine, onProgress);
  const asked = await askMembers(request, engine);
  const { learn, judge } = partsOf(asked);
  const lesson = await lessonOf(asked, learn, onProgress);
  const combination = await combinationFor(request, lesson);
  const files = await Promise.all(request.members.map(({ path }) => readFile(path)));
  const { bytes, signature } = compileEnsemble(
    request.members.map(({ name, signature: own }, i) => ({ name, bytes: files[i]!, signature: own })),
    asked.of,
    combination,
  );
  await writeFile(request.outputPath, bytes);
  const compiled = await answersOf(engine, 'ensemble', { path: request.outputPath, sha256: '', signature }, asked.rows);
  const agreementMaxAbsDiff = largestDifference(combine(asked.answers, combination), compiled);
  return {
    signature,
    combination,
    report: await reportOf(asked, combination, lesson, judge),
    agreementMaxAbsDiff,
    reference: referenceOf(signature, asked.rows, compiled),
  };
}

/** The models come from the configuration of the only member, which is what they are compared with. */
async function growEnsemble(
  request: EnsembleRequest,
  growing: Growing,
  engine: InferenceEngine,
  onProgress: OnProgress,
): Promise<EnsembleOutcome> {
  const { data, method } = request;
  if (data.kind !== 'HOLDOUT') throw new Error('a member without a training cannot be trained again');
  // The trainers are loaded only when something is trained.
  const { growModels } = await import('../../../training/grown.js');
  const kind = method === 'BAGGING' ? 'BAGGING' : 'BOOSTING';
  const grown = await growModels(data.training, data.config, { kind, ...growing }, onProgress);
  const members = await Promise.all(
    grown.models.map(async ({ bytes, signature }, i) => {
      const path = `${request.outputPath}-${i}`;
      await writeFile(path, bytes);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      return { path, sha256, signature, versionId: '', name: `model ${i + 1} of ${grown.models.length}` };
    }),
  );
  const template = await askMembers(request, engine);
  const asked = await askMembers({ ...request, members }, engine, 'model');
  const combination = grownCombination(grown, asked.of.task, method);
  const { bytes, signature } = compileEnsemble(
    members.map(({ name, signature: own }, i) => ({ name, bytes: grown.models[i]!.bytes, signature: own })),
    asked.of,
    combination,
  );
  await writeFile(request.outputPath, bytes);
  const compiled = await answersOf(engine, 'ensemble', { path: request.outputPath, sha256: '', signature }, asked.rows);
  const combined = combine(asked.answers, combination);
  const { weights, stopped, outOfBag } = grown;
  const isVote = combination.kind === 'VOTES';
  const report = {
    ...besideMember(template, combined, isVote),
    grown: { weights, stopped, outOfBag: outOfBag && outOfBagReport(asked, outOfBag) },
  };
  return {
    ...{ signature, combination: null, report, agreementMaxAbsDiff: largestDifference(combined, compiled) },
    reference: referenceOf(signature, asked.rows, compiled),
  };
}

function grownCombination(
  { weights, intercept }: { weights: number[]; intercept: number },
  task: EnsembleTask['task'],
  method: EnsembleRequest['method'],
): Combination {
  if (method === 'BAGGING') return { kind: 'MEAN', weights };
  if (task === 'CLASSIFICATION') return { kind: 'VOTES', weights };
  return { kind: 'LINEAR', coefficients: weights.map((weight) => [weight]), intercepts: [intercept] };
}

/** The report of an ensemble that is compared with its only member; measured on all rows, when none has been seen. */
function besideMember(template: Asked, combined: Float64Array, isVote: boolean): Omit<EnsembleReport, 'grown'> {
  const { request, rows, truth, of } = template;
  const common = { learntRows: 0, comparedRows: rows.rowCount, pairs: [] };
  if (!request.unseen)
    return {
      ...common,
      ...{ measuredRows: 0, metrics: {}, members: [{ weight: null, metrics: {}, contribution: null }] },
      againstBest: null,
    };
  const own = template.answers.members[0]!;
  const threshold = request.members[0]!.signature.decisionThreshold;
  const member = { weight: null, metrics: metricsOf(template, truth, own, threshold), contribution: null };
  const losses = lossesOf(of, truth, combined, isVote);
  const ofMember = lossesOf(of, truth, votedAlone(of, own, isVote, threshold), isVote);
  return {
    ...{ ...common, measuredRows: rows.rowCount, metrics: metricsOf(template, truth, combined, undefined) },
    members: [member],
    againstBest: { member: 0, comparison: compared(losses, ofMember) },
  };
}

function outOfBagReport(
  asked: Asked,
  { target, answers }: { target: Target; answers: ArrayLike<number> },
): { rows: number; metrics: Record<string, MetricEstimate> } {
  const truth: Truth = target.kind === 'CLASSES' ? { labels: target.labels } : { values: target.values };
  const rows = target.kind === 'CLASSES' ? target.labels.length : target.values.length;
  return { rows, metrics: metricsOf(asked, truth, answers, undefined) };
}

/** `called`: begins the names under which the engine has the members. */
async function askMembers(request: EnsembleRequest, engine: InferenceEngine, called = 'member'): Promise<Asked> {
  const { members, data, task } = request;
  const rows = await loadEvaluatedRows(
    data,
    mergeRequests(members.flatMap(({ signature }) => inputRequests(signature))),
  );
  const all: Answers[] = [];
  for (const [i, member] of members.entries()) {
    try {
      all.push(checked(await answersOf(engine, `${called}${i}`, member, rows)));
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      throw new AppError(error.code, `${member.name}: ${error.message}`, {
        ...error.details,
        field: `input.members[${i}].modelVersionId`,
      });
    }
  }
  const { target } = rows;
  if (task === 'REGRESSION') {
    if (target?.kind !== 'VALUES') throw new Error('values need a target of values');
    const own = all.map((answer) => (answer.task === 'REGRESSION' ? answer.predicted : new Float64Array()));
    return { request, rows, answers: { task, members: own }, truth: { values: target.values }, of: { task } };
  }
  const classified = all.filter((answer) => answer.task === 'CLASSIFICATION');
  const [first] = classified;
  if (target?.kind !== 'CLASSES' || !first) throw new Error('classes need a target of classes');
  const { classCount } = first;
  const classes = members.find(({ signature }) => signature.classes)?.signature.classes ?? null;
  const column = data.kind === 'ALL' ? data.target.column : (data.config.target?.column ?? '');
  const sameOrder = data.kind === 'HOLDOUT' || data.target.greaterThan !== undefined;
  const known = classesToEvaluate(target, { ...first, classes }, { sameOrder, column });
  // From the order of the rows' classes to that of the members.
  const indices = known.map((name, k) => (classes ? classes.findIndex((own) => sameClass(own, name)) : k));
  const inOrder = indices.map((index, k) => (index < 0 ? k : index));
  const answers: MemberAnswers = {
    ...{ task, classCount },
    members: classified.map(({ probabilities }) => probabilities),
    thresholds: members.map(({ signature }) => signature.decisionThreshold),
  };
  const truth = { labels: target.labels.map((label) => inOrder[label]!) };
  return { request, rows, answers, truth, of: { task, classCount, classes } };
}

function checked(answers: Answers): Answers {
  if (answers.task !== 'CLASSIFICATION') return answers;
  const odd = rowWithoutProbabilities(answers.probabilities, answers.classCount);
  if (odd < 0) return answers;
  const expected = `probabilities that add up to 1 in output ${answers.output}`;
  throw new AppError(
    ErrorCode.INVALID_TENSOR,
    `Expected ${expected}, and row ${odd + 1} has others: end the model with a softmax, or a sigmoid for two classes.`,
    { expected, got: `row ${odd + 1}` },
  );
}

/** The rows to learn from and those to measure on, by their positions. */
function partsOf({ request, rows }: Asked): { learn: Int32Array; judge: Int32Array } {
  const every = Int32Array.from({ length: rows.rowCount }, (_, row) => row);
  const none = new Int32Array();
  if (!request.unseen) return { learn: none, judge: none };
  if (request.weights !== null || request.stacking) return { learn: none, judge: every };
  if (rows.rowCount < 2 * LEAST_ROWS)
    throw badInput(
      'input.datasetId',
      `at least ${2 * LEAST_ROWS} rows from which no member has learnt, half to learn from and half to measure on`,
      rows.rowCount,
    );
  const { learnt, left } = learntHalf(rows.rowCount);
  return { learn: learnt, judge: left };
}

/** What the combination learns from: nothing for a vote with given weights. */
async function lessonOf(
  { request, answers, truth }: Asked,
  learn: Int32Array,
  onProgress: OnProgress,
): Promise<Lesson> {
  if (!request.stacking) return { answers: take(answers, learn), truth: takeTruth(truth, learn) };
  // The trainers are loaded only when something is trained.
  const { stackingLesson } = await import('./stacking.js');
  const thresholds = request.members.map(({ signature }) => signature.decisionThreshold);
  return stackingLesson(request, request.stacking, thresholds, onProgress);
}

async function combinationFor({ method, weights }: EnsembleRequest, { answers, truth }: Lesson): Promise<Combination> {
  switch (method) {
    case 'SOFT_VOTING':
      return { kind: 'MEAN', weights: weights ?? learnWeights(answers, truth) };
    case 'HARD_VOTING':
      return { kind: 'VOTES', weights: weights ?? learnWeights(answers, truth) };
    case 'BLENDING':
    case 'STACKING':
      return learnMeta(answers, truth);
    case 'BAGGING':
    case 'BOOSTING':
      throw new Error('grown models are not combined by a lesson');
  }
}

function take(answers: MemberAnswers, rows: Int32Array): MemberAnswers {
  if (answers.task === 'REGRESSION')
    return { ...answers, members: answers.members.map((own) => Float64Array.from(rows, (row) => own[row]!)) };
  const { classCount } = answers;
  const members = answers.members.map((own) => {
    const taken = new Float32Array(rows.length * classCount);
    for (const [at, row] of rows.entries())
      taken.set(own.subarray(row * classCount, (row + 1) * classCount), at * classCount);
    return taken;
  });
  return { ...answers, members };
}

function takeTruth(truth: Truth, rows: Int32Array): Truth {
  if ('labels' in truth) return { labels: Int32Array.from(rows, (row) => truth.labels[row]!) };
  return { values: Float64Array.from(rows, (row) => truth.values[row]!) };
}

function without(answers: MemberAnswers, member: number): MemberAnswers {
  const others = (_: unknown, i: number): boolean => i !== member;
  if (answers.task === 'REGRESSION') return { ...answers, members: answers.members.filter(others) };
  return { ...answers, members: answers.members.filter(others), thresholds: answers.thresholds.filter(others) };
}

/** Errors: INVALID_MODEL above 1e-5. */
function largestDifference(own: Float64Array, compiled: Answers): number {
  const values =
    compiled.task === 'CLASSIFICATION'
      ? compiled.probabilities
      : compiled.task === 'REGRESSION'
        ? compiled.predicted
        : new Float64Array();
  let largest = 0;
  // NaN must not count as agreement, so Math.max cannot be used.
  own.forEach((value, i) => {
    const difference = Math.abs(value - values[i]!) / Math.max(1, Math.abs(value));
    if (!(difference <= largest)) largest = difference;
  });
  if (largest <= MAX_DIFFERENCE) return largest;
  throw new AppError(
    ErrorCode.INVALID_MODEL,
    'The compiled ensemble does not give the combined answers of its members, so it was not registered.',
    { field: 'input.members', expected: `a difference of at most ${MAX_DIFFERENCE}`, got: String(largest) },
  );
}

async function reportOf(
  asked: Asked,
  combination: Combination,
  lesson: Lesson,
  judge: Int32Array,
): Promise<EnsembleReport> {
  const { rows, request } = asked;
  const weights = combination.kind === 'LINEAR' ? null : combination.weights;
  const learntRows = 'labels' in lesson.truth ? lesson.truth.labels.length : lesson.truth.values.length;
  const common = { learntRows, measuredRows: judge.length, comparedRows: rows.rowCount, grown: null };
  if (judge.length === 0) {
    const members = request.members.map((_, i) => ({ weight: weights?.[i] ?? null, metrics: {}, contribution: null }));
    return { ...common, metrics: {}, members, pairs: [], againstBest: null };
  }
  const answers = take(asked.answers, judge);
  const truth = takeTruth(asked.truth, judge);
  const isVote = combination.kind === 'VOTES';
  const combined = combine(answers, combination);
  const losses = lossesOf(asked.of, truth, combined, isVote);
  const members = [];
  for (const i of request.members.keys())
    members.push({
      weight: weights?.[i] ?? null,
      metrics: metricsOf(asked, truth, answers.members[i]!, request.members[i]!.signature.decisionThreshold),
      contribution: losses.total(await lossesWithout(asked, combination, i, lesson, judge)) - losses.total(losses.rows),
    });
  const alone = answers.members.map((own, i) =>
    lossesOf(
      asked.of,
      truth,
      votedAlone(asked.of, own, isVote, request.members[i]!.signature.decisionThreshold),
      isVote,
    ),
  );
  const best = alone.reduce((at, one, i) => (one.total(one.rows) < alone[at]!.total(alone[at]!.rows) ? i : at), 0);
  return {
    ...common,
    metrics: metricsOf(asked, truth, combined, undefined),
    members,
    pairs: diversityOf(answers, truth),
    againstBest: { member: best, comparison: compared(losses, alone[best]!) },
  };
}

interface Losses {
  metric: EnsembleComparison['metric'];
  rows: Float64Array;
  total(rows: Float64Array): number;
}

/** Votes are not probabilities: they are judged by the share of wrong labels. */
function lossesOf(of: EnsembleTask, truth: Truth, answer: ArrayLike<number>, isVote: boolean): Losses {
  if (of.task === 'REGRESSION' || !('labels' in truth)) {
    if ('labels' in truth) throw new Error('the truth is of another task');
    const rows = squaredErrorRows(truth.values, Float64Array.from(answer));
    return { metric: 'rmse', rows, total: (squares) => Math.sqrt(mean(squares)) };
  }
  const { classCount } = of;
  const { labels } = truth;
  if (!isVote) {
    const probabilities = Float32Array.from(answer);
    return { metric: 'log_loss', rows: logLossRows({ labels, probabilities, classCount }), total: mean };
  }
  const rows = Float64Array.from(labels, (label, row) =>
    Number(votedClass(answer, row * classCount, classCount, undefined) !== label),
  );
  return { metric: 'error_rate', rows, total: mean };
}

/** A member's vote as one class with the whole weight. */
function votedAlone(
  of: EnsembleTask,
  own: ArrayLike<number>,
  isVote: boolean,
  threshold: number | undefined,
): ArrayLike<number> {
  if (!isVote || of.task === 'REGRESSION') return own;
  const votes = new Float64Array(own.length);
  for (let start = 0; start < own.length; start += of.classCount)
    votes[start + votedClass(own, start, of.classCount, threshold)] = 1;
  return votes;
}

/** The losses of the ensemble that has no such member: with the weights of the others, or learnt again. */
async function lossesWithout(
  asked: Asked,
  combination: Combination,
  member: number,
  lesson: Lesson,
  judge: Int32Array,
): Promise<Float64Array> {
  const truth = takeTruth(asked.truth, judge);
  const others = without(asked.answers, member);
  const left =
    combination.kind === 'LINEAR'
      ? await learnMeta(without(lesson.answers, member), lesson.truth)
      : { ...combination, weights: shared(combination.weights.filter((_, i) => i !== member)) };
  return lossesOf(asked.of, truth, combine(take(others, judge), left), left.kind === 'VOTES').rows;
}

/** Weights that add up to 1 again. */
function shared(weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => (total > 0 ? weight / total : 1 / weights.length));
}

function compared(candidate: Losses, reference: Losses): EnsembleComparison {
  const difference = (candidate.metric === 'rmse' ? bootstrapRootMeanDifference : bootstrapMeanDifference)(
    candidate.rows,
    reference.rows,
    { seed: SEED },
  );
  if (!difference) throw new Error('A comparison needs at least one row.');
  return {
    metric: candidate.metric,
    candidate: candidate.total(candidate.rows),
    reference: reference.total(reference.rows),
    difference,
    verdict: difference.high < 0 ? 'BETTER' : difference.low > 0 ? 'WORSE' : 'NO_DIFFERENCE',
  };
}

function metricsOf(
  { of, rows: { baseRate } }: Asked,
  truth: Truth,
  answer: ArrayLike<number>,
  threshold: number | undefined,
): Record<string, MetricEstimate> {
  if (of.task === 'REGRESSION' || !('labels' in truth)) {
    if ('labels' in truth) throw new Error('the truth is of another task');
    const trainingMean = baseRate?.kind === 'MEAN' ? baseRate.mean : 0;
    return evaluateRegression({ actual: truth.values, predicted: Float64Array.from(answer), trainingMean }).metrics;
  }
  const classNames = of.classes ? [...of.classes] : Array.from({ length: of.classCount }, (_, k) => String(k));
  return evaluateClassification({
    labels: truth.labels,
    probabilities: Float32Array.from(answer),
    classNames,
    threshold,
    trainingShares: classNames.map(() => 1 / classNames.length),
  }).metrics;
}
