import { isDeepStrictEqual } from 'node:util';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import { Deployment } from '../../db/entities/serving/deployment.entity.js';
import type { Session } from '../../db/database.js';
import { badInput, conflict } from '../../errors.js';
import { checkName, checkRange, characters, FULL_WEIGHT_BPS, type InputRange } from '../core/index.js';
import type { Signature } from '../model-contract/index.js';
import { requireOwn } from '../platform/index.js';
import { liveOf } from './live-deployments.js';
import type { MetricTest, TestMetric, TestRules } from './rules/design.js';

export interface NewTestRules {
  variants: readonly { name: string; deploymentId: string; weightBps: number }[];
  metrics: readonly {
    name: string;
    role: TestMetric['role'];
    source: TestMetric['source'];
    aggregation: TestMetric['aggregation'];
    wanted: TestMetric['wanted'];
    margin?: number | null;
    test: MetricTest;
    winsorPercentile?: number | null;
  }[];
  design: TestRules['design'];
  alpha: number;
  looks: number;
  correction: TestRules['correction'];
  cuped: boolean;
}

/** What a test may demand. */
export const AB_TEST_RANGES = {
  variants: { min: 2, max: 10, unit: 'variants' },
  metrics: { min: 1, max: 20, unit: 'metrics' },
  weightBps: { min: 1, max: 9_999, unit: 'basis points' },
  alpha: { above: 0, below: 0.5 },
  power: { min: 0.5, max: 0.99 },
  looks: { min: 1, max: 100, unit: 'looks' },
  margin: { min: 0 },
  winsorPercentile: { min: 50, below: 100 },
  standardDeviation: { above: 0 },
  keysPerDay: { above: 0, unit: 'keys' },
  hours: { min: 0, max: 8_784, unit: 'hours' },
  plannedKeys: { min: 2, max: 1_000_000_000, unit: 'keys' },
  name: characters(1, 100),
  reason: characters(1, 500),
  outcomes: { min: 1, max: 10_000, unit: 'outcomes' },
} satisfies Record<string, InputRange>;

/** The rules of a test, checked. The metrics without a past, `plannedKeys` is 0 until the start. */
export async function newRules(
  session: Session,
  input: NewTestRules & { endpointId: string; minimumEffect: number; minHours: number; maxHours: number },
): Promise<TestRules> {
  const { design, alpha, looks, correction, cuped, endpointId, minimumEffect, minHours, maxHours } = input;
  checkRange(AB_TEST_RANGES.variants, input.variants, null, 'input.variants');
  checkRange(AB_TEST_RANGES.metrics, input.metrics, null, 'input.metrics');
  checkRange(AB_TEST_RANGES.alpha, alpha, null, 'input.alpha');
  if (!Number.isFinite(minimumEffect) || minimumEffect === 0)
    throw badInput('input.minimumEffect', 'the smallest difference that matters, not 0', minimumEffect);
  if (minHours > maxHours) throw badInput('input.minHours', `at most maxHours (${maxHours})`, minHours);
  const metrics = input.metrics.map((metric) => ({ ...metric, margin: metric.margin ?? 0 }));
  metrics.forEach(({ name, role, margin }, i) => {
    checkName(`input.metrics[${i}].name`, name);
    if (role !== 'GUARD' && margin !== 0)
      throw badInput(`input.metrics[${i}].margin`, 'a margin of guards only', margin);
  });
  input.metrics.forEach((metric, i) => checkComparison(`input.metrics[${i}]`, metric, design));
  requireUnique('input.metrics', metrics);
  const primaries = metrics.filter(({ role }) => role === 'PRIMARY').length;
  if (primaries !== 1) throw badInput('input.metrics', 'exactly one metric with the role PRIMARY', primaries);
  input.variants.forEach(({ name }, i) => checkName(`input.variants[${i}].name`, name));
  requireUnique('input.variants', input.variants);
  const total = input.variants.reduce((sum, { weightBps }) => sum + weightBps, 0);
  if (total !== FULL_WEIGHT_BPS)
    throw badInput('input.variants', `weights that sum to ${FULL_WEIGHT_BPS} basis points`, total);
  const variants = await variantsOf(session, endpointId, input.variants);
  return { design, alpha, plannedKeys: 0, looks, correction, cuped, variants, metrics };
}

/** What compares a metric must fit its values, and the looks at which they are compared. */
function checkComparison(
  field: string,
  { role, aggregation, test, winsorPercentile }: NewTestRules['metrics'][number],
  design: TestRules['design'],
): void {
  if (test !== 'MEANS') {
    if (role === 'GUARD') throw badInput(`${field}.test`, 'MEANS for a guard, which is judged at every look', test);
    if (design !== 'FIXED')
      throw badInput(`${field}.test`, `MEANS in a test with the design ${design}, or the design FIXED`, test);
  }
  if (test === 'CHI_SQUARE' && aggregation !== 'ANY')
    throw badInput(`${field}.aggregation`, 'ANY for CHI_SQUARE, which counts keys', aggregation);
  if (test === 'MANN_WHITNEY' && aggregation === 'ANY')
    throw badInput(`${field}.aggregation`, 'MEAN or SUM for MANN_WHITNEY, which orders keys by value', aggregation);
  if (winsorPercentile == null) return;
  checkRange(AB_TEST_RANGES.winsorPercentile, winsorPercentile, null, `${field}.winsorPercentile`);
  const expected = 'none, except for SUM with the test MEANS of a metric that is no guard';
  if (role === 'GUARD' || aggregation !== 'SUM' || test !== 'MEANS')
    throw badInput(`${field}.winsorPercentile`, expected, winsorPercentile);
}

async function variantsOf(
  session: Session,
  endpointId: string,
  given: NewTestRules['variants'],
): Promise<TestRules['variants']> {
  const ids = given.map(({ deploymentId }) => deploymentId);
  await requireOwn(session, Endpoint, 'endpoint', [endpointId]);
  await requireOwn(session, Deployment, 'deployment', ids);
  const repeated = ids.findIndex((id, i) => ids.indexOf(id) !== i);
  if (repeated >= 0) throw badInput(`input.variants[${repeated}].deploymentId`, 'each deployment once', ids[repeated]);
  const live = new Map((await liveOf(session, endpointId)).map((one) => [one.id, one]));
  const other = ids.findIndex((id) => !live.has(id));
  if (other >= 0)
    throw conflict(`Variant "${given[other]!.name}" is not a live, ready deployment of the endpoint.`, {
      field: `input.variants[${other}].deploymentId`,
      expected: [...live.keys()].join(', '),
      got: ids[other]!,
    });
  const variants = given.map((one) => ({ ...one, modelVersionId: live.get(one.deploymentId)!.modelVersionId }));
  const versions = await session.em.find(ModelVersion, {
    tenant: session.tenant,
    id: { $in: variants.map(({ modelVersionId }) => modelVersionId) },
  });
  const interfaces = variants.map(({ modelVersionId }) =>
    interfaceOf(versions.find(({ id }) => id === modelVersionId)?.signature),
  );
  const differs = interfaces.findIndex((own) => !isDeepStrictEqual(own, interfaces[0]));
  if (differs >= 0)
    throw conflict(
      `The version of variant "${given[differs]!.name}" has other inputs or outputs than that of ` +
        `"${given[0]!.name}": a key could not go to either.`,
      { field: `input.variants[${differs}].deploymentId`, expected: 'equal signatures', got: ids[differs]! },
    );
  return variants;
}

/** What callers see of a signature: the known categories may differ. */
function interfaceOf(signature: Signature | null | undefined): object {
  const { inputs = [], outputs = [] } = signature ?? {};
  return [inputs, outputs].map((specs) =>
    specs.map(({ name, datatype, shape, columns }) => ({
      ...{ name, datatype, shape },
      columns: columns?.map((column) => column.name) ?? null,
    })),
  );
}

function requireUnique(field: string, items: readonly { name: string }[]): void {
  const at = items.findIndex(({ name }, i) => items.findIndex((one) => one.name === name) !== i);
  if (at >= 0) throw badInput(`${field}[${at}].name`, 'each name once', items[at]!.name);
}
