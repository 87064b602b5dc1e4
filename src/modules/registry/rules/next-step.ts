import type { Gate } from '../../model-quality/index.js';

/** What is known about a version that has not passed a gate. */
export interface GateSituation {
  modelVersionId: string;
  /** Whether a training defines its target and holdout rows. */
  isTrained: boolean;
  /** Failed checks whose evidence still counts; empty when there is no result yet. */
  failed: readonly string[];
  /** Set for the gate SHADOW only. */
  shadow?: ShadowSituation;
}

export interface ShadowSituation {
  /** Whether its newest evaluation compares it with the version in production. */
  isCompared: boolean;
  /** Its deployment as a shadow; null when it has none. */
  deploymentId: string | null;
  /** An endpoint that serves the production version; null when there is none. */
  endpointId: string | null;
  minRequests: number;
}

/** The call to make next so that the gate can be passed; never a call that would only fail again. */
export function nextStep(gate: Gate, situation: GateSituation): string {
  switch (gate) {
    case 'VALIDATION':
      return afterValidation(situation);
    case 'EVALUATION':
      return afterEvaluation(situation);
    case 'SHADOW':
      return afterShadow(situation);
    case 'AB_TEST':
      return (
        'planAbTest with the version in PRODUCTION as the first variant and version ' +
        `${situation.modelVersionId} as another one, then startAbTest, until it is decided`
      );
  }
}

const BETTER = 'register a better version (registerModelVersion)';

function validate({ modelVersionId }: GateSituation): string {
  return `validateModelVersion(input: {modelVersionId: "${modelVersionId}"})`;
}

/** For an uploaded version, the rows and the target column are unknown. */
function evaluate({ modelVersionId, isTrained }: GateSituation): string {
  const rest = isTrained ? '' : ', datasetId: …, target: {column: …}';
  return `evaluateModelVersion(input: {modelVersionId: "${modelVersionId}"${rest}})`;
}

function afterValidation(situation: GateSituation): string {
  const { failed } = situation;
  if (failed.length === 0) return validate(situation);
  if (failed.includes('holdout_metrics')) return `${evaluate(situation)}, then ${validate(situation)}`;
  if (failed.every((check) => check === 'latency_p95_ms'))
    return (
      `${validate(situation)} when the machine is less busy, or setGatePolicy with another ` +
      'validation.maxLatencyP95Ms'
    );
  if (failed.every((check) => check.startsWith('holdout_') || check === 'latency_p95_ms'))
    return `${BETTER}, or setGatePolicy with other validation.metrics`;
  return 'mend the model file and register it as a new version (registerModelVersion)';
}

function afterEvaluation(situation: GateSituation): string {
  const { failed, modelVersionId, isTrained } = situation;
  if (failed.length === 0) return evaluate(situation);
  const target = isTrained ? '' : ', target: {column: …}';
  const onMore =
    `evaluateModelVersion(input: {modelVersionId: "${modelVersionId}", datasetId: …${target}}) with a ` +
    'dataset of more rows';
  return failed.includes('rows') ? onMore : `${BETTER}, or ${onMore}`;
}

function afterShadow(situation: GateSituation): string {
  const { failed, modelVersionId, shadow } = situation;
  const { isCompared, deploymentId, endpointId, minRequests } = shadow!;
  const isSettled =
    failed.length > 0 && !failed.some((check) => ['requests', 'beside_production'].includes(check)) && isCompared;
  if (isSettled) return `${BETTER}, or setGatePolicy with other limits of shadow`;
  const steps: string[] = [];
  if (!isCompared) steps.push(evaluate(situation));
  if (deploymentId === null) {
    if (endpointId === null) steps.push('createEndpoint(input: {…, followStage: PRODUCTION})');
    const at = endpointId === null ? '…' : `"${endpointId}"`;
    steps.push(`deployModelVersion(input: {endpointId: ${at}, modelVersionId: "${modelVersionId}", mode: SHADOW})`);
  }
  const id = deploymentId === null ? '…' : `"${deploymentId}"`;
  steps.push(`decideShadow(input: {deploymentId: ${id}}) once it has had ${minRequests} requests of the endpoint`);
  return steps.join(', then ');
}
