import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SeededRandom } from '../../src/modules/statistics/rules/random.js';
import { batchOf, columnsOf } from '../support/batch.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createEndpoint, deploy } from '../support/serving.js';
import { createExperiment, registerDataset, startTraining, trainingEnd } from '../support/training.js';
import { CreateModelDocument } from '../../schema/generated/operations.js';
import {
  PredictDetailsDocument,
  RegisterModelVersionDetailsDocument,
  RunMonitoringDetailsDocument,
  type UnknownCategoryPolicy,
  type FeatureInput,
  PredictForColumnMeaningDocument,
  PredictForColumnMeaning2Document,
  UpdateEndpointUnknownCategoriesDocument,
  ModelVersionClassesNameCategoriesDocument,
} from '../generated/operations.js';

// The meaning of a column is recorded once, when a model is trained on it: online prediction, batch inference and
// monitoring read it in the same way.

let service: TestService;
let tess: Caller;
let experimentId: string;

beforeAll(async () => {
  service = await startTestService({ MONITORING_MIN_ROWS: '200' });
  tess = await service.as();
  experimentId = await createExperiment(tess);
});
afterAll(() => service?.close());

type Cell = string | null;

/** A CSV file: texts have quotes when needed, an empty field is null. */
function csv(columns: Record<string, readonly Cell[]>): string {
  const names = Object.keys(columns);
  const field = (text: Cell): string =>
    text === null ? '' : /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  const rows = columns[names[0]!]!.map((_, row) => names.map((name) => field(columns[name]![row]!)).join(','));
  return [names.map(field).join(','), ...rows].join('\n');
}

let made = 0;

async function dataset(columns: Record<string, readonly Cell[]>): Promise<string> {
  const { uploadId } = await tess.upload('table.csv', csv(columns));
  return registerDataset(tess, { name: `table-${++made}`, uploadId });
}

interface Served {
  datasetId: string;
  modelVersionId: string;
  endpointId: string;
  deploymentId: string;
}

/** Trains on all columns except the target, registers and serves the model. */
async function serve(
  columns: Record<string, readonly Cell[]>,
  features: FeatureInput[],
  settings: Record<string, unknown> = {},
): Promise<Served> {
  const datasetId = await dataset(columns);
  const { runId, jobId } = await startTraining(tess, {
    experimentId,
    datasetId,
    config: {
      algorithm: 'LOGISTIC_REGRESSION',
      target: { column: 'target' },
      features,
      split: { by: 'RATIO', validation: 0.1, holdout: 0.1 },
      seed: 3,
    },
  });
  await trainingEnd(tess, jobId);
  const { createModel } = await tess.ok(CreateModelDocument, {
    input: { name: `model-${made}`, task: 'CLASSIFICATION', modelType: 'LOGISTIC_REGRESSION' },
  });
  const modelId = createModel.model.id;
  const { registerModelVersion } = await tess.ok(RegisterModelVersionDetailsDocument, { input: { modelId, runId } });
  const modelVersionId = registerModelVersion.modelVersion.id;
  const { id: endpointId } = await createEndpoint(tess, { modelId, ...settings });
  return { datasetId, modelVersionId, endpointId, deploymentId: await deploy(tess, { endpointId, modelVersionId }) };
}

interface Answer {
  unknownCategories: { row: number; column: string; value: string }[];
  unknownCategoryCount: number;
  predictions: { label: string; probabilities: number[] }[];
}

const ask = async (endpointId: string, rows: Record<string, unknown>[]): Promise<Answer> =>
  (await tess.ok(PredictForColumnMeaningDocument, { input: { endpointId, rows } })).predict as Answer;

/** Row objects with these columns. */
const rowsOf = (columns: Record<string, readonly unknown[]>): Record<string, unknown>[] =>
  Object.values(columns)[0]!.map((_, row) =>
    Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[row]])),
  );

const featuresOf = <T>(columns: Record<string, T>): Record<string, T> =>
  Object.fromEntries(Object.entries(columns).filter(([name]) => name !== 'target'));

const CATEGORY = 'CATEGORICAL' as const;

describe('a category that the model was not trained with', () => {
  const city = ['Ulm', 'Köln', 'ulm', '__proto__', null] as const;
  const table = (rows: number): Record<string, Cell[]> => ({
    constructor: Array.from({ length: rows }, (_, i) => city[i % 5]!),
    ['__proto__']: Array.from({ length: rows }, (_, i) => (i % 3 === 0 ? 'x' : 'y')),
    target: Array.from({ length: rows }, (_, i) => (i % 5 < 2 ? 'near' : 'far')),
  });
  const features: FeatureInput[] = [
    { column: 'constructor', kind: CATEGORY },
    { column: '__proto__', kind: CATEGORY },
  ];

  it(
    'is told online, in batch and in monitoring, and refused where the endpoint says so; columns may be ' +
      'named like members of objects',
    async () => {
      const { modelVersionId, endpointId, deploymentId } = await serve(table(300), features);
      const rows = [
        { constructor: 'Ulm', ['__proto__']: 'x' },
        { constructor: 'Bonn', ['__proto__']: 'z' },
        { constructor: null, ['__proto__']: 'y' },
        { constructor: '', ['__proto__']: 'X' },
      ];
      const answer = await ask(endpointId, rows);
      expect(answer.predictions.map(({ label }) => label).slice(0, 1)).toEqual(['near']);
      expect(answer.unknownCategories).toEqual([
        { row: 1, column: 'constructor', value: 'Bonn' },
        { row: 1, column: '__proto__', value: 'z' },
        { row: 3, column: '__proto__', value: 'X' },
      ]);
      expect(answer.unknownCategoryCount).toBe(3);
      const many = await ask(
        endpointId,
        Array.from({ length: 150 }, (_, i) => ({ constructor: `city ${i}`, ['__proto__']: 'x' })),
      );
      expect(many.unknownCategories).toHaveLength(100);
      expect(many.unknownCategoryCount).toBe(150);

      const batched = await dataset({
        constructor: rows.map((row) => row.constructor),
        ['__proto__']: rows.map((row) => row['__proto__']),
      });
      const result = await columnsOf(service, tess, await batchOf(tess, { modelVersionId, datasetId: batched }));
      expect(result['prediction_unknown_columns']).toEqual([null, 'constructor, __proto__', null, '__proto__']);
      expect(result['prediction_label']).toEqual(answer.predictions.map(({ label }) => label));

      for (let i = 0; i < 5; i++) await ask(endpointId, rowsOf(featuresOf(table(40))));
      await service.app.context.services.traffic.flush();
      const { runMonitoring } = await tess.ok(RunMonitoringDetailsDocument, { input: { deploymentId } });
      const { rows: compared, features: found } = runMonitoring.window!.drift!;
      expect(compared).toBe(354);
      expect(Object.fromEntries(found.map(({ feature, unknownCount }) => [feature, unknownCount]))).toEqual(
        Object.fromEntries([
          ['constructor', 151],
          ['__proto__', 2],
        ]),
      );

      const policy = async (unknownCategories: UnknownCategoryPolicy) =>
        tess.ok(UpdateEndpointUnknownCategoriesDocument, {
          input: { id: endpointId, unknownCategories },
        });
      expect(await policy('REFUSE')).toEqual({ updateEndpoint: { endpoint: { unknownCategories: 'REFUSE' } } });
      await expect
        .poll(
          async () =>
            (await tess.send(PredictForColumnMeaning2Document, { input: { endpointId, rows } })).errors?.[0]
              ?.extensions,
          {
            timeout: 5_000,
          },
        )
        .toMatchObject({ code: 'INVALID_TENSOR', field: 'rows[1].constructor', got: '"Bonn"' });
      expect((await ask(endpointId, [rows[0]!, rows[2]!])).unknownCategoryCount).toBe(0);
      await policy('ACCEPT');
      await expect
        .poll(async () => (await tess.send(PredictForColumnMeaning2Document, { input: { endpointId, rows } })).errors, {
          timeout: 5_000,
        })
        .toBeUndefined();
    },
  );
});

describe('long categories', () => {
  it('are different categories, and the traffic of the training shows no drift', async () => {
    const name = (i: number): string => `${'long name '.repeat(30)}${i}`;
    const rows = (count: number): Record<string, string[]> => ({
      c: Array.from({ length: count }, (_, i) => name(i % 6)),
      target: Array.from({ length: count }, (_, i) => (i % 6 < 3 ? 'a' : 'b')),
    });
    const { endpointId, deploymentId } = await serve(rows(300), [{ column: 'c', kind: CATEGORY }]);
    for (let i = 0; i < 4; i++) {
      const answer = await ask(endpointId, rowsOf(featuresOf(rows(60))));
      expect(answer.unknownCategoryCount).toBe(0);
      expect(answer.predictions.map(({ label }) => label)).toEqual(rows(60).target);
    }
    await service.app.context.services.traffic.flush();
    const { runMonitoring } = await tess.ok(RunMonitoringDetailsDocument, { input: { deploymentId } });
    expect(runMonitoring.window!.drift).toMatchObject({
      features: [{ feature: 'c', unknownCount: 0, drifted: false }],
    });
  });
});

/** Texts that a column may have, some of which every reader of a file could misread. */
const SPELLINGS: readonly (readonly string[])[] = [
  ['t', 'f'],
  ['T', 'F'],
  ['true', 'false'],
  ['True', 'False'],
  ['TRUE', 'FALSE'],
  ['TRUE', 'FALSE', 'NA'],
  ['yes', 'no'],
  ['Yes', 'yes', 'no'],
  ['YES', 'NO'],
  ['yes', 'no', 'unknown'],
  ['t', 'f', '?'],
  ['1', '2', '3'],
  ['1.0', '2.0', '3.0'],
  ['1.1', '1.10', '1.100'],
  ['1.50', '2.5', 'x'],
  ['1E5', '1e3', '2E5'],
  ['007', '7', '07'],
  ['9007199254740992', '9007199254740993', '9007199254740994'],
  ['12345678901234567890', '12345678901234567891'],
  ['2020-01-02', '2020-01-03', '2021-05-06'],
  ['01/02/2020', '02/01/2020'],
  ['2020-01-02', 'none'],
  ['12:30', '13:45'],
  ['null', 'NULL', 'value'],
  ['NaN', 'Infinity', '1'],
  [' a', 'a', 'a '],
  ['a,b', 'a;b', '"a"'],
  ['ä', 'a\u0308', 'Ä'],
];

const TARGETS: readonly (readonly string[])[] = [
  ['yes', 'no'],
  ['t', 'f'],
  ['True', 'False'],
  ['1.0', '2.0'],
  ['1e3', '5'],
  ['0', '1'],
  ['YES', 'no'],
];

/** A table of `rows` whose first column decides the target, nine times out of ten. */
function randomTable(
  random: SeededRandom,
  rows: number,
): { columns: Record<string, Cell[]>; classes: readonly string[] } {
  const classes = TARGETS[random.below(TARGETS.length)]!;
  const columns: Record<string, Cell[]> = {};
  for (let i = 0; i < 5; i++) {
    const spellings = SPELLINGS[random.below(SPELLINGS.length)]!;
    const hasMissing = i > 0 && random.below(2) === 0;
    columns[`c${i}`] = Array.from({ length: rows }, () =>
      hasMissing && random.below(8) === 0 ? null : spellings[random.below(spellings.length)]!,
    );
  }
  const first = [...new Set(columns['c0'])];
  columns['target'] = columns['c0']!.map(
    (value) => classes[(first.indexOf(value) + (random.below(10) === 0 ? 1 : 0)) % 2]!,
  );
  return { columns, classes };
}

describe('the same rows', () => {
  const seeds = [1, 2, 3, 4];
  it.each(seeds)(
    'get the same answer online and in batch inference, in the spelling of the file: seed %i',
    async (seed) => {
      const random = new SeededRandom(seed);
      const { columns, classes } = randomTable(random, 240);
      const features = Object.keys(featuresOf(columns)).map((column) => ({ column, kind: CATEGORY }));
      const { modelVersionId, endpointId, datasetId } = await serve(columns, features);
      const about = JSON.stringify(Object.entries(columns).map(([name, values]) => [name, [...new Set(values)]]));

      const online = await ask(endpointId, rowsOf(featuresOf(columns)));
      const batch = await columnsOf(service, tess, await batchOf(tess, { modelVersionId, datasetId }));
      expect(batch['prediction_label']!.map(String), about).toEqual(online.predictions.map(({ label }) => label));
      const probability = Object.keys(batch).find((name) => name.startsWith('prediction_probability_'))!;
      expect(batch[probability], about).toEqual(online.predictions.map(({ probabilities }) => probabilities[0]));
      const unknown = Map.groupBy(online.unknownCategories, ({ row }) => row);
      expect(batch['prediction_unknown_columns'], about).toEqual(
        online.predictions.map(
          (_, row) =>
            unknown
              .get(row)
              ?.map(({ column }) => column)
              .join(', ') ?? null,
        ),
      );
      // Categories are returned as the file spells them, and the model has learned them.
      const right = online.predictions.filter(({ label }, row) => label === columns['target']![row]).length;
      expect(right / 240, about).toBeGreaterThan(0.8);
      expect(new Set(online.predictions.map(({ label }) => label)), about).toEqual(new Set(classes));

      // A later file with other values gives its texts the same meaning.
      const kept = [...columns['c0']!.keys()].filter((row) => columns['c0']![row] === columns['c0']![0]).slice(0, 20);
      const later = Object.fromEntries(
        Object.entries(featuresOf(columns)).map(([name, values]) => [name, kept.map((row) => values[row]!)]),
      );
      const others = await columnsOf(
        service,
        tess,
        await batchOf(tess, { modelVersionId, datasetId: await dataset(later) }),
      );
      expect(others[probability], about).toEqual(kept.map((row) => online.predictions[row]!.probabilities[0]));
    },
  );
});

describe('a later file', () => {
  const sizes = Array.from({ length: 120 }, (_, i) => String(i % 40));
  const table = {
    size: sizes,
    member: sizes.map((size) => (Number(size) < 20 ? 'TRUE' : 'False')),
    plan: sizes.map((size) => (Number(size) % 3 === 0 ? 'unknown' : Number(size) < 20 ? 'yes' : 'no')),
    target: sizes.map((size) => (Number(size) < 20 ? '1.0' : '2.0')),
  };
  let serving: Promise<Served> | undefined;
  const served = () =>
    (serving ??= serve(table, [
      { column: 'size', kind: 'NUMERIC' },
      { column: 'member', kind: 'NUMERIC' },
      { column: 'plan', kind: CATEGORY },
    ]));

  const batch = async (columns: Record<string, readonly Cell[]>, status?: string) =>
    batchOf(tess, { modelVersionId: (await served()).modelVersionId, datasetId: await dataset(columns) }, status);

  it('with only booleans is read as the training read it', async () => {
    const rows = {
      size: ['1', '39', '', '2'],
      member: ['TRUE', 'False', 'TRUE', ''],
      plan: ['yes', 'no', 'no', 'yes'],
    };
    const result = await columnsOf(service, tess, await batch(rows));
    const online = await ask((await served()).endpointId, [
      { size: 1, member: true, plan: 'yes' },
      { size: 39, member: 0, plan: 'no' },
      { size: null, member: true, plan: 'no' },
      { size: 2, member: null, plan: 'yes' },
    ]);
    expect(result['prediction_label']).toEqual(online.predictions.map(({ label }) => label));
    expect(result['prediction_label']!.slice(0, 2)).toEqual(['1.0', '2.0']);
    expect(result['prediction_probability_1.0']).toEqual(
      online.predictions.map(({ probabilities }) => probabilities[0]),
    );
    expect(result['prediction_unknown_columns']).toEqual([null, null, null, null]);
  });

  it.each<[string, Record<string, readonly Cell[]>, RegExp]>([
    [
      'text for a number',
      { size: ['1', '2', 'x'], member: ['TRUE', 'False', 'False'], plan: ['yes', 'no', 'no'] },
      /size.*row 3.*x/s,
    ],
    [
      'a word for a truth value',
      { size: ['1', '2'], member: ['TRUE', 'maybe'], plan: ['yes', 'no'] },
      /member.*row 2.*maybe/s,
    ],
    [
      'other words for truth values only',
      { size: ['1'], member: ['perhaps'], plan: ['yes'] },
      /member.*row 1.*perhaps/s,
    ],
    [
      'dates for numbers',
      { size: ['2020-01-02', '2020-01-03'], member: ['TRUE', 'False'], plan: ['yes', 'no'] },
      /size.*row 1.*2020-01-02/s,
    ],
  ])('with %s is refused, naming column, row and value', async (_what, columns, message) => {
    const job = await batch(columns, 'FAILED');
    expect(job).toMatchObject({ errorCode: expect.stringMatching(/BAD_USER_INPUT|INVALID_TENSOR/) as unknown });
    expect(job.errorMessage).toMatch(message);
  });

  it('refuses text for a number online too', async () => {
    for (const [row, field] of [
      [{ size: '1', member: true, plan: 'yes' }, 'rows[0].size'],
      [{ size: 1, member: 'TRUE', plan: 'yes' }, 'rows[0].member'],
    ] as const)
      expect(
        (await tess.fails(PredictDetailsDocument, { input: { endpointId: (await served()).endpointId, rows: [row] } }))
          .extensions,
      ).toMatchObject({
        code: 'INVALID_TENSOR',
        field,
      });
  });
});

describe('every spelling', () => {
  it('of a category is one category in training, online and in batch inference', async () => {
    const rows = 180;
    const columns: Record<string, Cell[]> = Object.fromEntries(
      SPELLINGS.map((spellings, i) => [
        `c${i}`,
        Array.from({ length: rows }, (_, row) => spellings[(row + i) % spellings.length]!),
      ]),
    );
    columns['target'] = columns['c0']!.map((value) => (value === 't' ? 'T' : 'F'));
    const features = Object.keys(featuresOf(columns)).map((column) => ({ column, kind: CATEGORY }));
    const { modelVersionId, endpointId, datasetId } = await serve(columns, features);
    const answer = await ask(endpointId, rowsOf(featuresOf(columns)));
    expect(answer.unknownCategories).toEqual([]);
    expect(answer.predictions.map(({ label }) => label)).toEqual(columns['target']);
    const batch = await columnsOf(service, tess, await batchOf(tess, { modelVersionId, datasetId }));
    expect(batch['prediction_label']).toEqual(columns['target']);
    expect(batch['prediction_unknown_columns']).toEqual(Array.from({ length: rows }, () => null));
    const { modelVersion } = await tess.ok(ModelVersionClassesNameCategoriesDocument, {
      id: modelVersionId,
    });
    expect(modelVersion.signature!.classes).toEqual(['F', 'T']);
    // Only the words with which the file means "no value" are not categories.
    const missing = new Set(['NA', '?', 'NaN']);
    for (const [i, { columns: filled }] of modelVersion.signature!.inputs.entries())
      expect(new Set(filled![0]!.categories!), JSON.stringify(SPELLINGS[i])).toEqual(
        new Set(SPELLINGS[i]!.filter((text) => !missing.has(text) || filled![0]!.categories!.includes(text))),
      );
  });
});
