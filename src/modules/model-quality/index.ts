export {
  evaluateClassification,
  evaluateClustering,
  evaluateRegression,
  type EvaluationReport,
  type LossComparison,
  type MetricEstimate,
  type Verdict,
} from './rules/evaluation.js';
export {
  DEFAULT_GATE_POLICY,
  GATE_RANGES,
  demandsOf,
  gatePolicyOf,
  parseGatePolicy,
  type Gate,
  type GatePolicy,
  type GatePolicyEntries,
} from './rules/gate-policy.js';
export { escapeMarkdown, renderEvaluationMarkdown } from './rules/report.js';
export type { SliceColumns } from './rules/slices.js';
