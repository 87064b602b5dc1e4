import type { MetricEstimate, Verdict } from '../../../modules/model-quality/index.js';
import type { ReferenceProfile, Signature } from '../../../modules/model-contract/index.js';
import type { CrossValidation, TrainingConfig } from '../../../modules/algorithms/index.js';
import type { EvaluationData, ModelFile } from '../port.js';
import type { Combination } from './combination.js';

export type { Combination };

/** How the answers of members become one. */
export type EnsembleMethod = 'SOFT_VOTING' | 'HARD_VOTING' | 'BLENDING' | 'STACKING' | 'BAGGING' | 'BOOSTING';

/** How the configuration of the only member becomes several models: `Growth` of the trainer without its kind. */
export interface Growing {
  estimators: number;
  maxSamples: number;
  learningRate: number;
}

/** How the members of a stacked ensemble are trained again. */
export interface Stacking {
  /** The same division of the rows for every member; the seed shuffles them. */
  folds: CrossValidation & { seed: number };
  /** Of each member. */
  configs: readonly TrainingConfig[];
}

export interface EnsembleRequest {
  task: 'CLASSIFICATION' | 'REGRESSION';
  method: EnsembleMethod;
  members: readonly (ModelFile & {
    versionId: string;
    /** Says which member it is, in errors. */
    name: string;
  })[];
  /** Weights of a vote; null to learn them, and for a meta-learner. */
  weights: readonly number[] | null;
  /** The rows, of which no member has learnt when `unseen`. */
  data: EvaluationData;
  /** False: a member has learnt from these rows, so that nothing is learnt or measured on them. */
  unseen: boolean;
  /** Present with STACKING: the meta-learner learns from answers out of fold, and not from `data`. */
  stacking: Stacking | null;
  /** Present with BAGGING and BOOSTING: the models are trained from the configuration of the only member. */
  growing: Growing | null;
  /** A new file for the compiled model. */
  outputPath: string;
}

/** What was found for one member, in the order of the request. */
export interface MemberReport {
  /** Its weight in the vote; null for a meta-learner. */
  weight: number | null;
  /** On the rows on which the ensemble was measured, by name; empty when nothing was measured. */
  metrics: Record<string, MetricEstimate>;
  /**
   * How much the loss of the ensemble (log loss, RMSE, or error rate of hard votes) rises without this member: above 0
   * the member helps. Null when nothing was measured.
   */
  contribution: number | null;
}

/** Two members, by their positions from 0. */
export interface MemberPair {
  first: number;
  second: number;
  /** Share of the rows for which they say different classes; null for a regression. */
  disagreement: number | null;
  /** Yule's Q of being right, -1 to 1; null for a regression, and when it is undefined. */
  qStatistic: number | null;
  /** Correlation of being wrong, or of the residuals; null when it is undefined. */
  errorCorrelation: number | null;
}

/** The ensemble's loss and a member's, on the same rows. */
export interface EnsembleComparison {
  metric: 'log_loss' | 'rmse' | 'error_rate';
  /** Of the ensemble. */
  candidate: number;
  /** Of the member. */
  reference: number;
  /** Candidate − reference, with its 95 % bootstrap interval. */
  difference: { mean: number; low: number; high: number };
  verdict: Verdict;
}

export interface EnsembleReport {
  /** Rows on which weights or a meta-learner were learnt; 0 when nothing was. */
  learntRows: number;
  /** Other rows, on which everything was measured; 0 when nothing was. */
  measuredRows: number;
  metrics: Record<string, MetricEstimate>;
  members: MemberReport[];
  pairs: MemberPair[];
  /** The member with the least loss, and the ensemble compared with it; null when nothing was measured. */
  againstBest: { member: number; comparison: EnsembleComparison } | null;
  /** Rows on which the compiled model and the members gave the same answers. */
  comparedRows: number;
  /** The models of BAGGING and BOOSTING; null for other methods, whose models are the members. */
  grown: GrownReport | null;
}

export interface GrownReport {
  /** Of each model: its share of the votes or of the mean, or the factor of a regression by boosting. */
  weights: number[];
  stopped: 'PERFECT' | 'NO_BETTER_THAN_CHANCE' | null;
  /** Metrics of BAGGING on training rows, each answered by the models that have not learnt from it. */
  outOfBag: { rows: number; metrics: Record<string, MetricEstimate> } | null;
}

export interface EnsembleOutcome {
  signature: Signature;
  /** What the compiled model does with the answers of its members; null when it has models of its own. */
  combination: Combination | null;
  report: EnsembleReport;
  /** The largest difference between the compiled model and the combined answers, divided by max(1, |answer|). */
  agreementMaxAbsDiff: number;
  /** For the monitoring of the ensemble. */
  reference: ReferenceProfile;
}
