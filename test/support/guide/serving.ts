import { readFileSync } from 'node:fs';
import { Role } from '../../../src/modules/core/rules/principal.js';
import type { EndpointTrafficQuery, TensorInput } from '../../../schema/generated/operations.js';
import type { Guide } from './recorder.js';
import { PENGUINS } from './tracking.js';
import { secondVersion, type Registry } from './registry.js';

const ENDPOINT = 'penguins';
const ROW = { beak_length: 39.1, beak_depth: 18.7, body_mass: 3750, island: 'Torgersen' };
const PARALLEL = 10;

/** The rows of the file in the form that the model takes; "NA" and the like are missing values. */
export function penguinRows(): Record<string, unknown>[] {
  const [header = '', ...lines] = readFileSync(PENGUINS, 'utf8').trim().split('\n');
  const names = header.split(',');
  const number = (text: string | undefined) => (text && Number.isFinite(Number(text)) ? Number(text) : null);
  return lines.map((line) => {
    const cell = Object.fromEntries(line.split(',').map((text, i) => [names[i], text]));
    return {
      beak_length: number(cell['beak_length']),
      beak_depth: number(cell['beak_depth']),
      body_mass: number(cell['body_mass']),
      island: cell['island'],
    };
  });
}

/** One request per row, as a client would send them. */
export async function sendTraffic(guide: Guide, rows: Record<string, unknown>[]): Promise<void> {
  for (let from = 0; from < rows.length; from += PARALLEL) {
    const requests = rows
      .slice(from, from + PARALLEL)
      .map((row) => guide.run('predict', { endpoint: ENDPOINT, rows: [row] }, { show: false }));
    await Promise.all(requests);
  }
  // Served requests are counted and logged some seconds later at most; the page waits for it.
  await guide.service.app.context.services.traffic.flush();
}

function ready(guide: Guide, endpointId: string, mode: string, requests = 0): Promise<EndpointTrafficQuery> {
  const isThere = ({ endpoint }: EndpointTrafficQuery) =>
    endpoint.deployments.some((one) => one.mode === mode && one.status === 'READY' && one.traffic.requests >= requests);
  return guide.until('endpointTraffic', { endpointId }, isThere, { show: false });
}

/** An endpoint, predictions, a shadow and its gate, batch inference. */
export async function servingChapter(
  guide: Guide,
  ids: Registry & { experimentId: string; datasetId: string },
): Promise<{ endpointId: string; productionVersionId: string }> {
  guide.chapter(
    'Serving',
    'An endpoint is the stable name that clients call. Deployments stand behind it: LIVE with a share of the ' +
      'traffic, or SHADOW with a copy of it.',
  );
  guide.task(
    'Create an endpoint',
    'One that follows PRODUCTION deploys the version there at once, and every later promotion or rollback ' +
      'moves its traffic.',
  );
  const { createEndpoint } = await guide.run('createEndpoint', {
    input: { name: ENDPOINT, modelId: ids.modelId, followStage: 'PRODUCTION', slaLatencyP95Ms: 2_000 },
  });
  const endpointId = createEndpoint.endpoint.id;
  await guide.follow('followDeployments', { endpointId, after: 0 }, (items) =>
    items.some(({ type }) => type === 'MODEL_DEPLOYED'),
  );

  guide.task(
    'Predict with rows',
    'Values by the names of the dataset’s columns. VIEWER may call it, as what is live is in PRODUCTION.',
  );
  await ready(guide, endpointId, 'LIVE');
  await guide.run('predict', { endpoint: ENDPOINT, rows: [ROW, { ...ROW, beak_length: null }] }, { as: Role.VIEWER });
  guide.task(
    'Predict with tensors',
    'The names and types are the signature’s, the shape begins with the number of rows.',
  );
  const tensors: TensorInput[] = [
    { name: 'beak_length', datatype: 'FP32', shape: [2, 1], data: [39.1, 49.5] },
    { name: 'beak_depth', datatype: 'FP32', shape: [2, 1], data: [18.7, 16.1] },
    { name: 'body_mass', datatype: 'FP32', shape: [2, 1], data: [3750, 5650] },
    { name: 'island', datatype: 'BYTES', shape: [2, 1], data: ['Torgersen', 'Biscoe'] },
  ];
  await guide.run('predictTensors', { endpoint: ENDPOINT, tensors });
  await guide.refused('predict', { endpoint: ENDPOINT, rows: [{ ...ROW, body_mass: 'heavy' }] });

  guide.task(
    'Shadow a second version',
    'A second version was trained, evaluated, validated and promoted to STAGING like the first. Deployed as ' +
      'SHADOW, it gets a copy of every answered request.',
  );
  const modelVersionId = await secondVersion(guide, ids);
  const { deployModelVersion } = await guide.run('deployModelVersion', {
    endpointId,
    modelVersionId,
    mode: 'SHADOW',
  });
  const deploymentId = deployModelVersion.deployment.id;
  await ready(guide, endpointId, 'SHADOW');
  const rows = penguinRows();
  const traffic = [...rows, ...rows].slice(0, 230);
  await sendTraffic(guide, traffic);
  guide.say('After 230 requests:');
  const seen = ({ endpoint }: EndpointTrafficQuery) =>
    endpoint.deployments.every((one) => one.traffic.requests >= traffic.length);
  await guide.until('endpointTraffic', { endpointId }, seen);
  await guide.run('decideShadow', { deploymentId });
  guide.say(
    'The gate passed, so the version may replace the one in PRODUCTION. Whoever does not know which that is, ' +
      'is refused:',
  );
  await guide.refused('promoteModelVersion', {
    modelVersionId,
    toStage: 'PRODUCTION',
    expectedProductionVersionId: null,
  });
  guide.say('Named, it is replaced, and the endpoint’s traffic moves:');
  const expectedProductionVersionId = ids.firstVersionId;
  await guide.run('promoteModelVersion', {
    modelVersionId,
    toStage: 'PRODUCTION',
    expectedProductionVersionId,
    reason: 'shadow passed',
  });

  guide.task(
    'Predict for a whole dataset',
    'A job; its result is a Parquet file with the row number, the columns you name and the predictions.',
  );
  const { startBatchInference } = await guide.run('startBatchInference', {
    input: { modelVersionId, datasetId: ids.datasetId, keyColumns: ['moment'] },
  });
  const { job } = await guide.until(
    'job',
    { id: startBatchInference.job.id },
    (data) => data.job.status !== 'QUEUED' && data.job.status !== 'RUNNING',
  );
  const address = job.outcome && 'downloadUrl' in job.outcome ? job.outcome.downloadUrl : '';
  await guide.http(new URL(address, guide.service.url).pathname, { saveAs: 'predictions.parquet' });
  return { endpointId, productionVersionId: modelVersionId };
}

/** Two versions behind one endpoint; the traffic is divided by hand. */
export async function splitChapter(
  guide: Guide,
  { modelId, firstVersionId }: Registry,
  productionVersionId: string,
): Promise<void> {
  guide.task(
    'Split traffic between two versions',
    'At an endpoint that follows no stage. Weights are basis points; a routing key keeps its version while they stay.',
  );
  const { createEndpoint } = await guide.run(
    'createEndpoint',
    { input: { name: 'penguins-ab', modelId } },
    { show: false },
  );
  const endpointId = createEndpoint.endpoint.id;
  const weights: { deploymentId: string; weightBps: number }[] = [];
  for (const [modelVersionId, weightBps] of [
    [productionVersionId, 9_000],
    [firstVersionId, 1_000],
  ] as const) {
    const { deployModelVersion } = await guide.run(
      'deployModelVersion',
      { endpointId, modelVersionId, mode: 'LIVE' },
      { show: false },
    );
    weights.push({ deploymentId: deployModelVersion.deployment.id, weightBps });
    const isUp = ({ endpoint }: EndpointTrafficQuery) =>
      endpoint.deployments.length === weights.length && endpoint.deployments.every(({ status }) => status === 'READY');
    await guide.until('endpointTraffic', { endpointId }, isUp, { show: false });
  }
  await guide.run('setTrafficWeights', { endpointId, weights });
  guide.task('Stop a deployment');
  await guide.run('undeploy', { deploymentId: weights[1]!.deploymentId });
  guide.task(
    'Follow an alias',
    'Pointing the alias elsewhere then moves the traffic, the new version loaded before the old one leaves. ' +
      'An alias that is not there yet is waited for; when it is deleted, what serves goes on, and ' +
      '`followProblem` says so.',
  );
  const champion = { modelId, alias: 'champion' };
  await guide.run('setModelAlias', { ...champion, modelVersionId: productionVersionId }, { show: false });
  await guide.run('followModelAlias', { endpointId, alias: 'champion' });
  await guide.run('deleteModelAlias', champion, { show: false });
}
