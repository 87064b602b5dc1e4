import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MlflowCaller, type MlflowRun } from '../support/mlflow.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
let tess: MlflowCaller;

beforeAll(async () => {
  service = await startTestService();
  tess = await MlflowCaller.of(service);
});
afterAll(() => service?.close());

interface ExperimentShape {
  experiment_id: string;
  name: string;
  lifecycle_stage: string;
  artifact_location: string;
  tags?: { key: string; value: string }[];
}

const experiment = async (id: string) =>
  (await tess.get<{ experiment: ExperimentShape }>('experiments/get', { experiment_id: id })).experiment;

describe('experiments of the MLflow protocol', () => {
  it('begin with the default experiment of each tenant', async () => {
    expect(await experiment('0')).toMatchObject({
      name: 'Default',
      lifecycle_stage: 'active',
      artifact_location: 'mlflow-artifacts:/0',
    });
    const other = await MlflowCaller.of(service, { tenant: 'globex' });
    await other.post('experiments/set-experiment-tag', { experiment_id: '0', key: 'mine', value: '1' });
    expect((await experiment('0')).tags).toBeUndefined();
  });

  it('keep the query of their artifact location at the end, and have no relative one', async () => {
    const location = 's3://bucket/path/?region=eu&a=/b';
    const { experiment_id: id } = await tess.post<{ experiment_id: string }>('experiments/create', {
      name: 'elsewhere',
      artifact_location: location,
    });
    expect((await experiment(id)).artifact_location).toBe(location);
    const { run } = await tess.post<{ run: MlflowRun }>('runs/create', { experiment_id: id, start_time: 1 });
    expect(run.info.artifact_uri).toBe(`s3://bucket/path/${run.info.run_id}/artifacts?region=eu&a=/b`);
    for (const good of ['/mnt/x', 'C:\\x', 'file:///x', 'dbfs:/x', 'gs://b', 'hdfs://h:1/x']) {
      await tess.post('experiments/create', {
        name: `at ${good.replaceAll(/[^a-z]/gi, '-')}`,
        artifact_location: good,
      });
    }
    for (const relative of ['x', './x', '../x', 'x/y', 'file:x', 'C:x', '?x']) {
      const refused = await tess.fails('POST', 'experiments/create', { name: 'relative', artifact_location: relative });
      expect(refused).toMatchObject({
        error_code: 'INVALID_PARAMETER_VALUE',
        message: expect.stringContaining('absolute path'),
      });
    }
  });

  it('are created, found by name, renamed, tagged, deleted and restored with their runs', async () => {
    const { experiment_id: id } = await tess.post<{ experiment_id: string }>('experiments/create', {
      name: 'churn',
      tags: [{ key: 'team', value: 'growth' }],
    });
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    const named = await tess.get<{ experiment: ExperimentShape }>('experiments/get-by-name', {
      experiment_name: 'churn',
    });
    expect(named.experiment).toMatchObject({
      experiment_id: id,
      artifact_location: `mlflow-artifacts:/${id}`,
      tags: [{ key: 'team', value: 'growth' }],
    });
    await tess.post('experiments/update', { experiment_id: id, new_name: 'churn 2' });
    await tess.post('experiments/set-experiment-tag', { experiment_id: id, key: 'k', value: 'v' });
    await tess.post('experiments/delete-experiment-tag', { experiment_id: id, key: 'team' });
    expect(await experiment(id)).toMatchObject({ name: 'churn 2', tags: [{ key: 'k', value: 'v' }] });

    const runId = await tess.newRun({ experiment_id: id });
    await tess.post('experiments/delete', { experiment_id: id });
    expect((await experiment(id)).lifecycle_stage).toBe('deleted');
    expect((await tess.run(runId)).info.lifecycle_stage).toBe('deleted');
    expect(await tess.fails('POST', 'experiments/delete', { experiment_id: id })).toMatchObject({
      status: 404,
      error_code: 'RESOURCE_DOES_NOT_EXIST',
    });
    expect(await tess.fails('POST', 'runs/create', { experiment_id: id })).toMatchObject({
      error_code: 'INVALID_PARAMETER_VALUE',
      message: `The experiment ${id} must be in the 'active' state. Current state is deleted.`,
    });
    await tess.post('experiments/restore', { experiment_id: id });
    expect((await tess.run(runId)).info.lifecycle_stage).toBe('active');
    expect(await tess.fails('POST', 'experiments/restore', { experiment_id: id })).toMatchObject({ status: 404 });
  });

  it('have unique names', async () => {
    expect(await tess.fails('POST', 'experiments/create', { name: 'Default' })).toMatchObject({
      status: 400,
      error_code: 'RESOURCE_ALREADY_EXISTS',
      message: expect.stringContaining('Experiment(name=Default) already exists.'),
    });
    expect(await tess.fails('GET', 'experiments/get-by-name', { experiment_name: 'nobody' })).toMatchObject({
      status: 404,
      message: "Could not find experiment with name 'nobody'",
    });
  });
});

describe('requests at the same time', () => {
  it('create one experiment of a name, and one default experiment', async () => {
    const team = await MlflowCaller.of(service, { tenant: 'racers' });
    const made = await Promise.all(
      Array.from({ length: 8 }, () =>
        team.send<{ error_code?: string }>('POST', 'experiments/create', { body: { name: 'same' } }),
      ),
    );
    expect(made.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const { status, body } of made.filter((one) => one.status !== 200)) {
      expect([status, body.error_code]).toEqual([400, 'RESOURCE_ALREADY_EXISTS']);
    }
    const { experiments } = await team.post<{ experiments: ExperimentShape[] }>('experiments/search', {
      max_results: 10,
    });
    expect(experiments.map(({ name }) => name).sort()).toEqual(['Default', 'same']);
  });

  it('log to one run, and nothing is lost', async () => {
    const runId = await tess.newRun();
    await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        tess.post('runs/log-batch', {
          run_id: runId,
          metrics: [{ key: 'm', value: i, timestamp: i, step: i }],
          params: [{ key: `p${i % 3}`, value: 'same' }],
          tags: [{ key: `t${i % 2}`, value: String(i) }],
        }),
      ),
    );
    const { data } = await tess.run(runId);
    expect(data.metrics).toEqual([{ key: 'm', value: 11, timestamp: 11, step: 11 }]);
    expect([data.params?.length, data.tags?.length]).toEqual([3, 3]);
  });
});

describe('runs of the MLflow protocol', () => {
  it('store what a client says about them', async () => {
    const { run } = await tess.post<{ run: MlflowRun }>('runs/create', {
      experiment_id: '0',
      start_time: 1_700_000_000_123,
      run_name: 'first',
      user_id: 'ann',
      tags: [
        { key: 'mlflow.user', value: 'ann' },
        { key: 'mlflow.source.name', value: 'train.py' },
      ],
    });
    const { info } = run;
    expect(info).toEqual({
      run_uuid: info.run_id,
      run_id: info.run_id,
      experiment_id: '0',
      run_name: 'first',
      user_id: 'ann',
      status: 'RUNNING',
      start_time: 1_700_000_000_123,
      artifact_uri: `mlflow-artifacts:/0/${info.run_id}/artifacts`,
      lifecycle_stage: 'active',
    });
    expect(run.data.tags).toEqual([
      { key: 'mlflow.runName', value: 'first' },
      { key: 'mlflow.source.name', value: 'train.py' },
      { key: 'mlflow.user', value: 'ann' },
    ]);
    const { run_info: ended } = await tess.post<{ run_info: MlflowRun['info'] }>('runs/update', {
      run_id: info.run_id,
      status: 'FINISHED',
      end_time: 1_700_000_001_000,
      run_name: 'second',
    });
    expect(ended).toMatchObject({
      status: 'FINISHED',
      end_time: 1_700_000_001_000,
      run_name: 'second',
      user_id: 'ann',
    });
    expect((await tess.run(info.run_id)).data.tags).toContainEqual({ key: 'mlflow.runName', value: 'second' });
    await tess.post('runs/set-tag', { run_id: info.run_id, key: 'mlflow.runName', value: 'third' });
    expect((await tess.run(info.run_id)).info['run_name']).toBe('third');
  });

  it('get a name when none is given, and refuse two', async () => {
    const runId = await tess.newRun();
    expect((await tess.run(runId)).info['run_name']).toMatch(/^[a-z]+-[a-z]+-\d+$/);
    expect(
      await tess.fails('POST', 'runs/create', {
        experiment_id: '0',
        run_name: 'a',
        tags: [{ key: 'mlflow.runName', value: 'b' }],
      }),
    ).toMatchObject({
      error_code: 'INVALID_PARAMETER_VALUE',
      message: expect.stringContaining('but with different values'),
    });
  });

  it('have the statuses of MLflow', async () => {
    const runId = await tess.newRun();
    for (const [sent, shown] of [
      ['SCHEDULED', 'SCHEDULED'],
      [1, 'RUNNING'],
      ['KILLED', 'KILLED'],
      [4, 'FAILED'],
    ]) {
      const { run_info: info } = await tess.post<{ run_info: MlflowRun['info'] }>('runs/update', {
        run_id: runId,
        status: sent,
      });
      expect(info.status).toBe(shown);
    }
    expect(await tess.fails('POST', 'runs/update', { run_id: runId, status: 'QUEUED' })).toMatchObject({
      error_code: 'INVALID_PARAMETER_VALUE',
    });
  });

  it('nest, and are deleted and restored', async () => {
    const parent = await tess.newRun();
    const child = await tess.newRun({ tags: [{ key: 'mlflow.parentRunId', value: parent }] });
    expect((await tess.run(child)).data.tags).toContainEqual({ key: 'mlflow.parentRunId', value: parent });
    await tess.post('runs/delete', { run_id: child });
    expect(await tess.fails('POST', 'runs/set-tag', { run_id: child, key: 'x', value: 'y' })).toMatchObject({
      status: 400,
      error_code: 'INVALID_PARAMETER_VALUE',
      message: `The run ${child} must be in the 'active' state. Current state is deleted.`,
    });
    await tess.post('runs/restore', { run_id: child });
    await tess.post('runs/set-tag', { run_id: child, key: 'x', value: 'y' });
  });
});
