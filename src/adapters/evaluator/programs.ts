import { z } from 'zod';
import type { ChildProgram } from '../../child-task/child-task.js';
import { anyNumber } from '../../child-task/messages.js';
import { signatureSchema } from '../../modules/model-contract/index.js';
import type { ImportanceRequest, ParameterImportance } from '../../modules/statistics/index.js';
import type { EnsembleOutcome, EnsembleRequest } from './ensemble/port.js';
import type { EvaluationOutcome, EvaluationRequest, ProbeOutcome, ProbeRequest } from './port.js';

/** The only request to an evaluation process. */
export type Work =
  | { kind: 'EVALUATE'; request: EvaluationRequest }
  | { kind: 'PROBE'; request: ProbeRequest }
  | { kind: 'ENSEMBLE'; request: EnsembleRequest };

const evaluation = z.looseObject({
  report: z.looseObject({}),
  baselineProblem: z.string().nullable(),
  reference: z.looseObject({}).nullable(),
});
const importance = z.looseObject({
  method: z.string(),
  outOfBagR2: anyNumber.nullable(),
  params: z.array(z.looseObject({ key: z.string(), importance: anyNumber })),
  interactions: z.array(z.looseObject({ importance: anyNumber })),
  rest: anyNumber,
  leftOut: z.array(z.strictObject({ key: z.string(), reason: z.string() })),
});

const evaluator = { name: 'evaluation', entry: 'adapters/evaluator/evaluation-child.js', report: z.never() };

export const EVALUATION_PROGRAM: ChildProgram<Work, never, EvaluationOutcome> = {
  ...evaluator,
  result: z.custom<EvaluationOutcome>((value) => evaluation.safeParse(value).success),
};

export const PROBE_PROGRAM: ChildProgram<Work, never, ProbeOutcome> = {
  ...evaluator,
  result: z.strictObject({
    signatureProblems: z.array(z.string()),
    sample: z.strictObject({ rows: z.int().min(0), failures: z.int().min(0) }),
    latencyP95Ms: anyNumber,
  }),
};

const ensemble = z.looseObject({
  signature: signatureSchema,
  report: z.looseObject({ members: z.array(z.looseObject({})) }),
  agreementMaxAbsDiff: anyNumber,
  reference: z.looseObject({}),
});

/** How far the training of members of a stacked ensemble is: a fraction of all of them. */
export interface EnsembleProgress {
  share: number;
  message: string;
}

export const ENSEMBLE_PROGRAM: ChildProgram<Work, EnsembleProgress, EnsembleOutcome> = {
  ...evaluator,
  report: z.strictObject({ share: anyNumber, message: z.string() }),
  result: z.custom<EnsembleOutcome>((value) => ensemble.safeParse(value).success),
};

export const IMPORTANCE_PROGRAM: ChildProgram<ImportanceRequest, never, ParameterImportance> = {
  name: 'analysis',
  entry: 'adapters/evaluator/importance-child.js',
  report: z.never(),
  result: z.custom<ParameterImportance>((value) => importance.safeParse(value).success),
};
