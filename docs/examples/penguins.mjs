// Trains, releases and serves a model, and asks it. It may run as often as you like: what is there is used, what is missing is made.
//   TOKEN=… node docs/examples/penguins.mjs
import { readFile } from 'node:fs/promises';

const { SERVICE_URL = 'http://127.0.0.1:8000', TOKEN = '' } = process.env;
const NAME = 'penguins-script';
const headers = { authorization: `Bearer ${TOKEN}` };

async function ask(query, variables = {}) {
  const response = await fetch(`${SERVICE_URL}/graphql`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors) throw Object.assign(new Error(errors[0].message), { code: errors[0].extensions.code });
  return data;
}

/** Null when there is no such thing. */
const find = (query, variables) =>
  ask(query, variables).catch((error) => (error.code === 'NOT_FOUND' ? null : Promise.reject(error)));

async function createDataset() {
  const file = new URL('../../test/fixtures/training/penguins.csv', import.meta.url);
  const upload = await fetch(`${SERVICE_URL}/uploads?fileName=penguins.csv`, {
    method: 'POST',
    headers,
    body: await readFile(file),
  });
  const { uploadId } = await upload.json();
  const { registerDataset } = await ask(
    'mutation ($name: String!, $uploadId: ID!) { registerDataset(input: { name: $name, source: { uploadId: $uploadId } }) { dataset { id } } }',
    { name: NAME, uploadId },
  );
  return registerDataset;
}

async function createVersion(experimentId, datasetId, modelId) {
  const config = {
    algorithm: 'MLP_CLASSIFIER',
    target: { column: 'species' },
    features: [
      { column: 'beak_length', kind: 'NUMERIC' },
      { column: 'beak_depth', kind: 'NUMERIC' },
      { column: 'body_mass', kind: 'NUMERIC' },
      { column: 'island', kind: 'CATEGORICAL' },
    ],
    split: { by: 'RATIO', validation: 0.15, holdout: 0.35 },
    hyperparameters: { epochs: 30, batchSize: 16, learningRate: 0.01 },
  };
  const { startTraining } = await ask(
    'mutation ($input: StartTrainingInput!) { startTraining(input: $input) { job { id } run { id } } }',
    {
      input: { experimentId, datasetId, config },
    },
  );
  let job = startTraining.job;
  // One call waits a minute at most.
  do {
    ({ job } = await ask('query ($id: ID!) { job(id: $id, waitMs: 60000) { id status errorMessage endedAt } }', {
      id: job.id,
    }));
  } while (job.endedAt === null);
  if (job.status !== 'SUCCEEDED') throw new Error(job.errorMessage ?? `The training is ${job.status}.`);
  const { registerModelVersion } = await ask(
    'mutation ($modelId: ID!, $runId: ID!) { registerModelVersion(input: { modelId: $modelId, runId: $runId }) { modelVersion { id } } }',
    { modelId, runId: startTraining.run.id },
  );
  return registerModelVersion;
}

const { getOrCreateExperiment, getOrCreateModel } = await ask(
  `mutation ($name: String!) {
    getOrCreateExperiment(input: { name: $name }) { experiment { id } }
    getOrCreateModel(input: { name: $name, task: CLASSIFICATION, modelType: "MLP_CLASSIFIER" }) { model { id } }
  }`,
  { name: NAME },
);
const { experiment } = getOrCreateExperiment;
const { model } = getOrCreateModel;
const { dataset } =
  (await find('query ($name: String!) { dataset(name: $name) { id } }', { name: NAME })) ?? (await createDataset());
const { modelVersion } =
  (await find('query ($name: String!) { modelVersion(modelName: $name, version: 1) { id } }', { name: NAME })) ??
  (await createVersion(experiment.id, dataset.id, model.id));

const { releaseModelVersion } = await ask(
  `mutation ($input: ReleaseModelVersionInput!) {
    releaseModelVersion(input: $input) {
      job { status errorMessage outcome { ... on ReleaseOutcome { stage reached firstMissing { gate problem next } } } }
    }
  }`,
  { input: { modelVersionId: modelVersion.id, targetStage: 'PRODUCTION', waitMs: 60_000 } },
);
const { outcome, errorMessage } = releaseModelVersion.job;
if (!outcome?.reached)
  throw new Error(errorMessage ?? `It is in ${outcome?.stage}. Next: ${outcome?.firstMissing?.next}`);

const { getOrCreateEndpoint } = await ask(
  'mutation ($input: CreateEndpointInput!) { getOrCreateEndpoint(input: $input) { serves servingProblem } }',
  { input: { name: NAME, modelId: model.id, followStage: 'PRODUCTION', waitMs: 60_000 } },
);
if (!getOrCreateEndpoint.serves) throw new Error(getOrCreateEndpoint.servingProblem);

const { predict } = await ask(
  'mutation ($name: String!, $rows: [JSON!]!) { predict(input: { endpointName: $name, rows: $rows }) { predictions { label } } }',
  {
    name: NAME,
    rows: [
      { beak_length: 39.1, beak_depth: 18.7, body_mass: 3750, island: 'Torgersen' },
      { beak_length: 49.5, beak_depth: 16.1, body_mass: 5650, island: 'Biscoe' },
    ],
  },
);
const labels = predict.predictions.map(({ label }) => label);
console.log(
  JSON.stringify({
    experiment: experiment.id,
    dataset: dataset.id,
    modelVersion: modelVersion.id,
    stage: outcome.stage,
    labels,
  }),
);
