import { z } from 'zod';
import { badInput } from '../../../errors.js';
import { checkName, checkRange, numberIn, parseInput, type InputRange } from '../../core/index.js';

export const GATES = ['EVALUATION', 'VALIDATION', 'SHADOW', 'AB_TEST'] as const;
export type Gate = (typeof GATES)[number];

const thresholdSchema = z
  .strictObject({ min: z.number().optional(), max: z.number().optional() })
  .refine(({ min, max }) => (min ?? max) !== undefined && (min === undefined || max === undefined || min <= max), {
    error: 'a bound, min, max or both, min not above max',
  });

/** What a policy may demand. */
export const GATE_RANGES = {
  approvals: { min: 0, max: 20, unit: 'approvals' },
  minImprovement: { min: 0 },
  minRows: { min: 1, unit: 'rows' },
  minSilhouette: { min: -1, max: 1 },
  maxDisagreement: { min: 0 },
  maxLatencyP95Ms: { above: 0, unit: 'milliseconds' },
  metrics: { max: 50, unit: 'metrics' },
  minRequests: { min: 1, unit: 'requests' },
  maxErrors: { min: 0, unit: 'requests' },
  maxDisagreementShare: { min: 0, max: 1 },
  maxLossIncrease: { min: 0 },
} satisfies Record<string, InputRange>;
const approvalsSchema = numberIn(GATE_RANGES.approvals, z.int()).default(0);
const once = <T>(items: readonly T[]): boolean => new Set(items).size === items.length;
/** SHADOW and AB_TEST are not possible here, because they need a version in production to run beside. */
const soloGatesSchema = z.array(z.enum(['EVALUATION', 'VALIDATION'])).refine(once, { error: 'each gate once' });

/**
 * The conditions of the gates, and the gates that each stage requires. Every value is a default that a model can
 * change.
 */
export const gatePolicySchema = z.strictObject({
  staging: z.strictObject({ gates: soloGatesSchema.default(['VALIDATION']), approvals: approvalsSchema }).prefault({}),
  production: z
    .strictObject({
      /** Used when a version is in production; the new one is compared with it. */
      gates: z.array(z.enum(GATES)).refine(once, { error: 'each gate once' }).default(['SHADOW']),
      /** Used when no version is in production: the first one is compared with the base rate. */
      firstGates: soloGatesSchema.default(['EVALUATION']),
      approvals: approvalsSchema,
    })
    .prefault({}),
  /** Whether the approval of the person who registered the version counts. */
  authorMayApprove: z.boolean().default(false),
  evaluation: z
    .strictObject({
      /**
       * The upper end of the 95 % interval of the mean loss difference must be below minus this (nats, or units of the
       * target).
       */
      minImprovement: numberIn(GATE_RANGES.minImprovement, z.number()).default(0),
      /** Fewer holdout rows than this are not enough evidence. */
      minRows: numberIn(GATE_RANGES.minRows, z.int()).default(100),
      /** The lowest mean silhouette of a clustering, which has no loss to compare. */
      minSilhouette: numberIn(GATE_RANGES.minSilhouette, z.number()).default(0.05),
    })
    .prefault({}),
  validation: z
    .strictObject({
      /** Largest absolute difference between the trainer's outputs and the runtime's on the exported model. */
      maxDisagreement: numberIn(GATE_RANGES.maxDisagreement, z.number()).default(1e-4),
      /** p95 of single-row predictions, in milliseconds. */
      maxLatencyP95Ms: numberIn(GATE_RANGES.maxLatencyP95Ms, z.number()).default(50),
      /** Limits of holdout metrics by name. Metrics that the model's task does not have are ignored. */
      metrics: z
        .record(z.string(), thresholdSchema)
        .default({ roc_auc: { min: 0.55 }, r2: { min: 0 }, silhouette: { min: 0.05 } }),
      /** Without any holdout metric the gate fails, unless this is false. */
      requireHoldoutMetrics: z.boolean().default(true),
    })
    .prefault({}),
  shadow: z
    .strictObject({
      /** Copied requests that were answered or failed. */
      minRequests: numberIn(GATE_RANGES.minRequests, z.int()).default(200),
      maxErrors: numberIn(GATE_RANGES.maxErrors, z.int()).default(0),
      /** Fraction of rows in which the candidate's answer differs from production's (`disagreeingRows`). */
      maxDisagreementShare: numberIn(GATE_RANGES.maxDisagreementShare, z.number()).default(0.3),
      /**
       * Limit of quality: the gate fails when the candidate's mean loss is provably (95 %) higher than the production
       * version's by more than this.
       */
      maxLossIncrease: numberIn(GATE_RANGES.maxLossIncrease, z.number()).default(0),
      /** Without an evaluation against the production version the gate fails, unless this is false. */
      requireEvaluation: z.boolean().default(true),
    })
    .prefault({}),
});
export type GatePolicy = z.infer<typeof gatePolicySchema>;

export const DEFAULT_GATE_POLICY: GatePolicy = gatePolicySchema.parse({});

/** The whole gate policy of a model: its own settings, and the defaults for the rest. */
export function gatePolicyOf({ gatePolicy }: { gatePolicy?: Record<string, unknown> | null }): GatePolicy {
  return gatePolicy == null ? DEFAULT_GATE_POLICY : gatePolicySchema.parse(gatePolicy);
}

/** The conditions of one gate. They are stored with each result, which is valid while they stay the same. */
export function demandsOf(gate: Gate, policy: GatePolicy): Record<string, unknown> {
  switch (gate) {
    case 'EVALUATION':
      return policy.evaluation;
    case 'VALIDATION':
      return policy.validation;
    case 'SHADOW':
      return policy.shadow;
    case 'AB_TEST':
      // Each test has its own conditions, fixed at its start.
      return {};
  }
}

/** A policy as clients write it: limits as a list, and null for values that keep their default. */
export interface GatePolicyEntries {
  validation?: { metrics?: readonly { name: string; min?: number | null; max?: number | null }[] | null } | null;
}

/** A model's changes to the defaults, checked. BAD_USER_INPUT names the first wrong field. */
export function parseGatePolicy(field: string, entries: GatePolicyEntries): Record<string, unknown> {
  const departures = withoutNulls(entries) as { validation?: { metrics?: unknown } };
  const bounds = entries.validation?.metrics;
  if (departures.validation && bounds != null)
    departures.validation.metrics = boundsByName(`${field}.validation.metrics`, bounds);
  parseInput(gatePolicySchema, field, departures);
  return { ...departures };
}

function boundsByName(
  field: string,
  bounds: readonly { name: string; min?: number | null; max?: number | null }[],
): object {
  checkRange(GATE_RANGES.metrics, bounds, null, field);
  const byName: Record<string, unknown> = {};
  bounds.forEach(({ name, ...bound }, i) => {
    checkName(`${field}[${i}].name`, name);
    // Zod leaves out this one key of a record, and a limit must not be lost.
    if (name === '__proto__') throw badInput(`${field}[${i}].name`, 'the name of a metric', name);
    if (Object.hasOwn(byName, name)) throw badInput(`${field}[${i}].name`, 'each metric once', name);
    byName[name] = withoutNulls(bound);
  });
  return byName;
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => (inner == null ? [] : [[key, withoutNulls(inner)]])),
  );
}
