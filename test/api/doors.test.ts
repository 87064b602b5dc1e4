// One file because all its tests send the same bad values through every interface of the same service.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { smallArchive, writeArchive, type ArchiveParts } from '../support/archive.js';
import { MlflowCaller } from '../support/mlflow.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { createRun, mutate, query, refused } from '../support/tracking.js';
import { createExperiment } from '../support/training.js';
import {
  CreateRunDocument,
  ImportExperimentDocument,
  ImportFromMlflowDocument,
} from '../../schema/generated/operations.js';
import type { TypedDocument } from '../../schema/typed-document.js';
import {
  AppendRunLogsDetailsDocument,
  CreateExperimentDetailsDocument,
  JobDetailsDocument,
  LogArtifactDetailsDocument,
  LogMetricsDetailsDocument,
  LogParamsDetailsDocument,
  LogRunDatasetsDetailsDocument,
  SetRunTagsDetailsDocument,
  UpdateRunDetailsDocument,
} from '../generated/operations.js';

interface Ended {
  status: string;
  attempt: number;
  errorCode: string | null;
  errorMessage: string | null;
  result: { problems?: { thing: string; reason: string }[]; [more: string]: unknown } | null;
}

type Json = Record<string, unknown>;

let service: TestService;
let tess: Caller;
let mlflow: MlflowCaller;
let peer: Server;
let trackingUri: string;
/** The content of the other tracking server. */
let theirs: { experiment: Json; runs: Json[]; models: Json[]; history: Json[] };
let experimentId: string;
let runId: string;

beforeAll(async () => {
  service = await startTestService({ MLFLOW_IMPORT_ALLOW_HTTP: 'true', MLFLOW_IMPORT_ALLOWED_HOSTS: '127.0.0.1' });
  tess = await service.as();
  mlflow = await MlflowCaller.of(service);
  experimentId = await createExperiment(tess);
  runId = await createRun(tess, { experimentId });
  peer = createServer((request, response) => {
    const path = request.url ?? '';
    const body = path.includes('experiments/search')
      ? { experiments: [theirs.experiment] }
      : path.includes('runs/search')
        ? { runs: theirs.runs }
        : path.includes('get-history')
          ? { metrics: theirs.history }
          : path.includes('logged-models/search')
            ? { models: theirs.models }
            : {};
    request.resume().on('end', () => response.writeHead(200).end(JSON.stringify(body)));
  }).listen(0, '127.0.0.1');
  await once(peer, 'listening');
  const address = peer.address();
  trackingUri = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
});
afterAll(async () => {
  peer?.close();
  await service?.close();
});

async function ended<Input>(
  document: TypedDocument<Record<string, { job: { id: string } }>, { input: Input }>,
  input: Input,
): Promise<Ended> {
  const { job } = await mutate(tess, document, input);
  for (;;) {
    const { job: now } = await tess.ok(JobDetailsDocument, { id: job.id });
    if (!['QUEUED', 'RUNNING'].includes(now.status)) return { ...now, result: now.result as Ended['result'] };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function importOf(change: (parts: ArchiveParts) => void): Promise<Ended> {
  const parts = smallArchive();
  change(parts);
  const { uploadId } = await tess.upload('experiment.tar', await writeArchive(parts));
  return ended(ImportExperimentDocument, { uploadId });
}

let number = 0;
const LOGGED_AT = 1_700_000_000_000;

/** Another server with one experiment, one run and one logged model. */
function theirThings() {
  number += 1;
  const hex = number.toString(16).padStart(32, 'f');
  return {
    experiment: { experiment_id: String(number), name: `theirs ${number}`, lifecycle_stage: 'active' } as Json,
    runs: [
      {
        info: {
          run_id: hex,
          run_name: 'theirs',
          status: 'FINISHED',
          start_time: LOGGED_AT,
          artifact_uri: 'mlflow-artifacts:/1/run',
          end_time: LOGGED_AT,
        } as Json,
        data: { metrics: [] as Json[], params: [] as Json[], tags: [] as Json[] },
        inputs: {} as Json,
      },
    ],
    models: [
      {
        info: {
          model_id: `m-${hex}`,
          name: 'net',
          status: 'LOGGED_MODEL_READY',
          source_run_id: hex,
          artifact_uri: 'mlflow-artifacts:/1/model',
          tags: [] as Json[],
        } as Json,
        data: { metrics: [] as Json[], params: [] as Json[] },
      },
    ],
    history: [] as Json[],
  };
}

async function importFrom(change: (things: ReturnType<typeof theirThings>) => void): Promise<Ended> {
  const things = theirThings();
  change(things);
  theirs = things;
  return ended(ImportFromMlflowDocument, { trackingUri, modelNames: [] });
}

interface BadValue {
  what: string;
  graphql?: () => [mutation: TypedDocument<object, never>, input: object];
  mlflow?: () => [path: string, body: object];
  /** The change to a valid archive, and the place that the refusal must name. */
  archive?: [change: (parts: ArchiveParts) => void, place: RegExp];
  /** The answers of another tracking server. */
  theirs?: (things: ReturnType<typeof theirThings>) => void;
}

const LONG = 'x'.repeat(500);
const pair = (key: string, value = 'v') => ({ key, value });
const LATE_MS = 8.64e15;

const BAD: BadValue[] = [
  ...[
    ['a run name with a line feed', 'a\nb'],
    ['a run name of 500 characters', LONG],
    ['a run name without a character', ''],
  ].map(([what, name]): BadValue => ({
    what: what!,
    graphql: () => [CreateRunDocument, { experimentId, name }],
    // There, an empty name means no name.
    ...(name !== '' && { mlflow: () => ['runs/create', { experiment_id: hexOf(experimentId), run_name: name }] }),
    archive: [({ runs }) => void (runs[1]!['name'] = name), /runs\/00001\.ndjson line 2: name: /],
  })),
  {
    what: 'an experiment name with a direction mark',
    graphql: () => [CreateExperimentDetailsDocument, { name: 'a\u202eb' }],
    mlflow: () => ['experiments/create', { name: 'a\u202eb' }],
    archive: [({ experiment }) => void (experiment['name'] = 'a\u202eb'), /manifest\.json: experiment\.name: /],
  },
  ...(['params', 'tags'] as const).flatMap((kind) =>
    [
      ['an empty key', '', 'v'],
      ['a key with a line feed', 'a\nb', 'v'],
      ['a key of 500 characters', LONG, 'v'],
      ['a value of 9,000 characters', 'k', 'v'.repeat(9_000)],
    ].map(([what, key, value]): BadValue => ({
      what: `${what} among ${kind}`,
      graphql: () => [
        kind === 'params' ? LogParamsDetailsDocument : SetRunTagsDetailsDocument,
        { runId, [kind]: [pair(key!, value)] },
      ],
      // Long values are cut there, as in MLflow's server.
      ...(value === 'v' && { mlflow: () => ['runs/log-batch', { run_id: hexOf(runId), [kind]: [pair(key!, value)] }] }),
      archive: [
        ({ runs }) => void (runs[0]![kind] = { [key!]: value }),
        new RegExp(`runs/00001\\.ndjson line 1: ${kind}`),
      ],
      theirs: ({ runs }) => void runs[0]!.data[kind].push(pair(key!, value)),
    })),
  ),
  ...[
    ['an empty key', '', 1, LOGGED_AT],
    ['a key with a line feed', 'a\nb', 1, LOGGED_AT],
    ['a time after the year 9999', 'loss', 1, LATE_MS],
    ['a time before the year 1', 'loss', 1, -LATE_MS],
    ['a step that is no integer', 'loss', 0.5, LOGGED_AT],
    ['a step beyond 64 bits', 'loss', 1e300, LOGGED_AT],
  ].map(([what, key, step, ms]): BadValue => ({
    what: `a metric with ${what}`,
    ...(Math.abs(ms as number) < LATE_MS && {
      graphql: () => [LogMetricsDetailsDocument, { runId, metrics: [{ key, value: 1, step }] }],
    }),
    mlflow: () => ['runs/log-metric', { run_id: hexOf(runId), key, value: 1, step, timestamp: ms }],
    archive: [
      ({ points }) =>
        void (points[0]!['points'] = [
          ['fine', 1, 1, 1],
          [key, step, ms, 1],
        ]),
      /points\/00001\.ndjson line 1: points\.1\./,
    ],
    theirs: (things) => {
      things.runs[0]!.data.metrics.push({ key, value: 1, step, timestamp: ms });
      things.history.push({ key, value: 1, step, timestamp: ms });
    },
  })),
  {
    what: 'a log line of a stream that does not exist',
    graphql: () => [AppendRunLogsDetailsDocument, { runId, lines: [{ line: 'x', stream: 'NOPE' }] }],
    archive: [
      ({ logs }) => void (logs[0]!['lines'] = [[1, 1, 'NOPE', 'x']]),
      /logs\/00001\.ndjson line 1: lines\.0\.2/,
    ],
  },
  {
    what: 'a log line with a line feed',
    graphql: () => [AppendRunLogsDetailsDocument, { runId, lines: [{ line: 'a\nb' }] }],
    archive: [
      ({ logs }) => void (logs[0]!['lines'] = [[1, 1, 'STDOUT', 'a\nb']]),
      /logs\/00001\.ndjson line 1: lines\.0\.3/,
    ],
  },
  {
    what: 'a log line of a time after the year 9999',
    archive: [
      ({ logs }) => void (logs[0]!['lines'] = [[1, LATE_MS, 'STDOUT', 'a']]),
      /logs\/00001\.ndjson line 1: lines\.0\.1/,
    ],
  },
  {
    what: 'a second log line of the same number',
    archive: [
      ({ logs }) =>
        void (logs[0]!['lines'] = [
          [1, 1, 'STDOUT', 'a'],
          [1, 1, 'STDOUT', 'b'],
        ]),
      /logs\/00001\.ndjson line 1: lines\.1\.0/,
    ],
  },
  {
    what: 'a run created in the year 0',
    archive: [
      ({ runs }) => void (runs[0]!['createdAt'] = '0000-01-01T00:00:00.000Z'),
      /runs\/00001\.ndjson line 1: createdAt/,
    ],
  },
  {
    what: 'an experiment created in the year 0',
    archive: [
      ({ experiment }) => void (experiment['createdAt'] = '0000-01-01T00:00:00.000Z'),
      /manifest\.json: experiment\.createdAt/,
    ],
  },
  {
    what: 'an experiment created after the year 9999',
    theirs: ({ experiment }) => void (experiment['creation_time'] = LATE_MS),
  },
  {
    what: 'a run started after the calendar of JavaScript',
    mlflow: () => ['runs/create', { experiment_id: hexOf(experimentId), start_time: 9e15 }],
    theirs: ({ runs }) => void (runs[0]!.info['start_time'] = 9e15),
  },
  {
    what: 'a run that ended before the year 1',
    mlflow: () => ['runs/update', { run_id: hexOf(runId), status: 'FINISHED', end_time: -LATE_MS }],
    theirs: ({ runs }) => void (runs[0]!.info['end_time'] = -LATE_MS),
  },
  {
    what: 'a run status that does not exist',
    graphql: () => [UpdateRunDetailsDocument, { runId, status: 'NOPE' }],
    mlflow: () => ['runs/update', { run_id: hexOf(runId), status: 'NOPE' }],
    archive: [({ runs }) => void (runs[0]!['status'] = 'NOPE'), /runs\/00001\.ndjson line 1: status/],
  },
  {
    what: 'a run that is its own parent',
    archive: [({ runs }) => void (runs[0]!['parentRunId'] = runs[0]!['id']), /runs\/00001\.ndjson line 1: parentRunId/],
  },
  {
    what: 'runs whose parents form a circle',
    archive: [
      ({ runs }) => void (runs[0]!['parentRunId'] = runs[1]!['id']),
      /runs\/00001\.ndjson line [12]: parentRunId/,
    ],
  },
  {
    what: 'a run whose name is not that of its tag',
    graphql: () => [CreateRunDocument, { experimentId, name: 'a', tags: [pair('mlflow.runName', 'b')] }],
    archive: [({ runs }) => void (runs[0]!['tags'] = { 'mlflow.runName': 'b' }), /runs\/00001\.ndjson line 1: tags/],
  },
  {
    what: 'a run made by nobody',
    archive: [({ runs }) => void (runs[0]!['createdBy'] = 'a\u0007b'), /runs\/00001\.ndjson line 1: createdBy/],
  },
  {
    what: 'a dataset with a digest of 100 characters',
    graphql: () => [
      LogRunDatasetsDetailsDocument,
      { runId, datasets: [{ direction: 'INPUT', name: 'd', digest: 'x'.repeat(100), sourceType: 's', source: '{}' }] },
    ],
    mlflow: () => [
      'runs/log-inputs',
      {
        run_id: hexOf(runId),
        datasets: [{ dataset: { name: 'd', digest: 'x'.repeat(100), source_type: 's', source: '{}' } }],
      },
    ],
    archive: [
      ({ datasets }) => void (datasets[0]!['digest'] = 'x'.repeat(100)),
      /datasets\/00001\.ndjson line 1: digest/,
    ],
    theirs: ({ runs }) =>
      void (runs[0]!.inputs['dataset_inputs'] = [
        { dataset: { name: 'd', digest: 'x'.repeat(100), source_type: 's', source: '{}' } },
      ]),
  },
  {
    what: 'a logged model with a line feed in its name',
    mlflow: () => ['logged-models', { experiment_id: hexOf(experimentId), name: 'a\nb' }],
    archive: [({ models }) => void (models[0]!['name'] = 'a\nb'), /models\/00001\.ndjson line 1: name/],
  },
  {
    what: 'a metric of a model whose dataset is named with 3,000 letters that differ',
    archive: [
      (parts) => void (parts['model-metrics'][0]!['datasetName'] = many(3_000)),
      /model-metrics\/00001\.ndjson line 1: datasetName/,
    ],
    theirs: ({ models, runs }) =>
      void models[0]!.data.metrics.push({
        ...{ key: 'loss', value: 1, step: 1, timestamp: LOGGED_AT, run_id: runs[0]!.info['run_id'] },
        ...{ dataset_name: many(3_000), dataset_digest: 'd' },
      }),
  },
  {
    what: 'a metric of a model without a key',
    archive: [(parts) => void (parts['model-metrics'][0]!['key'] = ''), /model-metrics\/00001\.ndjson line 1: key/],
    theirs: ({ models, runs }) =>
      void models[0]!.data.metrics.push({
        ...{ key: '', value: 1, step: 1, timestamp: LOGGED_AT, run_id: runs[0]!.info['run_id'] },
      }),
  },
  {
    what: 'a NUL in a value',
    graphql: () => [SetRunTagsDetailsDocument, { runId, tags: [pair('k', 'a\0b')] }],
    mlflow: () => ['runs/set-tag', { run_id: hexOf(runId), key: 'k', value: 'a\0b' }],
    archive: [({ runs }) => void (runs[0]!['tags'] = { k: 'a\0b' }), /runs\/00001\.ndjson line 1: "k"/],
    theirs: ({ runs }) => void runs[0]!.data.tags.push(pair('k', 'a\0b')),
  },
  {
    what: 'a NUL in an id of another server',
    theirs: ({ runs }) => void (runs[0]!.info['run_id'] = 'a\0b'),
  },
  {
    what: 'an id of another server that no index takes',
    theirs: ({ runs }) => void (runs[0]!.info['run_id'] = many(20_000)),
  },
  {
    what: 'a file at a path of 5,000 characters',
    graphql: () => [LogArtifactDetailsDocument, { runId, path: 'x'.repeat(5_000), uploadId: runId }],
    archive: [({ files }) => void (files[0]!['path'] = 'x'.repeat(5_000)), /files\/00001\.ndjson line 1: path/],
  },
];

const hexOf = (id: string) => id.replaceAll('-', '');

/** Letters that compress badly. */
function many(length: number): string {
  let state = 42;
  return Array.from({ length }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return String.fromCharCode(97 + (state % 26));
  }).join('');
}

const rows = async () => {
  const counts: Record<string, unknown> = {};
  for (const table of ['experiment', 'run', 'run_log', 'metric_point', 'logged_model_metric'])
    counts[table] = (await query(service, `select count(*)::int as count from ${table}`))[0];
  return counts;
};

it('a valid archive and a valid server are accepted', async () => {
  expect(await importOf(() => undefined)).toMatchObject({ status: 'SUCCEEDED', result: { runs: 2 } });
  const brought = await importFrom(() => undefined);
  expect(brought).toMatchObject({ status: 'SUCCEEDED', result: { problems: [] } });
});

/** The values that can come through one interface. */
const through = <K extends 'graphql' | 'mlflow' | 'archive' | 'theirs'>(door: K) =>
  BAD.flatMap(({ what, [door]: bad }) => (bad === undefined ? [] : [{ what, bad: bad as NonNullable<BadValue[K]> }]));

describe('GraphQL refuses', () => {
  it.each(through('graphql'))('$what', async ({ bad }) => {
    const before = await rows();
    const { extensions, message } = await refused(tess, ...bad());
    expect(['BAD_USER_INPUT', 'INVALID_PATH'], message).toContain(extensions.code);
    expect(await rows()).toEqual(before);
  });
});

describe('the MLflow protocol refuses', () => {
  it.each(through('mlflow'))('$what', async ({ bad }) => {
    const before = await rows();
    const [path, body] = bad();
    const answer = await mlflow.send<{ error_code: string; message: string }>('POST', path, { body });
    expect([answer.status, answer.body.error_code], answer.body.message).toEqual([400, 'INVALID_PARAMETER_VALUE']);
    expect(await rows()).toEqual(before);
  });
});

describe('an archive is refused at once, with the place of', () => {
  it.each(through('archive'))('$what', async ({ bad: [change, place] }) => {
    const before = await rows();
    const { status, attempt, errorCode, errorMessage } = await importOf(change);
    expect({ status, attempt, errorCode, errorMessage }).toEqual({
      ...{ status: 'FAILED', attempt: 1, errorCode: 'BAD_USER_INPUT' },
      errorMessage: expect.stringMatching(place),
    });
    expect(await rows()).toEqual(before);
  });
});

describe('an import from another server lists as a problem, and imports the rest,', () => {
  it.each(through('theirs'))('$what', async ({ bad }) => {
    const { status, attempt, result, errorMessage } = await importFrom(bad);
    expect({ status, attempt }, errorMessage ?? '').toEqual({ status: 'SUCCEEDED', attempt: 1 });
    expect(result!.problems!.length).toBeGreaterThan(0);
    for (const { reason } of result!.problems!) expect(reason).not.toMatch(/INTERNAL|unexpected/);
  });
});
