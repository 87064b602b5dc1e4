import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  RegisterModelVersionDetailsDocument,
  RunWarningsDocument,
  StartTrainingDetailsDocument,
} from '../generated/operations.js';
import { createModel } from '../support/registry.js';
import { createEndpoint, deploy, predict } from '../support/serving.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createExperiment, registerDataset, startTraining, trainingEnd, vegaPath } from '../support/training.js';

let service: TestService;
let tess: Caller;
let experimentId: string;
let datasetId: string;

/** Movies with their titles; `copies` of the first ones are repeated at the end. */
function moviesFile(copies: number): Buffer {
  const movies = (JSON.parse(readFileSync(vegaPath('movies.json'), 'utf8')) as Record<string, unknown>[]).filter(
    (movie) => typeof movie.Title === 'string' && typeof movie['Running Time min'] === 'number',
  );
  const rows = movies.map((movie) => ({
    title: movie.Title,
    minutes: movie['Running Time min'],
    votes: movie['IMDB Votes'],
    is_long: Number(movie['Running Time min']) > 110 ? 'yes' : 'no',
  }));
  return Buffer.from(JSON.stringify([...rows, ...rows.slice(0, copies)]));
}

beforeAll(async () => {
  service = await startTestService({ INFERENCE_HOSTS: '1' });
  tess = await service.as();
  experimentId = await createExperiment(tess);
  const { uploadId } = await tess.upload('movies.json', moviesFile(300));
  datasetId = await registerDataset(tess, { name: 'movies', uploadId, format: 'JSON' });
});
afterAll(() => service?.close());

const split = { by: 'RATIO', validation: 0.1, holdout: 0.2 } as const;

describe('a text feature', () => {
  it('is learnt, registered and served; a prediction takes the text as it is', async () => {
    const { runId, jobId } = await startTraining(tess, {
      experimentId,
      datasetId,
      config: {
        algorithm: 'LOGISTIC_REGRESSION',
        target: { column: 'is_long' },
        features: [{ column: 'title', kind: 'TEXT', maxTerms: 150, ngrams: 2 }],
        split,
      },
    });
    await trainingEnd(tess, jobId);
    const modelId = await createModel(tess, { name: 'long movies', modelType: 'LOGISTIC_REGRESSION' });
    const { registerModelVersion } = await tess.ok(RegisterModelVersionDetailsDocument, { input: { modelId, runId } });
    expect(registerModelVersion.modelVersion.status).toBe('READY');
    const { id: endpointId } = await createEndpoint(tess, { modelId });
    await deploy(tess, { endpointId, modelVersionId: registerModelVersion.modelVersion.id });
    const titles = [
      'The Lord of the Rings: The Return of the King',
      'THE LORD OF THE RINGS: THE RETURN OF THE KING',
      '',
      null,
    ];
    const { outputs } = await predict(tess, { endpointId, rows: titles.map((title) => ({ title })) });
    const shares = outputs.find(({ name }) => name === 'probabilities')!.data as number[];
    expect(shares).toHaveLength(8);
    expect(shares.slice(0, 2)).toEqual(shares.slice(2, 4));
    expect(shares.slice(4, 6)).toEqual(shares.slice(6, 8));
    expect(shares.slice(0, 2)).not.toEqual(shares.slice(4, 6));
  });

  it('is refused where it cannot be', async () => {
    const refused = async (algorithm: string, feature: object) =>
      (
        await tess.fails(StartTrainingDetailsDocument, {
          input: {
            ...{ experimentId, datasetId },
            config: { algorithm, target: { column: 'is_long' }, features: [feature], split } as never,
          },
        })
      ).extensions;
    expect(await refused('LOGISTIC_REGRESSION', { column: 'minutes', kind: 'TEXT' })).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.config.features[0].kind',
    });
    expect(await refused('LOGISTIC_REGRESSION', { column: 'title', kind: 'TEXT', ngrams: 9 })).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.config.features[0].ngrams',
    });
  });
});

it('a leak and copies of training rows are warnings of the run, with their evidence', async () => {
  const { runId, jobId } = await startTraining(tess, {
    experimentId,
    datasetId,
    config: {
      algorithm: 'LOGISTIC_REGRESSION',
      target: { column: 'is_long' },
      features: [
        { column: 'title', kind: 'TEXT' },
        { column: 'minutes', kind: 'NUMERIC' },
        { column: 'votes', kind: 'NUMERIC' },
      ],
      split,
    },
  });
  await trainingEnd(tess, jobId);
  const { run } = await tess.ok(RunWarningsDocument, { id: runId });
  const leak = run.warnings.find(({ code }) => code === 'TARGET_LEAK')!;
  expect(leak).toMatchObject({ column: 'minutes', copies: null });
  expect(leak.figures.find(({ name }) => name === 'score')!.value).toBeGreaterThan(0.95);
  const copied = run.warnings.find(({ code }) => code === 'COPIED_ROWS')!;
  expect(copied.column).toBeNull();
  expect(copied.copies).toHaveLength(5);
  const distances = new Set(copied.copies!.map(({ row, trainingRow }) => Math.abs(row - trainingRow)));
  expect(distances.size).toBe(1);
  expect(run.warnings.filter(({ code }) => code === 'TARGET_LEAK' || code === 'COPIED_ROWS')).toHaveLength(2);
});
