import { afterAll, beforeAll, expect, it } from 'vitest';
import { StartTrainingDocument } from '../../schema/generated/operations.js';
import { Role } from '../../src/modules/core/index.js';
import { AlgorithmsDocument, type AlgorithmsQuery } from '../generated/operations.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import {
  CARS_CONFIG,
  createExperiment,
  registerDataset,
  startTraining,
  trainingEnd,
  vegaPath,
} from '../support/training.js';

type Description = AlgorithmsQuery['algorithms'][number];
type Parameter = Description['parameters'][number];

let service: TestService;
let tess: Caller;
let algorithms: Description[];
let ids: { experimentId: string; datasetId: string };
beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  ({ algorithms } = await (await service.as({ role: Role.VIEWER })).ok(AlgorithmsDocument, {}));
  ids = {
    experimentId: await createExperiment(tess),
    datasetId: await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') }),
  };
});
afterAll(() => service?.close());

const { hyperparameters: _network, ...CARS } = CARS_CONFIG;

/** A configuration of the algorithm on the cars, as a form would make it. */
function configOf({ name, task }: Pick<Description, 'name' | 'task'>, hyperparameters: Record<string, unknown>) {
  const target = {
    CLASSIFICATION: { column: 'Cylinders' },
    REGRESSION: CARS.target,
    CLUSTERING: null,
    TEXT_GENERATION: null,
    OTHER: null,
  }[task];
  return { ...CARS, algorithm: name, target, hyperparameters };
}

/** What a form puts into a field: the default, or the smallest value that is allowed. */
function fieldOf({ type, default: byDefault, range, choices }: Parameter): unknown {
  if (byDefault !== null) return byDefault;
  if (type === 'CATEGORICAL') return choices![0]!.value;
  if (type === 'BOOLEAN') return false;
  const smallest = range?.min ?? (range?.above ?? 0) + 0.5;
  return type === 'INTEGER_LIST' ? [] : smallest;
}

it('tells each algorithm with all that a form needs', () => {
  expect(algorithms.length).toBeGreaterThanOrEqual(7);
  for (const { name, description, parameters, featureKinds, backends, outputFormat } of algorithms) {
    expect(description, name).toMatch(/\.$/);
    expect(featureKinds).toContain('NUMERIC');
    expect(backends.length).toBeGreaterThan(0);
    expect(outputFormat).toBe('ONNX');
    for (const parameter of parameters) {
      const place = `${name}.${parameter.name}`;
      expect(parameter.description, place).toMatch(/\.$|"$/);
      expect(parameter.default !== null || parameter.whenAbsent !== null, place).toBe(true);
      if (parameter.type === 'CATEGORICAL') expect(parameter.choices!.length, place).toBeGreaterThan(0);
      else if (parameter.type !== 'BOOLEAN') expect(parameter.range, place).not.toBeNull();
    }
  }
  const trees = algorithms.find(({ name }) => name === 'BOOSTED_TREES_CLASSIFIER')!;
  expect(trees.parameters.find(({ name }) => name === 'maxLeaves')).toEqual({
    ...{ name: 'maxLeaves', description: 'Maximum number of leaves of a tree.', type: 'INTEGER' },
    range: { min: 2, above: null, max: 4096, below: null, unit: 'leaves' },
    ...{ itemRange: null, choices: null, default: 31, whenAbsent: null, when: null },
    search: { type: 'INTEGER', low: 7, high: 255, log: true, step: null, choices: null },
  });
});

it('accepts a form that has every field filled, and refuses each parameter of the others by its name', async () => {
  for (const { name, task, parameters, backends } of algorithms) {
    // The algorithms of Python, which also run on Ray, need an installation: test/engines has them.
    if (backends.includes('RAY')) continue;
    const fields: Record<string, unknown> = {};
    for (const parameter of parameters) {
      const { when } = parameter;
      if (!when || when.oneOf.includes(fields[when.parameter])) fields[parameter.name] = fieldOf(parameter);
    }
    if ('epochs' in fields) fields['epochs'] = 1;
    const { jobId } = await startTraining(tess, { ...ids, config: configOf({ name, task }, fields) });
    const { result } = await trainingEnd(tess, jobId);
    expect(result!.epochsRun, name).toBe(1);
    const others = algorithms.flatMap((other) => other.parameters);
    const foreign = others.find((other) => parameters.every((own) => own.name !== other.name))!;
    const config = configOf({ name, task }, { [foreign.name]: fieldOf(foreign) });
    const { extensions } = await tess.fails(StartTrainingDocument, { input: { ...ids, config } });
    expect(extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: `input.config.hyperparameters.${foreign.name}`,
      expected: `nothing, as ${name} has only these parameters: ${parameters.map((own) => own.name).join(', ')}`,
    });
  }
});

it('takes only an object of parameters', async () => {
  const algorithm = { name: 'LINEAR_REGRESSION', task: 'REGRESSION' } as const;
  for (const wrong of [[1], 'epochs', 3]) {
    const config = Object.assign(configOf(algorithm, {}), { hyperparameters: wrong });
    const { extensions } = await tess.fails(StartTrainingDocument, { input: { ...ids, config } });
    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.config.hyperparameters' });
  }
});
