// One file because its tests share one running service and trained members.
import { once } from 'node:events';
import { createServer, request as send, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  CreateEnsembleDocument,
  type CreateEnsembleInput,
  EnsembleDocument,
} from '../../schema/generated/operations.js';
import {
  DeleteModelVersionDetailsDocument,
  DeployFanOutDocument,
  type DeployModelVersionInput,
  DeploymentDetailsDocument,
  EnsembleDetailsDocument,
  FanOutsAtEndpointDocument,
  PredictByMembersDocument,
  StartCanaryDetailsDocument,
  type StartCanaryInput,
  type TrainingConfigInput,
  UndeployDetailsDocument,
} from '../generated/operations.js';
import { deployedOn } from '../../src/modules/serving/stores/deployments.js';
import { createModel, jobEnd, register, trainOn, TUMOUR_CONFIG } from '../support/registry.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createEndpoint, deploy, predict, untilReady } from '../support/serving.js';
import { CARS_CONFIG, fixtureBytes, registerDataset, vegaPath } from '../support/training.js';

/**
 * A server of the Open Inference Protocol that speaks for this service itself, with real models behind it: the endpoint
 * of a member has the name of its model. `fault` answers the inferences instead.
 */
const server = createServer((request, response) => {
  const isInference = request.url!.endsWith('/infer');
  if (isInference && fault) return fault(request, response);
  const { hostname, port } = new URL(service.url);
  const headers = { ...request.headers, host: `${hostname}:${port}`, authorization: `Bearer ${tess.token}` };
  const onward = send({ hostname, port, path: request.url, method: request.method, headers }, (answer) => {
    response.writeHead(answer.statusCode!, answer.headers);
    answer.pipe(response);
  });
  request.pipe(onward);
});
type Fault = (request: IncomingMessage, response: ServerResponse) => unknown;
let fault: Fault | null = null;

let service: TestService;
let tess: Caller;
/** Of classifiers: the second has other inputs than the others. */
let members: string[];
let firstRunId: string;
let carMembers: string[];
/** Their endpoints, on ONNX. */
let own: string[];

const TREES: Partial<TrainingConfigInput> = {
  algorithm: 'BOOSTED_TREES_CLASSIFIER',
  hyperparameters: { epochs: 20, maxLeaves: 7 },
};
const NETWORK: Partial<TrainingConfigInput> = {
  algorithm: 'MLP_CLASSIFIER',
  features: ['radius', 'texture', 'symmetry'].map((column) => ({ column, kind: 'NUMERIC' })),
  hyperparameters: { epochs: 20, hiddenLayers: [8] },
};
const EVERY = ['radius', 'texture', 'smoothness', 'concavity', 'symmetry'];
const COLUMNS = [EVERY, ['radius', 'texture', 'symmetry'], EVERY];
const ROWS: Record<string, number | null>[] = [
  { radius: 17.99, texture: 10.38, smoothness: 0.1184, concavity: 0.3001, symmetry: 0.2419 },
  { radius: 12.1, texture: 18.2, smoothness: 0.09, concavity: 0.03, symmetry: 0.17 },
  { radius: 14.6, texture: 14.9, smoothness: 0.1, concavity: 0.08, symmetry: null },
];
const WEIGHTS = [0.5, 0.3, 0.2];
/** Far below the deadline of a request, which is five seconds, and enough for a busy machine. */
const MEMBER_DEADLINE_MS = 1_500;

async function versionOf(datasetId: string, config: TrainingConfigInput, task: 'CLASSIFICATION' | 'REGRESSION') {
  const { runId } = await trainOn(tess, datasetId, config);
  const name = `member-${config.algorithm.toLowerCase().replaceAll('_', '-')}`;
  const modelId = await createModel(tess, { name, task, modelType: config.algorithm });
  const { id } = await register(tess, { modelId, runId });
  const endpoint = await createEndpoint(tess, { modelId, name });
  const input = { endpointId: endpoint.id, modelVersionId: id, mode: 'LIVE', waitMs: 20_000 } as const;
  expect((await tess.ok(DeployFanOutDocument, { input })).deployModelVersion.serves).toBe(true);
  return { id, runId, endpointId: endpoint.id };
}

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  service = await startTestService({ V2_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  tess = await service.as();
  const { uploadId } = await tess.upload('tumours.csv', fixtureBytes('breast-cancer.csv'));
  const tumours = await registerDataset(tess, { name: 'tumours', uploadId });
  const made = [
    await versionOf(tumours, TUMOUR_CONFIG, 'CLASSIFICATION'),
    await versionOf(tumours, { ...TUMOUR_CONFIG, ...NETWORK }, 'CLASSIFICATION'),
    await versionOf(tumours, { ...TUMOUR_CONFIG, ...TREES }, 'CLASSIFICATION'),
  ];
  members = made.map(({ id }) => id);
  firstRunId = made[0]!.runId;
  own = made.map(({ endpointId }) => endpointId);
  const cars = await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
  const linear: TrainingConfigInput = { ...CARS_CONFIG, algorithm: 'LINEAR_REGRESSION', hyperparameters: {} };
  carMembers = [
    (await versionOf(cars, CARS_CONFIG, 'REGRESSION')).id,
    (await versionOf(cars, linear, 'REGRESSION')).id,
  ];
}, 120_000);
afterEach(() => {
  fault = null;
  server.closeAllConnections();
});
afterAll(async () => {
  await service?.close();
  server.closeAllConnections();
  server.close();
});

type Made = Partial<CreateEnsembleInput> & Pick<CreateEnsembleInput, 'method'>;

/** A version of an own model that combines `members`, or those given. */
async function make(input: Made, task: 'CLASSIFICATION' | 'REGRESSION' = 'CLASSIFICATION') {
  const modelId = input.modelId ?? (await createModel(tess, { task }));
  const all = members.map((modelVersionId) => ({ modelVersionId }));
  const { createEnsemble } = await tess.ok(CreateEnsembleDocument, { input: { modelId, members: all, ...input } });
  const { result } = await jobEnd(tess, createEnsemble.job.id);
  const id = String(result!['modelVersionId']);
  await expect
    .poll(async () => (await tess.ok(EnsembleDetailsDocument, { id })).modelVersion.status, { timeout: 10_000 })
    .toBe('READY');
  return { modelId, id };
}

const weighted = () =>
  make({
    method: 'SOFT_VOTING',
    members: members.map((modelVersionId, i) => ({ modelVersionId, weight: WEIGHTS[i]! })),
  });

type FanOut = NonNullable<DeployModelVersionInput['fanOut']>;

/** A new endpoint that asks the members of the ensemble. */
async function fanOut({ modelId, id }: { modelId: string; id: string }, how: FanOut | null = null) {
  const { id: endpointId } = await createEndpoint(tess, { modelId });
  const { deployModelVersion } = await tess.ok(DeployFanOutDocument, {
    input: { endpointId, modelVersionId: id, mode: 'LIVE', runtime: 'FAN_OUT', fanOut: how, waitMs: 20_000 },
  });
  const { deployment } = deployModelVersion;
  expect(deployment).toMatchObject({ status: 'READY', error: null });
  return { endpointId, deployment };
}

const ask = async (endpointId: string, rows: object[] = ROWS) =>
  (await tess.ok(PredictByMembersDocument, { input: { endpointId, rows } })).predict;
type Answer = Awaited<ReturnType<typeof ask>>;

const numbers = ({ outputs }: Pick<Answer, 'outputs'>, name: string): number[] =>
  outputs.find((output) => output.name === name)!.data as number[];
const outcomes = ({ members: all }: Answer) => all.map(({ answered }) => answered);

/** The probabilities of the members, each asked by itself. */
async function answersApart(): Promise<number[][]> {
  return Promise.all(
    own.map(async (endpointId, i) => {
      const rows = ROWS.map((row) => Object.fromEntries(COLUMNS[i]!.map((name) => [name, row[name]])));
      return numbers(await predict(tess, { endpointId, rows }), 'probabilities');
    }),
  );
}

function expectClose(found: readonly number[], expected: readonly number[]): void {
  expect(found).toHaveLength(expected.length);
  for (const [i, value] of expected.entries())
    expect(Math.abs(found[i]! - value)).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(value)));
}

describe('an ensemble whose members are asked one by one', () => {
  const methods: Record<string, Made> = {
    SOFT_VOTING: { method: 'SOFT_VOTING' },
    HARD_VOTING: { method: 'HARD_VOTING' },
    'SOFT_VOTING with learnt weights': { method: 'SOFT_VOTING', learnWeights: true },
    BLENDING: { method: 'BLENDING' },
    STACKING: { method: 'STACKING' },
  };
  it.each(Object.keys(methods))('answers as the compiled one does: %s', async (what) => {
    const made = await make(methods[what]!);
    const { endpointId } = await fanOut(made, { memberRuntimes: ['ONNX', 'V2', 'ONNX'] });
    const { id: compiledAt } = await createEndpoint(tess, { modelId: made.modelId });
    await deploy(tess, { endpointId: compiledAt, modelVersionId: made.id });
    const [apart, compiled] = [await ask(endpointId), await ask(compiledAt)];
    expectClose(numbers(apart, 'probabilities'), numbers(compiled, 'probabilities'));
    const shapes = ({ outputs }: Answer) => outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape }));
    expect(shapes(apart)).toEqual(shapes(compiled));
    expect(apart.outputs.find(({ name }) => name === 'label')).toEqual(
      compiled.outputs.find(({ name }) => name === 'label'),
    );
    expect(outcomes(apart)).toEqual([true, true, true]);
    expect(apart.members.map(({ runtime }) => runtime)).toEqual(['ONNX', 'V2', 'ONNX']);
    expect(compiled.members).toEqual([]);
    const { modelVersion } = await tess.ok(EnsembleDocument, { modelVersionId: made.id });
    expectClose(
      apart.members.map(({ weight }) => weight ?? -1),
      modelVersion.ensemble!.members.map(({ weight }) => weight ?? -1),
    );
  });

  it.each(['SOFT_VOTING', 'BLENDING', 'STACKING'] as const)('does so for a regression: %s', async (method) => {
    const given = carMembers.map((modelVersionId) => ({ modelVersionId }));
    const made = await make({ method, members: given }, 'REGRESSION');
    const { endpointId } = await fanOut(made);
    const { id: compiledAt } = await createEndpoint(tess, { modelId: made.modelId });
    await deploy(tess, { endpointId: compiledAt, modelVersionId: made.id });
    const rows = [
      { Horsepower: 130, Weight_in_lbs: 3504, Origin: 'USA', Year: '1970-01-01' },
      { Horsepower: 70, Weight_in_lbs: 2130, Origin: 'Japan', Year: '1980-01-01' },
    ];
    const [apart, compiled] = [await ask(endpointId, rows), await ask(compiledAt, rows)];
    expectClose(numbers(apart, 'prediction'), numbers(compiled, 'prediction'));
    expect(apart.outputs.map(({ datatype, shape }) => ({ datatype, shape }))).toEqual(
      compiled.outputs.map(({ datatype, shape }) => ({ datatype, shape })),
    );
  });

  it('is deployed, shown, counted and compared as a shadow as any version', async () => {
    const made = await make({ method: 'SOFT_VOTING' });
    const { id: endpointId } = await createEndpoint(tess, { modelId: made.modelId });
    await deploy(tess, { endpointId, modelVersionId: made.id });
    const { deployModelVersion } = await tess.ok(DeployFanOutDocument, {
      input: { endpointId, modelVersionId: made.id, mode: 'SHADOW', runtime: 'FAN_OUT', warmUpRows: ROWS },
    });
    const { id, fanOut: how } = deployModelVersion.deployment;
    expect(how).toMatchObject({ onMemberFailure: 'FAIL', neededMembers: 3, memberDeadlineMs: null });
    expect(how!.members.map(({ name, runtime }) => [name, runtime])).toEqual([
      ['member-logistic-regression v1', 'ONNX'],
      ['member-mlp-classifier v1', 'ONNX'],
      ['member-boosted-trees-classifier v1', 'ONNX'],
    ]);
    await untilReady(tess, id);
    for (let i = 0; i < 5; i++) await ask(endpointId);
    await expect
      .poll(() => countersOf(id))
      .toMatchObject({ requests: 5, errors: 0, comparedRows: 15, disagreements: 0 });
  });
});

describe('a member that', () => {
  const RUNTIMES: FanOut['memberRuntimes'] = ['ONNX', 'V2', 'ONNX'];
  const probabilities = (shape: number[], data: unknown[]) => ({
    name: 'probabilities',
    datatype: 'FP32',
    shape,
    data,
  });
  const labels = { name: 'label', datatype: 'INT64', shape: [3], data: [0, 0, 0] };
  const says =
    (...outputs: object[]): Fault =>
    (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ outputs }));
    };
  const faults: Record<string, [Fault, RegExp]> = {
    hangs: [() => undefined, new RegExp(`within ${MEMBER_DEADLINE_MS} ms`)],
    dies: [(request) => request.destroy(), /does not answer|broke off/],
    'answers NaN': [says(labels, probabilities([3, 2], [null, 1, 0.5, 0.5, 0.5, 0.5])), /NaN/],
    'lies about its shape': [says(labels, probabilities([3, 3], new Array(9).fill(1 / 3))), /\[3, 3\] for 3 rows/],
    'answers fewer rows': [says(labels, probabilities([1, 2], [0.5, 0.5])), /\[1, 2\] for 3 rows/],
    'answers no probabilities': [says(labels, probabilities([3, 2], [3, 4, 3, 4, 3, 4])), /add up to 1/],
    fails: [(_, response) => response.writeHead(500).end('{"error": "it broke"}'), /it broke/],
  };

  it.each(Object.keys(faults))('%s is left out, and the others get its weight', async (what) => {
    const [fails, reason] = faults[what]!;
    const how = {
      onMemberFailure: 'REWEIGHT',
      memberDeadlineMs: MEMBER_DEADLINE_MS,
      memberRuntimes: RUNTIMES,
    } as const;
    const { endpointId } = await fanOut(await weighted(), how);
    expect(outcomes(await ask(endpointId))).toEqual([true, true, true]);
    const apart = await answersApart();
    fault = fails;
    const answer = await ask(endpointId);
    expect(outcomes(answer)).toEqual([true, false, true]);
    expect(answer.members[1]).toMatchObject({
      ...{ name: 'member-mlp-classifier v1', runtime: 'V2', weight: null },
      error: expect.stringMatching(reason),
    });
    // A slow member holds nobody longer than its own deadline.
    expect(answer.latencyMs).toBeLessThan(3 * MEMBER_DEADLINE_MS);
    const [first, , third] = answer.members.map(({ weight }) => weight!);
    expectClose([first!, third!], [0.5 / 0.7, 0.2 / 0.7]);
    const expected = apart[0]!.map((value, i) => (0.5 * value + 0.2 * apart[2]![i]!) / 0.7);
    expectClose(numbers(answer, 'probabilities'), expected);
    fault = null;
    expect(outcomes(await ask(endpointId))).toEqual([true, true, true]);
  });

  it('fails ends the request with FAIL, and when fewer than the minimum are left', async () => {
    const made = await weighted();
    const all = await fanOut(made, { memberDeadlineMs: MEMBER_DEADLINE_MS, memberRuntimes: RUNTIMES });
    const minimum = { onMemberFailure: 'MINIMUM_MEMBERS', memberDeadlineMs: MEMBER_DEADLINE_MS } as const;
    const two = await fanOut(made, { ...minimum, minimumMembers: 2, memberRuntimes: RUNTIMES });
    const strict = await fanOut(made, { ...minimum, minimumMembers: 2, memberRuntimes: ['V2', 'ONNX', 'V2'] });
    const blended = await fanOut(await make({ method: 'BLENDING' }), { memberRuntimes: RUNTIMES });
    for (const { endpointId } of [all, two, strict, blended])
      expect(outcomes(await ask(endpointId))).toEqual([true, true, true]);
    const refused = async (endpointId: string) => {
      const { message, extensions } = await tess.fails(PredictByMembersDocument, { input: { endpointId, rows: ROWS } });
      return { message, code: extensions.code };
    };
    fault = faults['answers NaN']![0];
    expect(await refused(all.endpointId)).toEqual({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/needs 3 of its 3 members, and 1 failed.*member-mlp-classifier v1: .*NaN/),
    });
    expect(await refused(blended.endpointId)).toMatchObject({ code: 'UNAVAILABLE' });
    expect(await refused(strict.endpointId)).toEqual({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/needs 2 of its 3 members, and 2 failed/),
    });
    expect(outcomes(await ask(two.endpointId))).toEqual([true, false, true]);
    fault = faults['hangs']![0];
    expect(await refused(all.endpointId)).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    // Other deployments, also of the same member elsewhere, are not touched.
    expect(
      await predict(tess, { endpointId: own[1]!, rows: [{ radius: 12, texture: 18, symmetry: 0.2 }] }),
    ).toBeTruthy();
    expect((await countersOf(all.deployment.id)).errors).toBe(2);
    expect((await countersOf(two.deployment.id)).errors).toBe(0);
  });

  it('fails is counted in the metrics of the process, each member for itself', async () => {
    const { endpointId } = await fanOut(await weighted(), { onMemberFailure: 'REWEIGHT', memberRuntimes: RUNTIMES });
    const before = await countedMembers();
    await ask(endpointId);
    fault = faults['answers NaN']![0];
    await ask(endpointId);
    const after = await countedMembers();
    const added = (i: number, code: string) => {
      const key = `version="${members[i]!}",code="${code}"`;
      return (after.get(key) ?? 0) - (before.get(key) ?? 0);
    };
    expect([added(0, 'OK'), added(1, 'OK'), added(1, 'UNAVAILABLE'), added(2, 'OK')]).toEqual([2, 1, 1, 2]);
  });
});

async function countersOf(id: string) {
  await service.app.context.services.traffic.flush();
  return (await tess.ok(DeploymentDetailsDocument, { id })).deployment.traffic;
}

async function countedMembers(): Promise<Map<string, number>> {
  const text = await (await fetch(`${service.url}/metrics`)).text();
  const lines = text.matchAll(/^matih_ensemble_member_answers_total\{(.*)\} (\d+)/gm);
  return new Map([...lines].map(([, labels, count]) => [labels!, Number(count)]));
}

describe('a deployment on FAN_OUT', () => {
  const refusal = async (input: DeployModelVersionInput) => {
    const { message, extensions } = await tess.fails(DeployFanOutDocument, { input });
    return { message, code: extensions.code, field: extensions.field };
  };

  it('is refused with one sentence for what does not fit', async () => {
    const made = await make({ method: 'SOFT_VOTING' });
    const { id: endpointId } = await createEndpoint(tess, { modelId: made.modelId });
    const input = { endpointId, modelVersionId: made.id, mode: 'LIVE', runtime: 'FAN_OUT' } as const;
    const wrong: [FanOut, string][] = [
      [{ memberRuntimes: ['ONNX', 'V2'] }, 'input.fanOut.memberRuntimes'],
      [{ memberRuntimes: ['ONNX', 'FAN_OUT', 'ONNX'] }, 'input.fanOut.memberRuntimes[1]'],
      [{ minimumMembers: 2 }, 'input.fanOut.minimumMembers'],
      [{ onMemberFailure: 'MINIMUM_MEMBERS' }, 'input.fanOut.minimumMembers'],
      [{ onMemberFailure: 'MINIMUM_MEMBERS', minimumMembers: 4 }, 'input.fanOut.minimumMembers'],
    ];
    for (const [how, field] of wrong)
      expect(await refusal({ ...input, fanOut: how })).toMatchObject({ code: 'BAD_USER_INPUT', field });
    expect(await refusal({ ...input, fanOut: { memberRuntimes: ['ONNX', 'ONNX', 'TRITON'] } })).toEqual({
      code: 'UNAVAILABLE',
      field: 'input.fanOut.memberRuntimes[2]',
      message: expect.stringContaining('TRITON_URL'),
    });
    expect(await refusal({ ...input, fanOut: { memberRuntimes: ['ONNX', 'VLLM', 'ONNX'] } })).toMatchObject({
      code: 'CONFLICT',
      field: 'input.fanOut.memberRuntimes[1]',
    });
    expect(await refusal({ ...input, runtime: 'ONNX', fanOut: {} })).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.fanOut',
    });
    const blended = await make({ method: 'BLENDING' });
    const { id: other } = await createEndpoint(tess, { modelId: blended.modelId });
    const reweighted = {
      endpointId: other,
      modelVersionId: blended.id,
      fanOut: { onMemberFailure: 'REWEIGHT' },
    } as const;
    expect(await refusal({ ...input, ...reweighted })).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.fanOut.onMemberFailure',
      message: expect.stringContaining('meta-learner'),
    });
    expect(await refusal({ ...input, endpointId: own[0]!, modelVersionId: members[0]! })).toEqual({
      code: 'CONFLICT',
      field: 'input.runtime',
      message: expect.stringContaining('Only an ensemble'),
    });
  });

  it('gives its canary, and the control of that, the same runtimes and policy', async () => {
    const made = await make({ method: 'SOFT_VOTING' });
    const other = await make({ method: 'HARD_VOTING', modelId: made.modelId });
    const how = { onMemberFailure: 'MINIMUM_MEMBERS', memberDeadlineMs: MEMBER_DEADLINE_MS } as const;
    const memberRuntimes = ['ONNX', 'V2', 'ONNX'] as const;
    const { endpointId } = await fanOut(made, { ...how, minimumMembers: 2, memberRuntimes: [...memberRuntimes] });
    const steps = [{ weightBps: 1_000, bakeSeconds: 600 }];
    const guards: StartCanaryInput['guards'] = [{ kind: 'ERROR_RATE', maxIncrease: 0.1 }];
    await tess.ok(StartCanaryDetailsDocument, { input: { endpointId, modelVersionId: other.id, steps, guards } });
    const { deployments } = await tess.ok(FanOutsAtEndpointDocument, { endpointId });
    const expected = { ...how, neededMembers: 2, members: memberRuntimes.map((runtime) => ({ runtime })) };
    for (const [id, isControl] of [
      [made.id, false],
      [made.id, true],
      [other.id, false],
    ] as const)
      expect(deployments.nodes).toContainEqual({
        isControl,
        runtime: 'FAN_OUT',
        modelVersion: { id },
        fanOut: expected,
      });
  });

  it('keeps its members: they stay registered, and their servers keep them', async () => {
    // A member that is deployed nowhere else.
    const name = 'member-alone';
    const modelId = await createModel(tess, { name, task: 'CLASSIFICATION' });
    const { id: copy } = await register(tess, { modelId, runId: firstRunId });
    const given = [copy, members[2]!].map((modelVersionId) => ({ modelVersionId }));
    const timesOnV2 = async (id: string) => {
      const onV2 = await service.app.context.db.asSystem((em) => deployedOn(em, 'V2'));
      return onV2.filter(({ versionId, status }) => versionId === id && status === 'READY').length;
    };
    const before = await timesOnV2(members[2]!);
    const { deployment } = await fanOut(await make({ method: 'SOFT_VOTING', members: given }), {
      memberRuntimes: ['ONNX', 'V2'],
    });
    expect(await timesOnV2(members[2]!)).toBe(before + 1);
    const remove = { input: { id: copy } };
    const { message, extensions } = await tess.fails(DeleteModelVersionDetailsDocument, remove);
    expect([extensions.code, message]).toEqual(['CONFLICT', expect.stringContaining('asked by a deployed ensemble')]);
    await tess.ok(UndeployDetailsDocument, { input: { deploymentId: deployment.id } });
    expect(await timesOnV2(members[2]!)).toBe(before);
    await tess.ok(DeleteModelVersionDetailsDocument, remove);
  });
});
